import numpy as np
import pytest

from copydesk.errors import DataError
from copydesk.tasks import Head, heads_loss, make_task, preference
from copydesk.types import Decision

TASK = make_task("single", ["clickbait", "news"])


def test_labels_become_their_places() -> None:
    assert TASK.encode(["news", "clickbait", "news"]).tolist() == [1, 0, 1]


def test_an_unknown_label_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="'satire' is not one of the model's: clickbait, news"):
        TASK.encode(["news", "satire"])


def test_scores_sum_to_one_even_for_huge_logits() -> None:
    scores = TASK.scores(np.array([[1000.0, -1000.0], [0.0, 0.0]], np.float32))
    assert scores.sum(axis=1).tolist() == [1.0, 1.0]
    assert scores[1].tolist() == [0.5, 0.5]


def test_a_higher_temperature_makes_answers_less_sure_but_not_other_ones() -> None:
    logits = np.array([[2.0, 1.0]], np.float32)
    sure, unsure = TASK.scores(logits, 0.5), TASK.scores(logits, 4.0)
    assert sure[0, 0] > unsure[0, 0] > 0.5


def test_the_answer_is_the_most_probable_label() -> None:
    answer = TASK.decode(np.array([[0.3, 0.7]]))[0]
    assert (answer.label, answer.score, answer.scores) == ("news", 0.7, None)


def test_all_scores_come_on_request() -> None:
    answer = TASK.decode(np.array([[0.25, 0.75]]), all_scores=True)[0]
    assert answer.to_json() == {"label": "news", "score": 0.75, "scores": {"clickbait": 0.25, "news": 0.75}}


def test_the_loss_is_the_cross_entropy_in_nats() -> None:
    assert heads_loss(TASK.heads, np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1])) == pytest.approx(np.log(2))


def test_what_abstaining_does_to_the_figures_is_noted() -> None:
    task = make_task("single", ["a", "b"], decision=Decision(abstain_below=0.9))
    scores = np.array([[0.95, 0.05], [0.92, 0.08], [0.6, 0.4], [0.2, 0.8]])
    measured = task.measure(task.encode(["a", "b", "b", "b"]), scores)
    assert measured.metrics["accuracy"] == 0.5
    assert "answers 50.0% of the test texts, and of these answers 50.0% are right" in measured.notes[0]


def test_of_equal_qualities_the_lower_loss_is_preferred_and_never_outvotes_quality() -> None:
    assert preference(0.9, 0.1) > preference(0.9, 0.2)
    assert preference(0.905, 9.0) > preference(0.9, 0.1)


def test_no_texts_give_no_answers() -> None:
    assert TASK.decode(TASK.scores(np.empty((0, 2), np.float32))) == []


def test_a_head_tells_how_much_of_each_text_belongs_to_each_output() -> None:
    hard, unknown = np.array([[2.0], [0.0], [2.0]]), np.array([[1.0], [np.nan]])
    head, soft = Head("softmax", 0, 3), Head("softmax", 0, 3, soft=True)
    assert head.shares(hard).tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert head.counts(hard).tolist() == [1, 0, 2]
    assert head.shares(unknown)[0].tolist() == [0, 1, 0] and np.isnan(head.shares(unknown)[1]).all()
    half = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    assert soft.shares(half).tolist() == half.tolist() and soft.counts(half).tolist() == [0.5, 1.0, 0.5]
    assert Head("sigmoid", 3, 5, target=1).counts(half).tolist() == [1.0, 0.5]
