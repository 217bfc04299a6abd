"""Copydesk's own workflows in .github: valid, pinned, of few rights, and calling what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from test_workflows import ACTIONS
from workflows import jobs, shells, workflow

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
KNOWN = ACTIONS | {
    "actions/deploy-pages": ("d6db90164ac5ed86f2b6aed7e0febac5b3c0c03e", "v4.0.5"),
    "actions/upload-pages-artifact": ("7b1f4a764d45c48632c6b24a0339c27f5614fb0b", "v4.0.0"),
    "pypa/gh-action-pypi-publish": ("ed0c53931b1dc9bd32cbe73a98c7f6766f8a527e", "v1.13.0"),
}
RIGHTS = {  # of every job that may do more than read
    ("ci.yml", "site"): {"contents": "read", "pages": "write", "id-token": "write"},
    ("docs.yml", "publish"): {"pages": "write", "id-token": "write"},
    ("release.yml", "pypi"): {"id-token": "write"},
    ("release.yml", "github"): {"contents": "write", "id-token": "write", "attestations": "write"},
}
each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def test_there_are_these_workflows() -> None:
    assert [file.name for file in FILES] == ["audit.yml", "ci.yml", "docs.yml", "release.yml"]


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
        assert (commit, version) == KNOWN[name]


@each
def test_a_job_may_read_and_only_a_listed_one_may_write(file: Path) -> None:
    assert workflow(file)["permissions"] == {}
    for name, job in jobs(file).items():
        assert job["permissions"] == RIGHTS.get((file.name, name), {"contents": "read"})


@each
def test_a_job_that_may_write_runs_nothing_that_was_installed(file: Path) -> None:
    for name, job in jobs(file).items():
        if (file.name, name) in RIGHTS and "steps" in job:
            used = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
            assert not {"actions/checkout", "actions/setup-python"} & set(used)


@each
def test_nobodys_text_becomes_part_of_a_script(file: Path) -> None:
    for shell in shells(file):
        assert "${{" not in shell.script, shell.name
    for step in (step for job in jobs(file).values() for step in job.get("steps", []) if "uses" in step):
        assert "github.event." not in str(step.get("with", "")), step


@each
def test_no_secret_is_used(file: Path) -> None:
    assert "secrets" not in file.read_text("utf-8"), "PyPI trusts the workflow itself"
    assert "pull_request_target" not in workflow(file)[True]


@each
def test_the_checkout_leaves_no_token_behind(file: Path) -> None:
    for job in jobs(file).values():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@each
def test_every_step_is_sound_shell_and_runs_do_not_overtake_each_other(file: Path) -> None:
    assert workflow(file)["defaults"]["run"]["shell"] == "bash" and workflow(file)["concurrency"]["group"]
    for shell in shells(file):
        done = subprocess.run(["bash", "-n"], input=shell.script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shell.name}: {done.stderr}"


@each
def test_every_make_target_and_module_that_is_called_exists(file: Path) -> None:
    targets = re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for shell in shells(file):
        assert set(re.findall(r"^\s*make ([a-z-]+)", shell.script, re.MULTILINE)) <= set(targets)
        for module in re.findall(r"-m (release(?:\.\w+)?)", shell.script):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file() or (ROOT / module).is_dir()


@pytest.mark.parametrize(
    ("tag", "taken"),
    [("v1.2.3", True), ("v1.2.3rc1", True), ("v1.2", False), ("v1.2.3;id", False), ("v1.2.3 --x", False), ("", False)],
)
@pytest.mark.parametrize("job", ["build", "github"])
def test_only_a_version_is_taken_for_a_tag(job: str, tag: str, taken: bool) -> None:
    (shell,) = [shell for shell in shells(FOLDER / "release.yml", job) if "=~" in shell.script]
    guard = next(line for line in shell.script.splitlines() if "=~" in line)
    environment = {"PATH": os.environ["PATH"], "TAG": tag}
    done = subprocess.run(["bash", "-ec", guard], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is taken
