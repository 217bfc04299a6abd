from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from copydesk.errors import EncoderError
from copydesk.labelling.similar import SimilarFunction, SimilarVoter
from copydesk.labelling.voters import Batch, Vote
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import Model


def _batch(*texts: str) -> Batch:
    return Batch(texts, pl.DataFrame({"text": texts}))


def _function(name: str, sentences: list[str], threshold: float) -> SimilarFunction:
    return SimilarFunction(Vote(0, name, "sport"), sentences, threshold)


def test_a_text_near_any_template_gets_the_vote(tiny_encoder: Path) -> None:
    functions = [
        _function("same", ["goal match league", "striker coach"], 0.9999),
        _function("any", ["bank"], 1e-6),
    ]
    voter = SimilarVoter(functions, Model(encoder=str(tiny_encoder), max_tokens=32))
    votes = list(voter.votes(_batch("goal match league", "striker coach", "bank profit loan market shares")))
    assert [vote.text for vote in votes if vote.function == "same"] == [0, 1]
    assert {vote.text for vote in votes if vote.function == "any"} == {0, 1, 2}


def test_texts_of_two_columns_can_be_compared(tiny_encoder: Path) -> None:
    text = f"goal match{COLUMN_SEPARATOR}league"
    voter = SimilarVoter([_function("f", [text], 0.9999)], Model(encoder=str(tiny_encoder), max_tokens=32))
    assert [vote.text for vote in voter.votes(_batch(text, "bank"))] == [0]


def test_an_encoder_that_is_not_there_is_told_when_it_is_needed(tmp_path: Path) -> None:
    voter = SimilarVoter([_function("f", ["goal"], 0.5)], Model(encoder=str(tmp_path / "none")))
    with pytest.raises(EncoderError, match="was not found"):
        list(voter.votes(_batch("goal")))
