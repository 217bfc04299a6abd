import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from copydesk.metrics.base import best_threshold, proportion_interval
from copydesk.metrics.single import bootstrap_intervals, calibration_of, label_counts, measure_single


def single_metrics(targets: np.ndarray, predicted: np.ndarray, labels: int) -> dict[str, float]:
    return measure_single(targets, np.eye(labels)[predicted], [str(label) for label in range(labels)]).metrics


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    targets = chance.integers(0, 4, 500)
    return targets, np.where(chance.random(500) < 0.8, targets, chance.integers(0, 4, 500))


def test_metrics_agree_with_scikit_learn(answers: tuple[np.ndarray, np.ndarray]) -> None:
    targets, predicted = answers
    found = single_metrics(targets, predicted, 4)
    assert found["accuracy"] == pytest.approx(accuracy_score(targets, predicted))
    assert found["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
    assert found["macro_recall"] == pytest.approx(recall_score(targets, predicted, average="macro"))
    assert found["weighted_f1"] == pytest.approx(f1_score(targets, predicted, average="weighted"))


def test_a_label_that_does_not_occur_does_not_drag_the_macro_mean_down() -> None:
    assert single_metrics(np.array([0, 1]), np.array([0, 1]), 3)["macro_f1"] == 1.0


def test_intervals_hold_the_point_and_match_a_bootstrap_over_texts(answers: tuple[np.ndarray, np.ndarray]) -> None:
    targets, predicted = answers
    chance = np.random.default_rng(1)
    draws = chance.integers(0, 500, (1_000, 500))
    slow = np.percentile(
        [f1_score(targets[draw], predicted[draw], average="macro") for draw in draws[:300]], [2.5, 97.5]
    )
    point = single_metrics(targets, predicted, 4)
    for name, (low, high) in bootstrap_intervals(targets, predicted, 4).items():
        assert low <= point[name] <= high
    assert bootstrap_intervals(targets, predicted, 4)["macro_f1"] == pytest.approx(slow, abs=0.01)


def test_intervals_are_the_same_every_time(answers: tuple[np.ndarray, np.ndarray]) -> None:
    assert bootstrap_intervals(*answers, 4) == bootstrap_intervals(*answers, 4)


def test_per_label_figures_with_a_label_never_predicted() -> None:
    found = label_counts(np.array([0, 0, 1]), np.array([0, 0, 0]), 2).qualities(["a", "b"])
    assert (found["a"].precision, found["a"].recall, found["a"].support) == (pytest.approx(2 / 3), 1.0, 2)
    assert (found["b"].precision, found["b"].recall, found["b"].f1) == (0.0, 0.0, 0.0)


def test_perfectly_honest_scores_have_no_calibration_error() -> None:
    scores = np.tile([0.75, 0.25], (400, 1))
    targets = np.array([0, 0, 0, 1] * 100)
    found = calibration_of(targets, scores)
    assert found.ece == pytest.approx(0.0)
    assert found.brier == pytest.approx(0.375)
    assert [(row.score, row.accuracy, row.n) for row in found.bins] == [(0.75, 0.75, 400)]


def test_overconfidence_shows_as_calibration_error() -> None:
    assert calibration_of(np.array([0, 1]), np.array([[0.99, 0.01], [0.99, 0.01]])).ece == pytest.approx(0.49)


def test_wilson_intervals_are_as_published() -> None:
    low, high = proportion_interval(81, 263)  # Newcombe 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert proportion_interval(0, 0) == (0.0, 1.0)
    assert proportion_interval(10, 10)[1] == pytest.approx(1.0)


def test_the_best_threshold_is_the_one_with_the_best_f1() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1])
    truth = np.array([1, 1, 0, 1, 0, 0])
    tried = {cut: f1_score(truth, scores >= cut) for cut in (0.05, 0.15, 0.4, 0.65, 0.75, 0.85)}
    assert best_threshold(scores, truth, otherwise=0.5) == pytest.approx(max(tried, key=lambda cut: tried[cut]))


def test_equal_scores_are_never_torn_apart_by_a_threshold() -> None:
    assert best_threshold(np.array([0.5, 0.5, 0.5, 0.1]), np.array([1, 0, 1, 0]), otherwise=0.9) == pytest.approx(0.3)


def test_no_truth_no_threshold() -> None:
    assert best_threshold(np.array([0.5, 0.1]), np.array([0, 0]), otherwise=0.33) == 0.33
