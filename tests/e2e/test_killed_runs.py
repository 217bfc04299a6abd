"""Whole training commands that are killed, terminated, resumed, or spread over processes."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import copydesk
from fakes import toy_rows

pytestmark = pytest.mark.e2e
TEXTS = [text for text, _ in toy_rows(60)]


@pytest.fixture
def recipe(tiny_encoder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(
        f"name: toy\nmodel: {{encoder: {tiny_encoder}, max_tokens: 32}}\n"
        "train: {epochs: 30, learning_rate: 0.003, batch_tokens: 128, frozen_layers: 1, early_stop: 0,\n"
        "  checkpoint_minutes: 0.002}\n"
        "runtime: {precision: none}\n",
        "utf-8",
    )
    return path


def _command(*arguments: object, processes: int = 1) -> list[str]:
    run = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    return [sys.executable, *run, "-m", "copydesk", *map(str, arguments)]


def _scores(bundle: Path) -> np.ndarray:
    answers = copydesk.load(bundle).predict(TEXTS, scores=True)
    return np.array([list((answer.scores or {}).values()) for answer in answers])


def _checkpoints(work: Path) -> int:
    return len(list(work.glob("checkpoint-*/complete.json")))


def test_killed_at_five_random_moments_it_ends_as_if_nothing_had_happened(
    recipe: Path, toy_csv: Path, tmp_path: Path
) -> None:
    subprocess.run(_command("train", recipe, "--data", toy_csv, "--out", "whole", "--quiet"), check=True)
    chance = random.Random(1)
    work = tmp_path / ".killed.training"
    train = _command("train", recipe, "--data", toy_csv, "--out", "killed", "--quiet", "--resume")
    for _ in range(5):
        process = subprocess.Popen(train)
        before, deadline = _checkpoints(work), time.monotonic() + 120
        while _checkpoints(work) <= before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (tmp_path / "killed").exists():
            break
    if not (tmp_path / "killed").exists():
        subprocess.run(train, check=True)
    assert (_scores(tmp_path / "killed") == _scores(tmp_path / "whole")).all()
    assert not work.exists()


def test_sigterm_exits_with_143_and_resume_goes_on(recipe: Path, toy_csv: Path, tmp_path: Path) -> None:
    train = _command("train", recipe, "--data", toy_csv, "--out", "bundle")
    process = subprocess.Popen(train, stderr=subprocess.PIPE, text=True)
    while _checkpoints(tmp_path / ".bundle.training") == 0 and process.poll() is None:
        time.sleep(0.05)
    process.terminate()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "the same command with --resume continues" in said.splitlines()[-1]
    done = subprocess.run([*train, "--resume"], capture_output=True, text=True, check=True)
    assert "continuing from checkpoint-" in done.stderr and "bundle: bundle" in done.stdout


def test_two_processes_give_what_one_gives(recipe: Path, toy_csv: Path, tmp_path: Path) -> None:
    """The batches are the same; only the order of additions differs, which bf16's rounding would make visible."""
    short = ("--set", "train.epochs=3", "--set", "train.precision=fp32")
    for processes in (1, 2):
        train = ("train", recipe, "--data", toy_csv, *short, "--quiet")
        done = subprocess.run(
            _command(*train, "--out", f"by-{processes}", processes=processes),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines() == [f"bundle: by-{processes}"]
    curves = [json.loads((tmp_path / f"by-{number}" / "history.json").read_text()) for number in (1, 2)]
    losses = [[step["loss"] for step in curve if step["loss"] is not None] for curve in curves]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert _scores(tmp_path / "by-1") == pytest.approx(_scores(tmp_path / "by-2"), abs=1e-3)
    shutil.rmtree(tmp_path / "by-1")
