"""A new project as its users live with it: DVC runs the pipeline, an S3 keeps it, and elsewhere it is the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from time import sleep
from typing import Any
from urllib.request import Request, urlopen

import pytest

from preloaded import Preloaded

pytestmark = pytest.mark.e2e
RAN = re.compile(r"Running stage '(\w+)'")


class Desk:
    """A shell in a folder, in which `copydesk`, `dvc` and `git` are found, and nothing is known of another machine."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self._home = home
        self.program = home / "bin" / "copydesk"
        if not self.program.exists():
            self.program.parent.mkdir(parents=True)
            self.program.write_text(f'#!/bin/sh\nexec {sys.executable} -m copydesk "$@"\n')
            self.program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of every command."""
        who = {
            f"GIT_{role}_{what}": "ada@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        return {
            **os.environ,
            **who,
            "HOME": str(self._home),
            "PATH": f"{self._home / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": ":".join(filter(None, sys.path)),
            "COPYDESK_CACHE": str(self._home / "cache"),
            "COPYDESK_USER": "ada",
        }

    def at(self, folder: Path) -> Desk:
        """Return the same shell in another folder."""
        return Desk(folder, self._home)

    def __call__(self, command: str, *, code: int = 0, **more: str) -> str:
        """Run a command and return what it printed, errors included."""
        environment: Mapping[str, str] = {**self.environment, **more}
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def change(self, old: str, new: str) -> None:
        """Edit recipe.yaml."""
        file = self.folder / "recipe.yaml"
        text = file.read_text("utf-8")
        assert text.count(old) == 1
        file.write_text(text.replace(old, new), "utf-8")

    @property
    def metrics(self) -> Any:
        """What the evaluation measured that does not depend on the machine's speed."""
        report = json.loads((self.folder / "reports" / "evaluation" / "report.json").read_text("utf-8"))
        return {key: report[key] for key in ("n", "metrics", "per_label", "calibration", "confusion", "mistakes")}


@pytest.fixture
def shell(tmp_path: Path) -> Desk:
    (tmp_path / "work").mkdir()
    return Desk(tmp_path / "work", tmp_path / "home")


def _ran(output: str) -> list[str]:
    return RAN.findall(output)


def test_a_project_runs_stays_done_and_does_again_only_what_a_change_touches(
    shell: Desk, s3: Any, preloaded: Preloaded
) -> None:
    preloaded.write_program(shell.program)
    shell("copydesk init desk --quiet")
    desk = shell.at(shell.folder / "desk")
    first = desk("dvc repro")
    assert _ran(first) == ["prepare", "train", "check", "evaluate", "promote"]
    assert "production of 'desk': version 1, the first in production" in first
    again = desk("dvc repro")
    assert not _ran(again) and "Data and pipelines are up to date" in again
    assert "everything" not in desk("dvc params diff") and "metrics.accuracy" in desk("dvc metrics show")
    desk("dvc plots show --out plots && test -s plots/index.html && rm -r plots")

    for old, new, stages in (
        ("accuracy: 0.6}", "accuracy: 0.61}", {"check", "promote"}),
        ("evaluate: {}", "evaluate: {slices: {parcels: {words: [parcel]}}}", {"check", "evaluate", "promote"}),
        ("runtime: {}", "runtime: {precision: none}", {"train"}),
    ):
        desk.change(old, new)
        assert set(_ran(desk("dvc repro --dry"))) == stages
        desk.change(new, old)

    desk("git add --all && git commit --quiet --message 'The first model'")
    _refused_and_back(desk)
    _elsewhere(desk, s3)


def _refused_and_back(desk: Desk) -> None:
    """Another seed gives a model that is no better: the gate says so, and the way back is as if nothing had been."""
    desk.change("train: {seed: 42}", "train: {seed: 43}")
    refused = desk("dvc repro promote", code=255)
    assert _ran(refused) == ["train", "promote"] and "The gate refuses" in refused
    assert "version 2 of 'desk' stays out of production" in refused
    assert _ran(desk("dvc repro promote", code=255)) == ["promote"], "it is asked again, and nothing is trained again"
    desk("git checkout --quiet recipe.yaml dvc.lock && dvc checkout --quiet")
    back = desk("dvc repro promote")
    assert not _ran(back)
    forced = desk("dvc repro --single-item --force promote")
    assert "Version 1 of 'desk' is in production already" in forced
    assert desk("copydesk models desk --json").count('"digest"') == 2


def _elsewhere(desk: Desk, s3: Any) -> None:
    """What is pushed is the same on another machine, and so is what is made anew there."""
    desk("dvc remote modify storage url s3://bucket/desk && dvc push")
    desk("git commit --quiet --all --message 'Where data and models are'")
    stored = s3.list_objects_v2(Bucket="bucket")["KeyCount"]
    assert stored > 10

    other = desk.at(desk.folder.parent / "other")
    desk.at(desk.folder.parent)("git clone --quiet desk other")
    assert not (other.folder / "bundle").exists()
    other("dvc pull")
    assert not _ran(other("dvc repro")) and other.metrics == desk.metrics
    answer = "copydesk predict bundle 'The parcel came late'"
    assert other(answer) == desk(answer)

    anew = desk.at(desk.folder.parent / "anew")
    desk.at(desk.folder.parent)("git clone --quiet desk anew")
    assert _ran(anew("dvc repro --force evaluate")) == ["prepare", "train", "evaluate"]
    assert anew.metrics == desk.metrics


def test_what_init_prints_leads_from_an_empty_folder_to_a_served_encoder_without_a_network(shell: Desk) -> None:
    printed = shell("copydesk init demo --recipe clickbait")
    commands = [line.strip() for line in printed.partition("What to do next:")[2].splitlines() if line[:2] == "  "]
    assert commands == ["cd demo", "dvc repro", "copydesk serve models:/clickbait@production"]
    assert printed.endswith("project: demo\n") and "nothing about the world" in printed

    ran = shell(" && ".join(commands[:2]))
    assert _ran(ran)[-1] == "promote" and "production of 'clickbait': version 1, the first in production" in ran
    report = json.loads((shell.folder / "demo" / "reports" / "evaluation" / "report.json").read_text("utf-8"))
    assert report["model"] == "encoder" and report["metrics"]["accuracy"] >= 0.97

    with _served(shell, f"cd demo && exec {commands[2]}") as address:
        texts = json.dumps({"texts": ["17 things only tired parents will understand", "Parliament rejects the budget"]})
        request = Request(f"{address}/v1/classify", texts.encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as response:
            answer = json.load(response)
    assert answer["model"] == {"name": "clickbait", "version": "1"}
    assert [one["label"] for one in answer["predictions"]] == ["clickbait", "news"]


@contextmanager
def _served(shell: Desk, command: str) -> Iterator[str]:
    """Run the command on a free port, and yield its address once it answers."""
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        ["bash", "-c", f"{command} --port {port}"], cwd=shell.folder, env=shell.environment, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            assert server.poll() is None, "the server ended"
            try:
                urlopen(f"{address}/readyz", timeout=5).close()
                break
            except OSError:
                sleep(0.2)
        yield address
    finally:
        server.terminate()
        assert server.wait(timeout=60) == 0
