"""Copydesk's own workflows in .github: they call what there is, and publish nothing but what a version's tag names."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from test_workflows import RIGHTS
from workflows import FILES, OWN, jobs, shells, used_by

ROOT = Path(__file__).parent.parent
each = pytest.mark.parametrize("file", FILES[OWN], ids=lambda file: file.name)


@each
def test_a_job_that_may_write_runs_nothing_that_was_installed(file: Path) -> None:
    for name, job in jobs(file).items():
        if (OWN, file.name, name) in RIGHTS:
            assert not used_by(job, "actions/checkout@") and not used_by(job, "actions/setup-python@")


@each
def test_no_secret_is_used(file: Path) -> None:
    assert "secrets" not in file.read_text("utf-8"), "PyPI trusts the workflow itself"


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
    (shell,) = [shell for shell in shells(OWN / "release.yml", job) if "=~" in shell.script]
    guard = next(line for line in shell.script.splitlines() if "=~" in line)
    environment = {"PATH": os.environ["PATH"], "TAG": tag}
    done = subprocess.run(["bash", "-ec", guard], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is taken
