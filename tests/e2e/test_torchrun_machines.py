"""The training that `deploy render torchrun` lays over several machines, with two torchruns on one, as two would be."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import copydesk
from deployed import example, one

pytestmark = pytest.mark.e2e
TEXTS = ["the goalkeeper saved a penalty", "shares fell as rates rose"]
_LONG_S = 400.0
"""For a machine with much else to do; alone it takes some ten seconds each time."""


@pytest.fixture
def workspace(tiny_encoder: Path, toy_csv: Path, tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(
        f"name: toy\nsource: [{{url: {toy_csv}}}]\nmodel: {{encoder: {tiny_encoder}, max_tokens: 32}}\n"
        "train: {epochs: 6, learning_rate: 0.003, batch_tokens: 128, frozen_layers: 1, early_stop: 0,\n"
        "  checkpoint_minutes: 0.01}\nruntime: {precision: none}\n",
        "utf-8",
    )
    return tmp_path


def _machine(rank: int, port: int, out: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start what the pod with this index runs, with the leader on this machine."""
    job = one("torchrun", example(torchrun__out=out), "Job")
    container = job["spec"]["template"]["spec"]["containers"][0]
    leader = f"{job['metadata']['name']}-0.{job['metadata']['name']}"
    known = {"$(JOB_COMPLETION_INDEX)": str(rank), leader: "127.0.0.1", "29500": str(port)}
    arguments = [known.get(argument, argument) for argument in container["args"]]
    assert container["command"] == ["torchrun"] and leader in container["args"]
    return subprocess.Popen([sys.executable, "-m", "torch.distributed.run", *arguments], cwd=folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _scores(bundle: Path) -> np.ndarray:
    answers = copydesk.load(bundle).predict(TEXTS, scores=True)
    return np.array([list((answer.scores or {}).values()) for answer in answers])


def test_a_machine_that_fails_costs_the_training_nothing_but_time(workspace: Path) -> None:
    port = _free_port()
    whole = [_machine(rank, port, "whole", workspace) for rank in (0, 1)]
    assert [process.wait(_LONG_S) for process in whole] == [0, 0]
    port, work = _free_port(), workspace / ".killed.training"
    first, second = (_machine(rank, port, "killed", workspace) for rank in (0, 1))
    deadline = time.monotonic() + _LONG_S
    while not list(work.glob("checkpoint-*/complete.json")) and time.monotonic() < deadline:
        assert first.poll() is None and second.poll() is None
        time.sleep(0.05)
    second.send_signal(signal.SIGTERM)  # as when its machine is taken away
    assert first.wait(_LONG_S) != 0 and second.wait(_LONG_S) != 0  # who has lost a peer ends too, and all begin anew
    port = _free_port()
    again = [_machine(rank, port, "killed", workspace) for rank in (0, 1)]
    assert [process.wait(_LONG_S) for process in again] == [0, 0]
    assert (_scores(workspace / "killed") == _scores(workspace / "whole")).all()
