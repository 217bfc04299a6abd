"""Trainings whose machine vanishes: checkpoints in S3, and another machine that goes on from them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import copydesk
from copydesk.models.checkpoints import COMPLETE_FILE
from copydesk.remote.recipes import recipe_at
from copydesk.training import train_bundle
from fakes import Listener, toy_rows, write_csv

pytestmark = pytest.mark.e2e
TEXTS = [text for text, _ in toy_rows(60)]
PLACE = "s3://bucket/checkpoints"
RECIPE = """name: toy
source: [{{url: data/toy.csv}}]
model: {{encoder: {encoder}, max_tokens: 32}}
train: {{epochs: 12, learning_rate: 0.003, batch_tokens: 128, frozen_layers: 1, early_stop: 0, precision: fp32,
  checkpoint_minutes: 0.03}}
behaviours: behaviours/toy.yaml
runtime: {{precision: none}}
"""
BEHAVIOURS = "language: en\nbehaviours:\n  a goal is sport: {capability: words, templates: [the goal], expect: sport}\n"


@pytest.fixture
def recipe(s3: Any, tiny_encoder: Path, tmp_path: Path) -> str:
    """Return the address of a recipe in the bucket, with its data and its behaviours beside it."""
    files = {"toy.yaml": RECIPE.format(encoder=tiny_encoder), "behaviours/toy.yaml": BEHAVIOURS}
    for name, text in files.items():
        s3.put_object(Bucket="bucket", Key=f"recipes/{name}", Body=text.encode())
    rows = write_csv(tmp_path / "toy.csv", toy_rows()).read_bytes()
    s3.put_object(Bucket="bucket", Key="recipes/data/toy.csv", Body=rows)
    return "s3://bucket/recipes/toy.yaml"


def _started(machine: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a training on a machine of its own: an own folder, an own cache."""
    machine.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "copydesk", "train", *map(str, arguments)],
        cwd=machine,
        env={**os.environ, "COPYDESK_CACHE": str(machine / "cache"), "COPYDESK_CHECKPOINTS": PLACE},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finished(process: subprocess.Popen[str]) -> tuple[str, str]:
    said, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    return said, told


def _keys(s3: Any, below: str = "checkpoints/") -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket="bucket", Prefix=below).get("Contents", [])]


def _whole(s3: Any) -> list[str]:
    return [key for key in _keys(s3) if key.endswith(COMPLETE_FILE)]


def _wait(s3: Any, process: subprocess.Popen[str], checkpoints: int) -> None:
    deadline = time.monotonic() + 240
    seen: set[str] = set()
    while len(seen) < checkpoints and process.poll() is None and time.monotonic() < deadline:
        seen |= set(_whole(s3))
        time.sleep(0.3)
    assert process.poll() is None, process.communicate()[1]


def _scores(bundle: str | Path) -> list[dict[str, float] | None]:
    return [answer.scores for answer in copydesk.load(bundle).predict(TEXTS, scores=True)]


def test_another_machine_goes_on_and_ends_with_the_same_predictions(recipe: str, s3: Any, tmp_path: Path) -> None:
    whole = train_bundle(recipe_at(recipe), out=tmp_path / "whole").path
    killed = _started(tmp_path / "killed", recipe, "--out", "s3://bucket/bundles/toy")
    _wait(s3, killed, 2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    terminated = _started(tmp_path / "terminated", recipe, "--out", "s3://bucket/bundles/toy")
    _wait(s3, terminated, len(_whole(s3)) + 1)
    terminated.terminate()
    _, told = terminated.communicate(timeout=240)
    assert terminated.returncode == 143
    last = told.split("the same command goes on from it")[0].splitlines()[-1].split()[0]
    assert any(f"/{last}-" in key for key in _whole(s3)), told
    assert not _keys(s3, "bundles/toy/manifest.json")

    for key in _whole(s3):  # as if the newest had been killed in the middle of its upload
        if f"/{last}-" in key:
            s3.delete_object(Bucket="bucket", Key=key)
    said, told = _finished(_started(tmp_path / "third", recipe, "--out", "s3://bucket/bundles/toy"))
    assert "continuing from checkpoint-" in told and f"continuing from {last}\n" not in told
    assert said.splitlines()[-1] == "bundle: s3://bucket/bundles/toy"
    assert _keys(s3) == []
    assert _scores("s3://bucket/bundles/toy") == _scores(whole)

    listener = Listener()
    train_bundle(recipe_at(recipe), out="s3://bucket/bundles/toy", progress=listener)
    assert listener.said[-1] == "s3://bucket/bundles/toy is there already, of this recipe and data"


def test_checkpoints_of_other_data_are_left_alone(recipe: str, s3: Any, tmp_path: Path) -> None:
    killed = _started(tmp_path / "killed", recipe)
    _wait(s3, killed, 1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    kept = _keys(s3)
    more = write_csv(tmp_path / "more.csv", toy_rows(300))
    others = ("--data", more, "--set", "train.epochs=2", "--out", "out")
    _, told = _finished(_started(tmp_path / "other", recipe, *others))
    assert "a new run (of 1 other run there are, of another recipe or other data)" in told
    assert "continuing" not in told and _keys(s3) == kept
    assert json.loads((tmp_path / "other" / "out" / "manifest.json").read_text())["name"] == "toy"
