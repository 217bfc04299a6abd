"""All 28 checks on a small encoder, through the command, with MLflow in a temporary folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checked import noisy_rows, recipe_of, trained
from copydesk.cli.main import app
from fakes import write_csv

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # of MLflow about SQLAlchemy


def test_every_check_runs_on_an_encoder_that_was_exported(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "behaviours.yaml").write_text(
        "language: en\nbehaviours:\n  names:\n    capability: fairness\n"
        "    templates: ['{who} saw a goal and a match']\n"
        "    slots: {who: [Anna, John, Mei]}\n    change: {names: who}\n    required: 0.1\n"
    )
    recipe = recipe_of(
        model={"kind": "encoder", "encoder": str(tiny_encoder), "max_tokens": 32},
        train={"epochs": 6, "learning_rate": 0.01, "batch_tokens": 256},
        runtime={"precision": "fp32"},
        gate={"floors": {"accuracy": 0.5}},
    )
    folder = trained(tmp_path / "world", recipe, noisy_rows())
    data = write_csv(tmp_path / "data.csv", noisy_rows())
    found = CliRunner().invoke(app, ["check", str(folder / "bundle"), "--data", str(data), "--json", "--report", "out"])
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout)
    by_id = {check["id"]: check for check in result["checks"]}
    for name in ("reproducible", "spec_tested", "pipeline_tested", "debuggable", "canaried", "rolled_back"):
        assert by_id[f"infrastructure.{name}"]["status"] == "passed", by_id[f"infrastructure.{name}"]["evidence"]
    for name in ("dependencies", "invariants", "no_skew", "not_stale", "numerically_stable"):
        assert by_id[f"monitoring.{name}"]["status"] == "passed", by_id[f"monitoring.{name}"]["evidence"]
    assert by_id["model.tuned"]["n"] == 3 and by_id["model.simpler_not_better"]["n"] == 72
    assert not (tmp_path / "mlflow.db").exists()
