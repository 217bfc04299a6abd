from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from copydesk.metrics.bootstrap import paired_rises
from copydesk.metrics.difference import difference, holm
from copydesk.metrics.paired import drop_p_value, mcnemar_interval, mcnemar_p_value, rise_interval
from copydesk.metrics.tally import Tallies
from copydesk.tasks import Task, make_task

TAGS = {"crime": ["theft", "police"], "sports": ["football"]}


def answers(task: str, seed: int, texts: int = 300) -> tuple[Task, NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    made = make_task(task, tuple(TAGS), categories=TAGS)
    if task == "single":
        targets = rng.integers(0, 2, texts)
    elif task == "multi":
        targets = (rng.random((texts, 2)) < 0.4).astype(np.float32)
    else:
        present = rng.random((texts, 2)) < 0.5
        scores = np.where(present, rng.choice([-0.8, 0.4], (texts, 2)), 0.0)
        scores[rng.random((texts, 2)) < 0.1] = np.nan
        targets = np.concatenate([scores, np.where(np.isnan(scores), np.nan, present)], axis=1)
    return made, targets, made.scores(rng.normal(size=(texts, made.outputs)))


def tallies_of(losses: int, gains: int, texts: int) -> tuple[Tallies, Tallies]:
    """Return a new and an old model of which the first texts are lost, the next gained, the others right by both."""
    task, targets = make_task("single", ("a", "b")), np.arange(texts) % 2
    new, old = targets.copy(), targets.copy()
    new[:losses] = 1 - new[:losses]
    old[losses : losses + gains] = 1 - old[losses : losses + gains]
    return task.tallies(targets, np.eye(2)[new]), task.tallies(targets, np.eye(2)[old])


@pytest.mark.parametrize("task", ["single", "multi", "signals"])
def test_tallies_sum_to_the_metrics_that_evaluation_gives(task: str) -> None:
    made, targets, scores = answers(task, 1)
    measured, figures = made.measure(targets, scores), made.tallies(targets, scores).figures()
    assert {name: figures[name] for name in measured.metrics} == pytest.approx(measured.metrics)
    if measured.calibration is not None:
        assert figures["ece"] == pytest.approx(measured.calibration.ece)
        assert figures["brier"] == pytest.approx(measured.calibration.brier)


@pytest.mark.parametrize("task", ["single", "multi", "signals"])
def test_the_mistakes_about_a_label_are_its_f1(task: str) -> None:
    made, targets, scores = answers(task, 2)
    tallies, measured = made.tallies(targets, scores), made.measure(targets, scores)
    f1 = 1 - tallies.mistaken.sum(axis=0) / tallies.decided
    assert f1 == pytest.approx([measured.per_label[label].f1 for label in made.labels])


@pytest.mark.parametrize("task", ["single", "multi", "signals"])
def test_every_metric_of_every_task_has_a_difference_with_an_interval_around_it(task: str) -> None:
    made, targets, first = answers(task, 3)
    second = answers(task, 4)[2]
    new, old = made.tallies(targets, first), made.tallies(targets, second)
    for metric in new.figures():
        found = difference(new, old, metric)
        assert found.low < found.rise < found.high, metric
        assert not found.is_better or found.low > 0


def test_the_bootstrap_gives_the_same_numbers_every_time() -> None:
    new, old = tallies_of(10, 20, 300)
    first, again = (paired_rises(new.quality, old.quality, "macro_f1", resamples=200) for _ in range(2))
    assert (first == again).all()


@pytest.mark.parametrize("test", ["exact", "paired_bootstrap", "mcnemar"])
def test_two_gains_of_a_hundred_texts_show_nothing_and_eight_do(test: str) -> None:
    assert not difference(*tallies_of(0, 2, 100), "accuracy", test=test).is_better
    assert difference(*tallies_of(0, 8, 100), "accuracy", test=test).is_better


def test_a_plain_bootstrap_would_be_too_sure_of_three_gains() -> None:
    new, old = tallies_of(0, 3, 100)
    plain = np.random.default_rng(1).binomial(100, 0.03, 2_000)
    assert np.quantile(plain, 0.05) > 0 >= difference(new, old, "accuracy", test="paired_bootstrap").low


def test_without_a_difference_the_bootstrap_bounds_a_drop_about_as_the_rule_of_three_does() -> None:
    found = difference(*tallies_of(0, 0, 300), "accuracy", test="paired_bootstrap")
    assert -3.5 / 300 < found.low < -1.5 / 300 and not found.is_not_worse(0.005)


def test_the_bootstrap_agrees_with_the_exact_test_where_much_differs() -> None:
    new, old = tallies_of(60, 80, 1_000)
    exact, drawn = (difference(new, old, "accuracy", test=test) for test in ("exact", "paired_bootstrap"))
    assert drawn.low == pytest.approx(exact.low, abs=0.002) and drawn.high == pytest.approx(exact.high, abs=0.002)


@pytest.mark.parametrize("drop", [0.0, -0.1])
def test_a_rise_is_claimed_in_at_most_one_of_twenty_samples_without_one(drop: float) -> None:
    texts = 16
    counts = [(losses, gains) for losses in range(texts + 1) for gains in range(texts + 1 - losses)]
    claiming = [pair for pair in counts if drop_p_value(*pair, texts, drop) <= 0.05]
    assert claiming
    for gain in (0.12, 0.2, 0.3, 0.45):
        loss = gain + drop
        chances = [
            binom.pmf(lost, texts, loss) * binom.pmf(won, texts - lost, gain / (1 - loss)) for lost, won in claiming
        ]
        assert sum(chances) <= 0.05


def test_the_interval_is_the_test_turned_round() -> None:
    low, high = rise_interval(4, 15, 400)
    assert low < 11 / 400 < high
    assert drop_p_value(4, 15, 400, -low + 1e-3) <= 0.05 < drop_p_value(4, 15, 400, -low - 1e-3)
    assert rise_interval(15, 4, 400) == pytest.approx((-high, -low))


def test_mcnemars_interval_holds_zero_exactly_where_its_test_shows_nothing() -> None:
    for losses, gains in ((0, 4), (0, 5), (2, 9), (10, 12), (12, 10)):
        low, _ = mcnemar_interval(losses, gains, 200)
        assert (low > 0) == (mcnemar_p_value(losses, gains) < 0.05)


def test_a_test_that_does_not_fit_a_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="fits accuracy only, not 'macro_f1'"):
        difference(*tallies_of(1, 2, 100), "macro_f1", test="mcnemar")


def test_of_many_things_looked_at_only_what_is_clear_is_claimed() -> None:
    assert holm({"a": 0.001, "b": 0.02, "c": 0.03}, 0.05) == ["a", "b", "c"]
    assert holm({"a": 0.001, "b": 0.03, "c": 0.04}, 0.05) == ["a"]
    assert holm({}, 0.05) == []
