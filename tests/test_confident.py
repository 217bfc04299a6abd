import numpy as np
import pytest

from copydesk.repair.confident import agreed, confident_joint, confusion, doubts_about, usual_confidence
from copydesk.repair.questions import UNKNOWN, Question

RNG = np.random.default_rng(0)


def _question(given: list[int] | np.ndarray, answers: int = 2, rare: bool = False) -> Question:
    return Question("", tuple(f"answer {place}" for place in range(answers)), np.asarray(given, np.int64), rare)


def _sure_of(truth: np.ndarray, answers: int, sureness: float = 0.9) -> np.ndarray:
    """Return probabilities that favour the truth, a little differently from text to text."""
    found = np.full((len(truth), answers), (1 - sureness) / (answers - 1))
    found[np.arange(len(truth)), truth] = sureness
    found += RNG.uniform(0, 0.02, found.shape)
    return found / found.sum(axis=1, keepdims=True)


def test_a_wrong_label_is_suspected_with_the_right_one_as_the_other() -> None:
    truth = np.arange(300) % 3
    given = truth.copy()
    given[[5, 50, 200]] = (truth[[5, 50, 200]] + 1) % 3
    doubts = doubts_about(_question(given, 3), _sure_of(truth, 3))
    assert np.flatnonzero(doubts.suspected).tolist() == [5, 50, 200]
    assert doubts.other[[5, 50, 200]].tolist() == truth[[5, 50, 200]].tolist()
    assert doubts.suspicion[[5, 50, 200]].min() > 0.7 > 0.3 > np.delete(doubts.suspicion, [5, 50, 200]).max()


def test_the_joint_counts_what_is_confidently_another_answer() -> None:
    given = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] + [[0.1, 0.9]] * 4)
    assert usual_confidence(given, found) == pytest.approx([0.7, 0.9], abs=1e-4)
    assert confident_joint(given, found) == pytest.approx(np.array([[3, 1], [0, 4]]) / 8)
    assert confusion(confident_joint(given, found)) == pytest.approx(np.array([[1.0, 0.2], [0.0, 0.8]]), abs=1e-4)


def test_a_text_that_is_confidently_nothing_does_not_count_but_its_answer_keeps_its_share() -> None:
    given = np.array([0, 0, 0, 1])
    found = np.array([[0.8, 0.2], [0.8, 0.2], [0.35, 0.65], [0.3, 0.7]])
    joint = confident_joint(given, found)
    assert joint.sum(axis=1) == pytest.approx([0.75, 0.25])
    assert joint[0] == pytest.approx([0.75, 0.0])


def test_texts_without_an_answer_are_never_suspected() -> None:
    truth = np.arange(100) % 2
    given = np.where(np.arange(100) < 40, UNKNOWN, truth)
    doubts = doubts_about(_question(given), _sure_of(1 - truth, 2))
    assert not doubts.suspected[:40].any() and not doubts.suspicion[:40].any()
    nothing = doubts_about(_question([UNKNOWN] * 3), _sure_of(np.zeros(3, np.int64), 2))
    assert not nothing.suspected.any()


def test_an_answer_that_too_few_texts_give_is_not_suspected() -> None:
    truth = np.zeros(100, np.int64)
    for count, expected in ((9, 0), (10, 10)):
        given = np.where(np.arange(100) < count, 1, 0)
        assert doubts_about(_question(given), _sure_of(truth, 2)).suspected.sum() == expected


def test_a_small_difference_of_probabilities_is_no_error() -> None:
    given = np.arange(100) % 2
    found = np.tile([0.5, 0.5], (100, 1))
    found[0] = [0.41, 0.59]
    assert not doubts_about(_question(given), found).suspected.any()
    found[0] = [0.39, 0.61]
    assert doubts_about(_question(given), found).suspected[0]


def test_a_rare_answer_is_suspected_only_where_it_is_less_probable_than_usual() -> None:
    given = np.array([1] * 20 + [0] * 980)
    found = np.tile([0.98, 0.02], (1000, 1))
    found[:20] = [0.8, 0.2]
    found[0] = [0.99, 0.01]
    assert doubts_about(_question(given), found).suspected[:20].all()
    assert np.flatnonzero(doubts_about(_question(given, rare=True), found).suspected).tolist() == [0]


def test_labels_often_mistaken_for_each_other_are_suspected_first() -> None:
    truth = np.repeat([0, 1, 2], 100)
    given = truth.copy()
    given[:30] = 1  # a true 0 is often called 1, a true 2 never is
    found = _sure_of(truth, 3, 0.8)
    found[[40, 250]] = [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]
    given[[40, 250]] = 1
    doubts = doubts_about(_question(given, 3), found)
    assert doubts.suspicion[40] > doubts.suspicion[250]


def test_models_agree_by_their_geometric_mean() -> None:
    sure, open_ = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    assert agreed(sure, sure)[0, 1] < 1e-5
    assert agreed(open_, open_) == pytest.approx(open_)
    assert agreed(np.array([[0.8, 0.2]]), open_) == pytest.approx(np.array([[2 / 3, 1 / 3]]))
