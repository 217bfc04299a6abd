from __future__ import annotations

import pytest

from copydesk.labelling.negation import Mentions, Negations, Spoken, known_negations


def _negated(text: str, word: str, language: str, window: int = 3) -> list[bool]:
    mentions = Mentions([(word, Spoken(word, language, window))], known_negations())
    return [negated for _, negated in mentions.found(text)]


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("not good", [True]),
        ("not a very good film", [True]),
        ("not what I would call good", [False]),  # four words between
        ("good, not bad", [False]),
        ("it isn't good", [True]),
        ("It isn’t good", [True]),
        ("not good, but good", [True, True]),
        ("good but never good", [False, True]),
        ("nothing", []),
    ],
)
def test_a_word_is_negated_up_to_three_words_after_a_negation_word(text: str, negated: list[bool]) -> None:
    assert _negated(text, "good", "en") == negated


@pytest.mark.parametrize(
    ("text", "word", "language"),
    [
        ("inga skadade", "skadade", "sv"),
        ("kein guter Film", "guter", "de"),
        ("ce n'est pas bon", "bon", "fr"),
        ("no es bueno", "bueno", "es"),
        ("ei ole hyvä", "hyvä", "fi"),
        ("这不好", "好", "zh"),
        ("火事はない", "火事", "ja"),
    ],
)
def test_languages_have_their_own_negation_words(text: str, word: str, language: str) -> None:
    assert _negated(text, word, language) == [True]


def test_a_negation_word_of_another_language_does_not_count() -> None:
    assert _negated("inte good", "good", "en") == _negated("not bra", "bra", "sv") == [False]


def test_without_a_window_nothing_is_negated() -> None:
    assert _negated("not good", "good", "en", window=0) == [False]


def test_a_phrase_that_holds_the_negation_word_is_not_negated_by_it() -> None:
    assert _negated("there was no damage", "no damage", "en") == [False]


def test_negation_words_can_be_given() -> None:
    mentions = Mentions([("good", Spoken("good", "xx", 1))], {"xx": Negations(before=["nope"])})
    assert list(mentions.found("nope good")) == [("good", True)]
