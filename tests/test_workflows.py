"""What holds for every workflow, those given to users and our own: valid, pinned, of few rights, safe from texts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from workflows import EXAMPLES, FILES, OWN, jobs, shells, used_by, workflow

ACTIONS = {  # the owner, and the commit of each version that was looked up; a new version is a change to this table
    "actions/attest-build-provenance": ("977bb373ede98d70efdf65b84cb5f73e068dcc2a", "v3.0.0"),
    "actions/cache": ("0057852bfaa89a56745cba8c7296529d2fc39830", "v4.3.0"),
    "actions/checkout": ("08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5.0.0"),
    "actions/deploy-pages": ("d6db90164ac5ed86f2b6aed7e0febac5b3c0c03e", "v4.0.5"),
    "actions/download-artifact": ("634f93cb2916e3fdff6788551b99b062d0335ce0", "v5.0.0"),
    "actions/setup-python": ("e797f83bcb11b83ae66e0230d6156d7c80228e7c", "v6.0.0"),
    "actions/upload-artifact": ("ea165f8d65b6e75b540449e92b4886f43607fa02", "v4.6.2"),
    "actions/upload-pages-artifact": ("7b1f4a764d45c48632c6b24a0339c27f5614fb0b", "v4.0.0"),
    "pypa/gh-action-pypi-publish": ("ed0c53931b1dc9bd32cbe73a98c7f6766f8a527e", "v1.13.0"),
}
PAGES = {"pages": "write", "id-token": "write"}
ATTESTED = {"contents": "write", "id-token": "write", "attestations": "write"}
RIGHTS = {  # of every job that may do more than read
    (EXAMPLES, "docs.yml", "publish"): PAGES,
    (EXAMPLES, "release.yml", "publish"): ATTESTED,
    (OWN, "ci.yml", "site"): {"contents": "read", **PAGES},
    (OWN, "docs.yml", "publish"): PAGES,
    (OWN, "release.yml", "pypi"): {"id-token": "write"},
    (OWN, "release.yml", "github"): ATTESTED,
}
each = pytest.mark.parametrize(
    "file",
    [pytest.param(file, id=f"{folder.parent.name}/{file.name}") for folder in FILES for file in FILES[folder]],
)


def test_there_are_these_workflows() -> None:
    assert {folder: [file.stem for file in files] for folder, files in FILES.items()} == {
        EXAMPLES: ["docs", "promote", "release", "retrain", "test", "train"],
        OWN: ["audit", "ci", "docs", "release"],
    }


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_they_are_what_githubs_schema_says(schema: str) -> None:
    files = [str(file) for folder in FILES for file in FILES[folder]]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@each
def test_every_action_is_pinned_to_a_commit_that_was_looked_up(file: Path) -> None:
    used = re.findall(r"uses: (\S+)(?: # (\S+))?", file.read_text("utf-8"))
    assert used
    for action, version in used:
        if action.startswith("./.github/workflows/"):
            assert (file.parent / Path(action).name).is_file()
            continue
        name, _, commit = action.partition("@")
        assert re.fullmatch("[0-9a-f]{40}", commit) and (commit, version) == ACTIONS[name]


@each
def test_a_job_may_read_and_only_a_listed_one_may_write(file: Path) -> None:
    assert workflow(file)["permissions"] == {}
    for name, job in jobs(file).items():
        assert job["permissions"] == RIGHTS.get((file.parent, file.name, name), {"contents": "read"})


@each
def test_nobodys_text_becomes_part_of_a_script(file: Path) -> None:
    for shell in shells(file):
        assert "${{" not in shell.script, shell.name
    for job in jobs(file).values():
        for step in used_by(job):
            assert "github.event" not in str(step.get("with", "")), step


@each
def test_secrets_reach_only_the_steps_that_need_them(file: Path) -> None:
    for job in jobs(file).values():
        assert "secrets." not in str(job.get("env", "")), "a job's environment is every action's"
        assert "secrets." not in str(used_by(job))
    events = workflow(file)[True]
    assert "pull_request_target" not in events
    if "pull_request" in events:
        assert "secrets" not in file.read_text("utf-8")


@each
def test_the_checkout_leaves_no_token_behind(file: Path) -> None:
    for job in jobs(file).values():
        for step in used_by(job, "actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each
def test_every_step_is_sound_shell(file: Path) -> None:
    assert workflow(file)["defaults"]["run"]["shell"] == "bash", "with it come -e and pipefail"
    for shell in shells(file):
        done = subprocess.run(["bash", "-n"], input=shell.script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shell.name}: {done.stderr}"


@each
def test_runs_do_not_overtake_each_other(file: Path) -> None:
    assert workflow(file)["concurrency"]["group"]
    ended = {(EXAMPLES, "test.yml"): True, (OWN, "audit.yml"): True}
    ended[OWN, "ci.yml"] = "${{ github.event_name == 'pull_request' }}"
    assert workflow(file)["concurrency"]["cancel-in-progress"] == ended.get((file.parent, file.name), False)
