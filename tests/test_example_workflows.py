"""The workflows in deploy/github, which users copy: they call what there is, and take only what they were made for."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from copydesk.cli.main import app
from workflows import EXAMPLES, FILES, Runner, shells


def _calls() -> list[Any]:
    return [
        pytest.param(words, id=f"{file.name}: {' '.join(words)}")
        for file in FILES[EXAMPLES]
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

    calls = [words for file in FILES[EXAMPLES] for shell in shells(file) for words in shell.commands("dvc")]
    assert [words[0] for words in calls] == ["pull", "repro", "push"]
    for words in calls:
        get_main_parser().parse_args(words)


def test_the_commands_are_found_in_the_steps() -> None:
    found = {words[0] for file in FILES[EXAMPLES] for shell in shells(file) for words in shell.commands()}
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
    file, job = (EXAMPLES / "release.yml", "pack") if which == "TAG" else (EXAMPLES / "promote.yml", "promote")
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
        _only_first(Runner(tmp_path, {**environment, **given}), EXAMPLES / file, job)
        assert f"MODEL={model}\n" in (tmp_path / "github.env").read_text()


def test_a_registry_that_ends_with_the_runner_is_refused(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "COPYDESK_REGISTRY": "models:/", "MLFLOW_TRACKING_URI": ""}
    runner = Runner(tmp_path, {**environment, "NAME": "clickbait", "VERSION": "3"})
    with pytest.raises(subprocess.CalledProcessError):
        _only_first(runner, EXAMPLES / "promote.yml", "promote")
    assert "Set the variable MLFLOW_TRACKING_URI" in runner.printed


def _only_first(runner: Runner, file: Path, job: str) -> None:
    """Run a job's first shell step."""
    runner.run(file, job, skip=tuple(shell.name for shell in list(shells(file, job))[1:]))
