"""From what a model answered in production to a better one there: queue, decisions, retraining, gate; as commands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from copydesk.cli.main import app
from copydesk.data.review_file import read_review, write_review
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.log_files import LogFiles
from copydesk.monitor.reference import Reference
from copydesk.registry.references import opened
from copydesk.runtime.engine import Classifier
from fakes import toy_rows, write_csv

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
RECIPE = """
name: toy
source: {url: toy.csv}
model: {kind: linear}
prepare: {split: {test: 0.25}}
gate: {against_production: {require: better}, max_drops: {calibration: 1, slice_accuracy: 1}}
"""
CRICKET = ("wicket", "innings", "bowler", "umpire", "batsman", "over")
FUNDS = ("hedge", "coupon", "yield", "bond", "futures", "swap")


def _copydesk(*words: str, exit_code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == exit_code, done.output
    return json.loads(done.stdout) if exit_code == 0 else {"said": done.stderr}


def _drifted() -> dict[str, str]:
    """Return texts about matters that training never saw, with their labels."""
    rows = {}
    for number, (text, label) in enumerate(toy_rows(400, seed=5)):
        own = CRICKET if label == "sport" else FUNDS
        words = [word for word in text.split() if len(word) < 5 and word not in ("goal", "bank", "loan")]
        rows[" ".join([own[number % 6], *words, own[number // 6 % 6], f"{number * 7919 % 9973}"])] = label
    return rows


def _answered(texts: list[str]) -> None:
    """Log what the model in production answers, as the server does."""
    bundle = opened("models:/toy@production")
    answers = Classifier.of(bundle).predict(texts)
    now = datetime.now(UTC).timestamp()
    entries = [
        Entry(
            now, f"1.{number:08x}", "toy", "1", text, (str(one.label),), (float(one.score or 0),), float(one.score or 0)
        )
        for number, (text, one) in enumerate(zip(texts, answers, strict=True))
    ]
    vocabulary = Reference.load(bundle.layout.reference).vocabulary
    LogFiles(Path("log")).write(table_of(entries, vocabulary, kept=str))


def _decide(path: Path, truth: dict[str, str]) -> None:
    review = read_review(path)
    for place, item in enumerate(review.items):
        label = truth[item.text]
        review = review.decided(place, "keep") if label == item.label else review.decided(place, "change", label)
    write_review(path, review)


def test_the_loop_from_the_log_to_a_better_version_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'registry.db'}")
    write_csv(Path("toy.csv"), toy_rows(400))
    Path("recipe.yaml").write_text(RECIPE)
    first = _copydesk("run", "recipe.yaml")["bundle"]
    _copydesk("register", first, "--alias", "staging")
    assert _copydesk("promote", "toy")["action"] == "promoted"

    truth = _drifted()
    _answered(list(truth))
    queue = _copydesk("monitor", "queue", "models:/toy@production", "--log", "log", "--limit", "120", "--random", "0.4")
    assert (queue["review"], queue["texts"]) == ("reviews/toy-1.jsonl", 120)
    assert queue["reasons"]["random"] == 48 and {"uncertain", "drifted"} <= set(queue["reasons"])
    _decide(Path(queue["review"]), truth)
    again = _copydesk("monitor", "queue", "models:/toy@production", "--log", "log")
    asked = [{item.id for item in read_review(Path(one["review"])).items} for one in (queue, again)]
    assert not asked[0] & asked[1], "what is asked is not asked again"

    done = _copydesk("retrain", "recipe.yaml", "--review", queue["review"], "--log", "log")
    assert (done["reference"], done["aliases"]) == ("models:/toy/2", ["staging"])
    assert done["corrections"]["joined_train"] > 50 and done["corrections"]["joined_test"] > 40
    assert done["next"].startswith("copydesk promote toy --data ")
    assert len(done["checks"]["checks"]) == 28
    slices = {one["name"]: one["accuracy"] for one in done["report"]["slices"]}
    assert slices["source: reviews/toy-1.jsonl"] > 0.9
    refused = _copydesk("retrain", "recipe.yaml", "--review", queue["review"], exit_code=1)
    assert "Nothing has changed since version 2 of 'toy'" in refused["said"]

    decided = _copydesk("promote", "toy")
    assert (decided["action"], decided["why"], decided["before"]) == ("promoted", "better", 1)
    assert decided["texts"] == done["report"]["n"], "the gate asks the drawn texts, too"
