from __future__ import annotations

from typing import Any

import polars as pl

from copydesk.labelling.negation import known_negations
from copydesk.labelling.voters import Batch, Vote
from copydesk.labelling.words import Word, WordFunction, WordVoter
from copydesk.normalise import COLUMN_SEPARATOR


def _batch(*texts: str, **columns: list[Any]) -> Batch:
    return Batch(texts, pl.DataFrame(columns or {"text": texts}))


def _votes(function: WordFunction, *texts: str) -> list[tuple[int, str, bool]]:
    votes = WordVoter([function], known_negations()).votes(_batch(*texts))
    return [(vote.text, vote.label, vote.yes) for vote in votes]


def _good(**settings: Any) -> WordFunction:
    return WordFunction("praise", "good", [Word("good", "en"), Word("fine", "en")], **settings)


def test_a_function_votes_once_for_a_text_with_any_of_its_words() -> None:
    assert _votes(_good(), "good and fine", "bad", "Good!") == [(0, "good", True), (2, "good", True)]


def test_a_negated_word_does_not_count() -> None:
    assert _votes(_good(window=2), "not good", "not good but fine indeed, fine") == [(1, "good", True)]


def test_a_negated_word_can_speak_for_another_label() -> None:
    assert _votes(_good(window=2, negated="bad"), "not good") == [(0, "bad", True)]


def test_a_negated_word_can_speak_against_its_own_label() -> None:
    assert _votes(_good(window=2, negated=False), "not good") == [(0, "good", False)]


def test_a_word_that_stands_unnegated_too_speaks_for_its_label_alone() -> None:
    assert _votes(_good(window=1, negated="bad"), "not good, good") == [(0, "good", True)]


def test_words_can_speak_against_a_label() -> None:
    assert _votes(_good(yes=False), "good") == [(0, "good", False)]


def test_the_strongest_word_gives_the_score_and_the_strongest_tagged_word_the_tag() -> None:
    words = [Word("fire", "en", -0.4, "fire"), Word("quake", "en", -0.6, "earthquake"), Word("rescue", "en", -0.9)]
    voter = WordVoter([WordFunction("f", "emergencies", words)], {})
    assert list(voter.votes(_batch("rescue from fire after quake"))) == [
        Vote(0, "f", "emergencies", True, -0.9, "earthquake")
    ]


def test_another_column_can_be_looked_at() -> None:
    voter = WordVoter([_good()], {}, column="site")
    found = voter.votes(_batch("bad", "bad", "good", site=["good.example", None, "other"]))
    assert [vote.text for vote in found] == [0]
    assert voter.columns == {"site"}


def test_text_columns_are_searched_together() -> None:
    batch = _batch(f"bad{COLUMN_SEPARATOR}good")
    assert batch.lines == ["bad\ngood"]
    assert [vote.text for vote in WordVoter([_good()], {}).votes(batch)] == [0]
