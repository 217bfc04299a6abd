from __future__ import annotations

import polars as pl
import pytest

from copydesk.errors import RecipeError
from copydesk.labelling.patterns import PatternVoter
from copydesk.labelling.voters import Batch, Vote

VOTE = Vote(0, "scores", "sport")
CATASTROPHE = "a" * 5_000 + "!"


def _batch(*texts: str) -> Batch:
    return Batch(texts, pl.DataFrame({"text": texts}))


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([r"\b\d-\d\b"], [0]),
        ([r"\d-\d", "WON"], [0, 1]),
        (["(?i)won"], [1, 2]),
        ([r"won(?! )"], [2]),  # looks around
        ([r"(\w)\1"], [2]),  # refers back
    ],
)
def test_a_text_in_which_any_expression_is_found_gets_the_vote(patterns: list[str], found: list[int]) -> None:
    votes = PatternVoter(VOTE, patterns).votes(_batch("a 2-1 win", "WON again", "they won, soon"))
    assert [vote.text for vote in votes] == found


def test_an_expression_that_would_backtrack_for_ever_ends_at_once() -> None:
    voter = PatternVoter(VOTE, ["(a+)+$", "(a|aa)+$"])
    assert list(voter.votes(_batch(*[CATASTROPHE] * 100))) == []
    assert not voter.faults


def test_one_that_needs_backtracking_is_stopped_counted_and_given_up() -> None:
    voter = PatternVoter(VOTE, ["(?=a)(a|aa)+$"], timeout_s=0.001)
    assert [vote.text for vote in voter.votes(_batch(*[CATASTROPHE] * 60, "aa"))] == []
    faults = voter.faults["scores"]
    assert (faults.time_outs, faults.given_up) == (50, True)
    assert faults.first.startswith("'(?=a)(a|aa)+$' took more than 0.001 s on 'aaa")


def test_texts_before_a_time_out_keep_their_votes() -> None:
    voter = PatternVoter(VOTE, ["(?=a)(a|aa)+$"], timeout_s=0.05)
    assert [vote.text for vote in voter.votes(_batch("aa", CATASTROPHE, "aaa"))] == [0, 2]
    assert (voter.faults["scores"].time_outs, voter.faults["scores"].given_up) == (1, False)


def test_what_is_no_expression_is_told_with_the_functions_name() -> None:
    with pytest.raises(RecipeError, match=r"Labelling function 'scores': '\(' is no regular expression: missing \)"):
        PatternVoter(VOTE, ["("])


def test_another_column_can_be_looked_at() -> None:
    voter = PatternVoter(VOTE, ["/sport/"], "url")
    batch = Batch(["a", "b"], pl.DataFrame({"url": ["x/sport/1", None]}))
    assert [vote.text for vote in voter.votes(batch)] == [0]
