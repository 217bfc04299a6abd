import numpy as np
import pytest

from copydesk.models.linear_features import Features
from copydesk.models.linear_matrix import matrix_of
from copydesk.repair.neighbours import Neighbours, nearest, semantic_vectors, unit
from copydesk.repair.out_of_fold import FOLDS, deal_folds, out_of_fold
from copydesk.repair.questions import QUESTIONS, UNKNOWN, Question
from fakes import toy_rows

TEXTS, LABELS = (list(column) for column in zip(*toy_rows(), strict=True))
MATRIX = matrix_of(Features(), TEXTS)[0]
ALONE = np.arange(len(TEXTS))
(TOPIC,) = QUESTIONS["single"](LABELS, ("money", "sport"))


def _advance(amount: int) -> None:
    pass


def test_neighbours_say_what_a_text_is_about() -> None:
    votes = nearest(semantic_vectors(MATRIX, 1), ALONE, 1).votes(TOPIC)
    assert votes.sum(axis=1) == pytest.approx(np.ones(len(TEXTS)))
    assert (votes.argmax(axis=1) == TOPIC.given).mean() > 0.9


def test_a_text_is_no_neighbour_of_its_near_copies_and_of_itself() -> None:
    vectors = unit(np.array([[1, 0], [1, 0.01], [1, 0.02], [0, 1], [0.1, 1]], np.float32))
    found = nearest(vectors, np.array([0, 0, 2, 3, 3]), 1)
    nearest_to_first = found.places[0][found.similarities[0] > 0].tolist()
    assert nearest_to_first == [2, 4]
    assert found.places[3][0] == 2


def test_a_neighbour_whose_answer_is_unknown_has_no_vote() -> None:
    neighbours = Neighbours(np.array([[1, 2], [0, 2], [0, 1]]), np.ones((3, 2)))
    votes = neighbours.votes(Question("", ("no", "yes"), np.array([1, UNKNOWN, 0])))
    assert votes[0, 0] > 0.9
    assert votes[1] == pytest.approx([0.5, 0.5], abs=0.01)


def test_a_text_unlike_all_others_is_the_loneliest() -> None:
    texts = [*TEXTS, "zzz qqq xxx 12345"]
    vectors = semantic_vectors(matrix_of(Features(), texts)[0], 1)
    lonely = nearest(vectors, np.arange(len(texts)), 1).loneliness()
    assert lonely.argmax() == len(TEXTS) and lonely[-1] == pytest.approx(1.0)


def test_texts_without_any_common_feature_have_no_neighbours() -> None:
    texts = ["aa", "bb", "cc"]
    vectors = semantic_vectors(matrix_of(Features(), texts)[0], 1)
    assert not nearest(vectors, np.arange(3), 1).similarities.any()


def test_folds_hold_groups_together_and_spread_every_label() -> None:
    groups, strata = np.arange(100) // 2, np.arange(100) // 2 % 5
    folds = deal_folds(groups, strata, seed=3)
    assert (folds[::2] == folds[1::2]).all()
    counts = np.stack([np.bincount(strata[folds == fold], minlength=5) for fold in range(FOLDS)])
    assert (counts == 4).all()
    assert (deal_folds(groups, strata, seed=3) == folds).all()
    assert (deal_folds(groups, strata, seed=4) != folds).any()


def test_a_model_is_asked_about_texts_that_it_did_not_see() -> None:
    told: list[int] = []
    folds = deal_folds(ALONE, TOPIC.given, 1)
    (found,) = out_of_fold(MATRIX, [TOPIC], folds, balanced=False, advance=told.append)
    assert (found.argmax(axis=1) == TOPIC.given).mean() > 0.95
    assert sum(told) == FOLDS
    wrong = TOPIC.given.copy()
    wrong[0] = 1 - wrong[0]
    question = Question("", TOPIC.answers, wrong)
    (again,) = out_of_fold(MATRIX, [question], folds, balanced=False, advance=_advance)
    assert again[0] == pytest.approx(found[0])  # its own label does not change what is said of it


def test_unknown_and_unseen_answers_keep_a_little_probability() -> None:
    given = TOPIC.given.copy()
    given[::3] = UNKNOWN
    question = Question("", ("money", "sport", "art"), given)
    (found,) = out_of_fold(MATRIX, [question], deal_folds(ALONE, TOPIC.given, 1), balanced=True, advance=_advance)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(TEXTS)))
    assert (found[:, :2].argmax(axis=1) == TOPIC.given).mean() > 0.9
    assert 0 < found[:, 2].max() < 0.02
    only = Question("", ("no", "yes"), np.zeros(len(TEXTS), np.int64))
    (same,) = out_of_fold(MATRIX, [only], deal_folds(ALONE, TOPIC.given, 1), balanced=False, advance=_advance)
    assert (same[:, 0] > 0.99).all()
