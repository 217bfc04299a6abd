"""Expected accuracy without labels, and the age of a model: what they get right and what they cannot see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from copydesk.monitor.detectors import State, Window
from copydesk.monitor.entry import SCHEMA
from copydesk.monitor.expected import Expected, doubt_of, expected_accuracy
from copydesk.monitor.promise import Promise, promise_of
from copydesk.monitor.reference import Reference
from copydesk.monitor.staleness import staleness
from copydesk.monitor.traits import Vocabulary

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def answered(count: int, share: float, seed: int) -> dict[str, Any]:
    """Return answers to texts of which such a share is clickbait: the model knows it worse, and is as sure of it."""
    random = np.random.default_rng(seed)
    truth = np.where(random.random(count) < share, "clickbait", "news")
    right = random.random(count) < np.where(truth == "news", 0.95, 0.6)
    given = np.where(right, truth, np.where(truth == "news", "clickbait", "news"))
    confidence = random.beta(12, 2, count)
    return {"truth": truth.tolist(), "given": given.tolist(), "right": right, "confidence": confidence}


def rows_of(given: list[str], confidence: np.ndarray, version: str = "1") -> pl.LazyFrame:
    frame = pl.DataFrame(
        {"labels": [[one] if one else [] for one in given], "confidence": confidence, "version": version}
    )
    return frame.with_columns(pl.col("confidence").cast(SCHEMA["confidence"])).lazy()


def reference_of(promise: Promise) -> Reference:
    return Reference(Vocabulary.of([]), Window({}, np.zeros((0, 2), np.float32)), promise)


def expected(promise: Promise, found: dict[str, Any]) -> Expected:
    return expected_accuracy(rows_of(found["given"], found["confidence"]), reference_of(promise))[0]


HELD = answered(3_000, 0.3, seed=1)
PROMISE = promise_of(HELD["confidence"], HELD["right"], HELD["given"], HELD["truth"])


def test_without_a_change_the_truth_is_within_the_interval() -> None:
    missed = 0
    for seed in range(40):
        found = answered(500, 0.3, seed + 10)
        said = expected(PROMISE, found)
        missed += not said.low <= found["right"].mean() <= said.high
    assert missed <= 5


def test_labels_that_the_model_knows_worse_lower_the_expectation_when_they_grow_frequent() -> None:
    found = answered(2_000, 0.9, seed=5)
    said, naive = expected(PROMISE, found), float(found["confidence"].mean())
    assert found["right"].mean() < 0.65 < 0.8 < naive
    assert said.share == pytest.approx(found["right"].mean(), abs=0.03)


def test_an_overconfident_model_is_believed_as_far_as_it_was_right() -> None:
    random = np.random.default_rng(3)
    chance = random.uniform(0.5, 1, 2_000)
    right = random.random(2_000) < chance
    sure = 1 / (1 + ((1 - chance) / chance) ** 3)
    promise = promise_of(sure, right)
    easy = chance > 0.8
    said = expected_accuracy(rows_of(["a"] * int(easy.sum()), sure[easy]), reference_of(promise))[0]
    assert said.confidence > 0.97 and said.share == pytest.approx(right[easy].mean(), abs=0.02)


def test_every_label_has_its_own_expectation_and_versions_stand_apart() -> None:
    one, two = answered(600, 0.3, seed=6), answered(200, 0.3, seed=7)
    rows = pl.concat([rows_of(one["given"], one["confidence"]), rows_of(two["given"], two["confidence"], "2")])
    found = expected_accuracy(rows, reference_of(PROMISE))
    assert [(each.version, each.label) for each in found] == [
        ("1", ""), ("1", "news"), ("1", "clickbait"), ("2", ""), ("2", "news"), ("2", "clickbait")
    ]  # fmt: skip
    assert sum(each.n for each in found[1:3]) == found[0].n == 600
    right = dict(zip(one["given"], one["right"], strict=True))
    assert set(right) == {"news", "clickbait"}
    for each in found[1:3]:
        mine = [flag for flag, label in zip(one["right"], one["given"], strict=True) if label == each.label]
        assert each.share == pytest.approx(np.mean(mine), abs=0.08)


def test_answers_in_which_the_model_abstained_do_not_count() -> None:
    rows = rows_of(["news", "", ""], np.array([0.9, 0.3, 0.2]))
    assert expected_accuracy(rows, reference_of(PROMISE))[0].n == 1


def test_a_label_that_the_reference_never_saw_has_its_confidence_alone() -> None:
    found = expected_accuracy(rows_of(["new"] * 50, np.full(50, 0.8)), reference_of(PROMISE))
    assert [each.label for each in found] == ["", "new"] and 0 < found[1].share < 1


def test_a_promise_is_the_same_when_read_back() -> None:
    again = Promise.from_json(PROMISE.to_json())
    given = {"news": 50, "clickbait": 20}
    assert again.share(0.8, given) == PROMISE.share(0.8, given)
    assert again.shares({"news": 0.8}, given) == PROMISE.shares({"news": 0.8}, given)


def test_flawless_held_out_answers_promise_no_more_than_they_can() -> None:
    promise = promise_of(np.full(60, 0.95), np.ones(60, bool), ["a"] * 60, ["a"] * 60)
    assert 0.95 < promise.share(0.95, {"a": 10}) <= 1.0


def test_changed_texts_put_the_expectation_in_doubt_and_changed_answers_do_not() -> None:
    def state(name: str) -> State:
        return State(name, 250, "KS", 0.5, 0.1, 1e-9, drifted=True)

    assert doubt_of([state("labels"), state("confidence")]) == ""
    assert "The texts have changed (topics, not_ascii)" in doubt_of([state("topics"), state("not_ascii")])


def said(weeks: int, each: int, chance: Any, *, weight: float | None = 2.0) -> pl.DataFrame:
    random = np.random.default_rng(11)
    place = np.arange(weeks * each)
    right = random.random(len(place)) < np.array([chance(week) for week in place // each])
    at = [NOW - timedelta(weeks=weeks) + timedelta(weeks=float(one) / each) for one in place]
    return pl.DataFrame(
        {"at": at, "right": right, "weight": [weight] * len(place)}, schema_overrides={"weight": pl.Float64}
    )


def test_a_model_that_becomes_worse_every_week_has_a_slope_below_zero() -> None:
    trained = NOW - timedelta(weeks=8)
    found = staleness(said(8, 100, lambda week: 0.95 - 0.03 * week), trained=trained, now=NOW)
    assert found.age_days == 56 and list(found.weeks) == list(range(8))
    assert found.weeks[0].share > 0.9 > 0.8 > found.weeks[7].share
    assert found.slope is not None and found.slope.n == 800
    assert found.slope.low < -0.03 < found.slope.high < 0


def test_a_slope_without_a_change_holds_zero_as_often_as_it_says() -> None:
    missed = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        frame = said(6, 30, lambda week: 0.9).with_columns(right=pl.Series(random.random(180) < 0.9))
        slope = staleness(frame, trained=NOW - timedelta(weeks=6), now=NOW).slope
        assert slope is not None
        missed += not slope.low <= 0 <= slope.high
    assert missed <= 12


def test_what_users_chose_to_say_has_weeks_and_no_slope() -> None:
    found = staleness(said(5, 40, lambda week: 0.5, weight=None), trained=NOW - timedelta(weeks=5), now=NOW)
    assert found.slope is None and {one.sampling for one in found.weeks.values()} == {"chosen"}


def test_the_age_of_the_newest_text_is_known_where_texts_have_times() -> None:
    nothing = said(1, 1, lambda week: 1.0).clear()
    found = staleness(nothing, trained=NOW - timedelta(days=2), newest_text=NOW - timedelta(days=30), now=NOW)
    assert (found.age_days, found.newest_text_days, found.weeks, found.slope) == (2, 30, {}, None)
