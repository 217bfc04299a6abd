import numpy as np
import pytest

from copydesk.bundle import Settings
from copydesk.errors import DataError
from copydesk.evaluate import evaluate, fit_temperature
from copydesk.runtime.engine import Classifier
from copydesk.tasks import make_task
from copydesk.types import Report
from fakes import Clock, FakeModel

LOGITS = {"goal": [0.0, 3.0], "bank": [3.0, 0.0], "offside": [1.0, 0.0]}


def _classifier() -> Classifier:
    settings = Settings("single", ("money", "sport"), "fake", ("text",), ("spaces",))
    return Classifier(FakeModel(LOGITS, 2), settings)


def test_a_report_counts_what_was_right_and_shows_the_surest_mistakes_first() -> None:
    texts = ["goal one", "bank two", "offside three", "goal four words here"]
    report = evaluate(_classifier(), texts, ["sport", "money", "sport", "money"], clock=Clock())
    assert report.n == 4
    assert report.metrics["accuracy"] == 0.5
    assert report.per_label["money"].support == 2
    assert report.confusion is not None and report.confusion.counts == [[1, 1], [1, 1]]
    assert [(mistake.text, mistake.expected) for mistake in report.mistakes] == [
        ("goal four words here", "money"),
        ("offside three", "sport"),
    ]
    assert report.latency_ms["p50"] == pytest.approx(1.0)


def test_how_many_test_labels_are_weak_is_said_before_anything_else() -> None:
    texts, labels = ["goal one", "bank two"], ["sport", "money"]
    assert evaluate(_classifier(), texts, labels, clock=Clock()).notes == []
    some, every = (evaluate(_classifier(), texts, labels, weak=weak, clock=Clock()).notes[0] for weak in (1, 2))
    assert some.startswith("1 of 2 test labels are weak: labelling functions gave them, not people.")
    assert every.startswith("All 2 test labels are weak")


def test_a_report_survives_being_json() -> None:
    report = evaluate(_classifier(), ["goal one", "bank two"], ["sport", "money"], clock=Clock())
    assert Report.from_json(report.to_json()) == report


def test_labels_the_model_does_not_have_are_refused() -> None:
    with pytest.raises(DataError, match="'weather' is not one of the model's: money, sport"):
        evaluate(_classifier(), ["goal"], ["weather"])


def test_the_temperature_makes_overconfident_scores_honest() -> None:
    chance = np.random.default_rng(0)
    honest = chance.normal(0, 1.5, 4_000)
    targets = (chance.random(4_000) < 1 / (1 + np.exp(-honest))).astype(np.int64)
    logits = np.stack([np.zeros(4_000), 3 * honest], axis=1).astype(np.float32)
    assert fit_temperature(make_task("single", ["a", "b"]), logits, targets) == pytest.approx(3.0, rel=0.1)


def test_a_few_flawless_answers_do_not_make_the_model_surer_than_it_was() -> None:
    logits = np.array([[9.0, 0.0], [0.0, 9.0]], np.float32)
    assert fit_temperature(make_task("single", ["a", "b"]), logits, np.array([0, 1])) == pytest.approx(1.0, abs=0.05)
