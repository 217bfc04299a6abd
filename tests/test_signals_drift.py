"""Drift of a signals model's answers: which tags its categories have, besides which categories there are."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from copydesk.monitor.drift import Drift
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.promise import promise_of
from copydesk.monitor.reference import Answers, Reference, reference_of
from copydesk.monitor.summary import window_of
from copydesk.types import Prediction, Signal
from test_drift import sentences

TEXTS = sentences(1_500, seed=3)
CATEGORIES, TAGS = ("sports", "politics"), {"sports": ("football", "hockey"), "politics": ("vote", "protest")}


def answers(count: int, seed: int, football: float = 0.5) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the categories and tags of some answers; of the sport, so much is football."""
    random = np.random.default_rng(seed)
    found = []
    for category, first in zip(random.choice(CATEGORIES, count), random.random(count), strict=True):
        share = football if category == "sports" else 0.5
        found.append(((str(category),), (TAGS[str(category)][int(first >= share)],)))
    return found


def reference() -> Reference:
    given = answers(1_000, seed=1)
    kinds = {
        "labels": [labels[0] for labels, _ in given],
        "tags": [f"{labels[0]}: {tags[0]}" for labels, tags in given],
    }
    confidence = np.full(1_000, 0.8)
    return reference_of(
        Answers(TEXTS[:1_000], confidence, kinds), TEXTS, promise_of(confidence, np.arange(1_000) % 5 > 0)
    )


def alarms(given: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> set[str]:
    known = reference()
    at = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
    entries = [
        Entry(at, str(n), "signals", "1", text, labels, (0.5,) * len(labels), 0.8, tags)
        for n, (text, (labels, tags)) in enumerate(zip(TEXTS[1_000:], given, strict=False))
    ]
    rows = table_of(entries, known.vocabulary, kept=None)
    return {state.detector for state in Drift.since(known).update(window_of(rows)) if state.drifted}


def test_other_tags_of_the_same_categories_alarm_and_the_categories_do_not() -> None:
    assert alarms(answers(400, seed=8)) == set()
    assert alarms(answers(400, seed=8, football=0.95)) == {"tags"}


def test_a_window_counts_each_tag_under_its_category_and_other_tasks_have_none() -> None:
    rows = pl.DataFrame({"labels": [["sports", "politics"], [], ["news"]], "tags": [["football", ""], [], []]})
    from copydesk.monitor.summary import _tagged

    assert _tagged(rows) == ["sports: football", "politics: "]


def test_a_prediction_names_the_tags_of_what_is_present() -> None:
    signals = [Signal("sports", 0.5, "football"), Signal("politics", 0.1, "vote", present=False), Signal("crime", -0.4)]
    assert Prediction(signals=signals).tagged == ["sports: football", "crime: "]
    assert Prediction(label="news", score=0.9).tagged == []
