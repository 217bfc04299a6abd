"""Workflows as plain values, and their shell steps run on this machine as GitHub's runner runs them."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_ROOT = Path(__file__).parent.parent
EXAMPLES, OWN = _ROOT / "deploy" / "github", _ROOT / ".github" / "workflows"
FILES = {folder: sorted(folder.glob("*.yml")) for folder in (EXAMPLES, OWN)}


@dataclass(frozen=True)
class Shell:
    """One shell step, and what of it are commands of Copydesk."""

    name: str
    script: str

    def commands(self, program: str = "copydesk") -> list[list[str]]:
        """Return the words of each call of a program, up to a pipe, a redirection or the line's end."""
        joined = self.script.replace("\\\n", " ")
        return [
            [word for word in shlex.split(re.split(r"\s(?:\||>|2>&1)", call)[0])]
            for call in re.findall(rf"^\s*{program} (.*)$", joined, re.MULTILINE)
        ]


def workflow(file: Path) -> dict[Any, Any]:
    """Return a workflow; its `on` is the key True, as YAML 1.1 reads it."""
    document: dict[Any, Any] = yaml.safe_load(file.read_text("utf-8"))
    return document


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    """Return a workflow's jobs by name."""
    found: dict[str, dict[str, Any]] = workflow(file)["jobs"]
    return found


def shells(file: Path, job: str | None = None) -> Iterator[Shell]:
    """Yield the shell steps of a workflow, or of one of its jobs, in order."""
    for name, found in jobs(file).items():
        for step in found.get("steps", []) if job in (None, name) else []:
            if "run" in step:
                yield Shell(step.get("name", "?"), step["run"])


def used_by(job: dict[str, Any], action: str = "") -> list[dict[str, Any]]:
    """Return the steps of a job that use an action, or this one."""
    return [step for step in job.get("steps", []) if step.get("uses", "").startswith(action) and "uses" in step]


class Runner:
    """Runs a job's shell steps one after the other, with what they hand on to each other; actions are left out."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, dict(environment)
        self.printed = ""

    def run(self, file: Path, job: str, *, skip: tuple[str, ...] = ()) -> dict[str, str]:
        """Return the job's outputs. Raises `CalledProcessError` if a step fails."""
        handed, outputs = self._folder / "github.env", self._folder / "github.output"
        handed.write_text("")
        outputs.write_text("")
        for shell in shells(file, job):
            if shell.name in skip:
                continue
            environment = {**self._environment, **_pairs(handed)}
            environment |= {"GITHUB_ENV": str(handed), "GITHUB_OUTPUT": str(outputs)}
            script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", shell.script]
            done = subprocess.run(
                script, cwd=self._folder, env=environment, capture_output=True, text=True, check=False
            )
            self.printed += done.stdout + done.stderr
            done.check_returncode()
        return _pairs(outputs)


def _pairs(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())
