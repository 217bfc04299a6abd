from __future__ import annotations

import pytest

from copydesk.phrases import Phrases


def _found(phrases: list[str], text: str) -> list[tuple[str, int, int]]:
    return [(one.meaning, one.start, one.stop) for one in Phrases((phrase, phrase) for phrase in phrases).found(text)]


def test_every_place_of_a_phrase_is_told_by_its_words() -> None:
    assert _found(["goal"], "A goal, no GOAL, goals") == [("goal", 1, 2), ("goal", 3, 4)]


def test_a_longer_phrase_hides_the_shorter_ones_inside_it() -> None:
    assert _found(["apple", "apple pie"], "apple pie, apple") == [("apple pie", 0, 2), ("apple", 2, 3)]


def test_one_phrase_may_stand_for_several_things() -> None:
    found = Phrases([("bank", "money"), ("Bank", "river")]).found("the bank")
    assert [one.meaning for one in found] == ["money", "river"]


@pytest.mark.parametrize(
    ("phrase", "text", "places"),
    [
        ("C++", "C and C++11", [(6, 9)]),
        ("C++", "ABC++", []),
        ("火事", "昨夜の火事で、火事", [(3, 5), (7, 9)]),
        ("ﬁre", "FIRE", [(0, 1)]),  # a ligature, folded
    ],
)
def test_signs_and_scripts_without_spaces_are_found_as_they_are_written(
    phrase: str, text: str, places: list[tuple[int, int]]
) -> None:
    assert [(start, stop) for _, start, stop in _found([phrase], text)] == places


def test_nothing_is_found_of_nothing() -> None:
    assert _found([], "a text") == _found(["goal"], "") == []
