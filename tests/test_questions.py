import numpy as np

from copydesk.repair.questions import ANSWERED, QUESTIONS, UNKNOWN
from copydesk.types import Signal


def test_single_labels_are_one_question() -> None:
    (question,) = QUESTIONS["single"](["b", "a", "b"], ("a", "b"))
    assert (question.answers, question.given.tolist(), question.rare) == (("a", "b"), [1, 0, 1], False)
    assert ANSWERED["single"]("b", {"": "a"}, {}) == "a"


def test_each_of_several_labels_is_a_question_of_its_own() -> None:
    questions = QUESTIONS["multi"]([("a",), ("a", "c"), ("b",)], ("a", "b", "c"))
    assert [question.name for question in questions] == ["a", "b", "c"]
    assert np.stack([question.given for question in questions]).T.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    assert all(question.rare and question.answers == ("absent", "present") for question in questions)
    assert ANSWERED["multi"](("a", "c"), {"c": "absent", "b": "present"}, {}) == ("a", "b")
    assert ANSWERED["multi"](("a",), {"a": "absent"}, {}) is None


def test_each_category_is_absent_bad_or_good_news_or_unknown() -> None:
    labels = [
        (Signal("crime", -0.5, "theft"), Signal("sports", 0.0)),
        (Signal("sports", 0.0, "football"),),
        (Signal("crime", 0.7), Signal("sports", 1.0)),
    ]
    crime, sports = QUESTIONS["signals"](labels, ("crime", "sports"))
    assert crime.answers == ("absent", "-", "+")
    assert crime.given.tolist() == [1, UNKNOWN, 2]
    assert sports.given.tolist() == [0, 2, 2]
    assert crime.known.tolist() == [True, False, True]


def test_a_signals_answer_changes_its_score_and_nothing_else() -> None:
    label = (Signal("crime", -0.5, "theft"), Signal("sports", 0.0))
    signals = ANSWERED["signals"]
    assert signals(label, {"crime": "+"}, {}) == (Signal("crime", 0.5, "theft"), Signal("sports", 0.0))
    assert signals(label, {"crime": "absent"}, {}) == (Signal("crime", 0.0), Signal("sports", 0.0))
    assert signals(label, {"sports": "-"}, {"sports": 0.8}) == (label[0], Signal("sports", -0.8))
