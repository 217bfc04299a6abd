"""The example workflows in deploy/github: valid, pinned, of few rights, and calling what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from copydesk.cli.main import app
from workflows import FILES, FOLDER, Runner, jobs, shells, workflow

ACTIONS = {  # the owner, and the commit of each version that was looked up; a new version is a change to this table
    "actions/attest-build-provenance": ("977bb373ede98d70efdf65b84cb5f73e068dcc2a", "v3.0.0"),
    "actions/cache": ("0057852bfaa89a56745cba8c7296529d2fc39830", "v4.3.0"),
    "actions/checkout": ("08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5.0.0"),
    "actions/deploy-pages": ("d6db90164ac5ed86f2b6aed7e0febac5b3c0c03e", "v4.0.5"),
    "actions/download-artifact": ("634f93cb2916e3fdff6788551b99b062d0335ce0", "v5.0.0"),
    "actions/setup-python": ("e797f83bcb11b83ae66e0230d6156d7c80228e7c", "v6.0.0"),
    "actions/upload-artifact": ("ea165f8d65b6e75b540449e92b4886f43607fa02", "v4.6.2"),
    "actions/upload-pages-artifact": ("7b1f4a764d45c48632c6b24a0339c27f5614fb0b", "v4.0.0"),
}
WRITES = {
    ("docs.yml", "publish"): {"pages": "write", "id-token": "write"},
    ("release.yml", "publish"): {"contents": "write", "id-token": "write", "attestations": "write"},
}
each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def test_there_are_these_workflows() -> None:
    assert [file.name for file in FILES] == [
        "docs.yml",
        "promote.yml",
        "release.yml",
        "retrain.yml",
        "test.yml",
        "train.yml",
    ]


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_they_are_what_githubs_schema_says(schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@each
def test_every_action_is_pinned_to_a_commit_that_was_looked_up(file: Path) -> None:
    used = re.findall(r"uses: (\S+)(?: # (\S+))?", file.read_text("utf-8"))
    assert used
    for action, version in used:
        if action.startswith("./.github/workflows/"):
            assert (FOLDER / Path(action).name).is_file()
            continue
        name, _, commit = action.partition("@")
        assert re.fullmatch("[0-9a-f]{40}", commit) and (commit, version) == ACTIONS[name]


@each
def test_a_job_may_read_and_only_a_listed_one_may_write(file: Path) -> None:
    assert workflow(file)["permissions"] == {}
    for name, job in jobs(file).items():
        assert job["permissions"] == WRITES.get((file.name, name), {"contents": "read"})


@each
def test_nobodys_text_becomes_part_of_a_script(file: Path) -> None:
    for shell in shells(file):
        assert "${{" not in shell.script, shell.name
    for action in (step for job in jobs(file).values() for step in job.get("steps", []) if "uses" in step):
        assert "github.event" not in str(action.get("with", "")), action


@each
def test_secrets_reach_only_the_steps_that_need_them(file: Path) -> None:
    for job in jobs(file).values():
        assert "secrets." not in str(job.get("env", "")), "a job's environment is every action's"
        for step in job.get("steps", []):
            assert "uses" not in step or "secrets." not in str(step)
    events = workflow(file)[True]
    assert "pull_request_target" not in events
    if "pull_request" in events:
        assert "secrets" not in file.read_text("utf-8")


@each
def test_the_checkout_leaves_no_token_behind(file: Path) -> None:
    for job in jobs(file).values():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@each
def test_runs_do_not_overtake_each_other(file: Path) -> None:
    assert workflow(file)["concurrency"]["group"]
    assert workflow(file)["concurrency"]["cancel-in-progress"] is (file.name == "test.yml")


@each
def test_every_step_is_sound_shell(file: Path) -> None:
    assert workflow(file)["defaults"]["run"]["shell"] == "bash", "with it come -e and pipefail"
    for shell in shells(file):
        done = subprocess.run(["bash", "-n"], input=shell.script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shell.name}: {done.stderr}"


def _calls() -> list[Any]:
    return [
        pytest.param(words, id=f"{file.name}: {' '.join(words)}")
        for file in FILES
        for shell in shells(file)
        for words in shell.commands()
    ]


@pytest.mark.parametrize("words", _calls())
def test_every_command_and_option_exists(words: list[str]) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert words[0] in commands, f"there is no copydesk {words[0]}"
    commands[words[0]].make_context(words[0], [re.sub(r"\$\w+|\$\{.*?\}", "3", word) for word in words[1:]])


def test_every_call_of_dvc_is_one_that_it_understands() -> None:
    from dvc.cli.parser import get_main_parser

    calls = [words for file in FILES for shell in shells(file) for words in shell.commands("dvc")]
    assert [words[0] for words in calls] == ["pull", "repro", "push"]
    for words in calls:
        get_main_parser().parse_args(words)


def test_the_commands_are_found_in_the_steps() -> None:
    found = {words[0] for file in FILES for shell in shells(file) for words in shell.commands()}
    assert found == {"check", "pack", "promote", "register", "run", "sign", "train", "unpack"}


HOSTILE = [
    "$(touch mark)",
    "`touch mark`",
    '"; touch mark; "',
    "x\nMODEL=../../etc",
    "../x",
    "x y",
    "",
    "-rf",
    "--force",
    "x" * 65,
    "ⅹ",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("which", ["NAME", "VERSION", "TAG"])
def test_what_is_no_name_and_no_number_ends_the_first_step(tmp_path: Path, which: str, text: str) -> None:
    given = {"NAME": "clickbait", "VERSION": "3", "TAG": "clickbait-v3"}
    base = {
        "PATH": os.environ["PATH"],
        "COPYDESK_REGISTRY": "models:/",
        "MLFLOW_TRACKING_URI": "https://mlflow.example",
    }
    file, job = (FOLDER / "release.yml", "pack") if which == "TAG" else (FOLDER / "promote.yml", "promote")
    with pytest.raises(subprocess.CalledProcessError):
        _only_first(Runner(tmp_path, {**base, **given, which: text}), file, job)
    assert not (tmp_path / "mark").exists() and (tmp_path / "github.env").read_text() == ""


@pytest.mark.parametrize(
    ("registry", "model"),
    [
        ("models:/", "models:/clickbait/3"),
        ("hf://example", "hf://example/clickbait@v3"),
        ("wandb://example/news/", "wandb://example/news/clickbait:v3"),
    ],
)
def test_the_reference_fits_the_registry(tmp_path: Path, registry: str, model: str) -> None:
    environment = {"PATH": os.environ["PATH"], "COPYDESK_REGISTRY": registry, "MLFLOW_TRACKING_URI": "https://x"}
    for file, job, given in (
        ("promote.yml", "promote", {"NAME": "clickbait", "VERSION": "v3"}),
        ("release.yml", "pack", {"TAG": "clickbait-v3"}),
    ):
        _only_first(Runner(tmp_path, {**environment, **given}), FOLDER / file, job)
        assert f"MODEL={model}\n" in (tmp_path / "github.env").read_text()


def test_a_registry_that_ends_with_the_runner_is_refused(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "COPYDESK_REGISTRY": "models:/", "MLFLOW_TRACKING_URI": ""}
    runner = Runner(tmp_path, {**environment, "NAME": "clickbait", "VERSION": "3"})
    with pytest.raises(subprocess.CalledProcessError):
        _only_first(runner, FOLDER / "promote.yml", "promote")
    assert "Set the variable MLFLOW_TRACKING_URI" in runner.printed


def _only_first(runner: Runner, file: Path, job: str) -> None:
    """Run a job's first shell step."""
    runner.run(file, job, skip=tuple(shell.name for shell in list(shells(file, job))[1:]))
