"""`copydesk demo` on the built-in sample with the real default encoder, as `make demo` runs it without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.e2e
def test_the_demo_trains_compares_predicts_and_says_what_to_do_next(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    recipe = tmp_path / "recipes" / "clickbait.yaml"
    text = recipe.read_text("utf-8")
    assert text.count("epochs: auto") == 1
    quick = "epochs: 1, frozen_layers: 5"  # minutes less; the rest is as it is
    recipe.write_text(text.replace("epochs: auto", quick), "utf-8")
    command = [sys.executable, "-m", "copydesk", "demo", str(recipe), "--sample"]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    for piece in (
        "the built-in sample",
        "encoder",
        "linear",
        "What to do next",
        "predict bundles/demo-1/",
        "report.html",
    ):
        assert piece in done.stdout
    text = "9 secrets your dentist will never tell you"
    answer = subprocess.run(
        [sys.executable, "-m", "copydesk", "predict", "bundles/demo-1/encoder", text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert answer.stdout.startswith("clickbait\t")
