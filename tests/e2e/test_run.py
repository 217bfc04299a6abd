"""`copydesk run` on the shipped signals recipe: a misbehaving GDELT to an evaluated model, killed in every stage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import copydesk
from copydesk.recipe import shipped_recipe
from gdelt_server import SINCE, UNTIL, made_up_articles, serve

pytestmark = pytest.mark.e2e
STAGES = ("collect", "label", "prepare", "train")
TEXTS = ["Fire at chemical plant, hundreds flee", "Snow closes the airport", "Election won by a landslide"]


@pytest.fixture
def command(tiny_encoder: Path) -> Iterator[list[str]]:
    with serve(made_up_articles(900), faults=0.2) as server:
        settings = {
            "source.0.gdelt.endpoint": server.url,
            "source.0.gdelt.since": f"{SINCE:%Y-%m-%d}",
            "source.0.gdelt.until": f"{UNTIL:%Y-%m-%d}",
            "source.0.gdelt.countries": "[]",
            "source.0.gdelt.seconds_per_request": 0.01,
            "model.encoder": tiny_encoder,
            "train.epochs": 12,
            "train.learning_rate": 0.005,
            "train.checkpoint_minutes": 0.002,
            "runtime.precision": "fp32",  # a network so small is as fast in any, and clocks would choose
        }
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        yield [sys.executable, "-m", "copydesk", "run", str(shipped_recipe("signals")), *options, "--json"]


def _environment() -> dict[str, str]:
    return {**os.environ, "COPYDESK_ALLOW_PRIVATE_HOSTS": "1"}


def _finish(command: list[str], folder: Path) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def _state(folder: Path) -> dict[str, dict[str, str | None]]:
    path = folder / "runs/signals.json"
    state: dict[str, dict[str, str | None]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return state


def _kill_in(stage: str, command: list[str], folder: Path) -> None:
    """Kill the command with -9 a moment after it began the stage."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        command, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while process.poll() is None and _state(folder).get(stage, {}).get("content", "not begun") is not None:
        time.sleep(0.005)
    time.sleep({"collect": 0.15, "train": 1.5}.get(stage, 0.02))
    process.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said.decode()


def test_killed_in_every_stage_it_ends_as_if_nothing_had_happened(command: list[str], tmp_path: Path) -> None:
    undisturbed = _finish(command, tmp_path / "undisturbed")
    for stage in STAGES:
        _kill_in(stage, command, tmp_path / "killed")
    ended = _finish(command, tmp_path / "killed")

    raw = [pl.read_parquet(tmp_path / folder / "raw/signals-1.parquet") for folder in ("undisturbed", "killed")]
    assert raw[0].drop("_source").equals(raw[1].drop("_source"))
    assert raw[0].filter(pl.col("url").is_not_null())["url"].is_unique().all()
    assert [(stage["stage"], stage["output"]) for stage in ended["stages"]] == [
        (stage["stage"], stage["output"]) for stage in undisturbed["stages"]
    ]
    assert ended["figures"]["encoder"] == pytest.approx(undisturbed["figures"]["encoder"], abs=1e-9)
    answers = [
        copydesk.load(tmp_path / folder / "bundles/signals-1").predict(TEXTS) for folder in ("undisturbed", "killed")
    ]
    assert answers[0] == answers[1]
    assert {path.name for path in (tmp_path / "killed").rglob("*") if path.name.startswith(".")} == {".signals.lock"}

    again = _finish(command, tmp_path / "killed")
    assert all(stage["unchanged"] for stage in again["stages"])
    assert set(again["figures"]) == {"keywords", "linear", "encoder"}
    assert again["report"]["n"] == 260  # the hand-checked sample, and nothing else
