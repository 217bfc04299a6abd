from __future__ import annotations

import polars as pl
import pytest

from copydesk.labelling.cues import Cue, CuedVoter, Cues, Reading, cued_score
from copydesk.labelling.negation import Spoken, known_negations
from copydesk.labelling.voters import Batch
from copydesk.labelling.words import Word, WordFunction, WordVoter

WORDS = {
    "saved": Cue(direction=1),
    "spared": Cue(direction=1),
    "cancelled": Cue(direction=-1),
    "killed": Cue(severity=0.9),
    "minor": Cue(severity=0.3),
}
CUES = Cues([(word, Spoken(cue, "en", 3)) for word, cue in WORDS.items()], known_negations())


@pytest.mark.parametrize(
    ("text", "direction", "severity"),
    [
        ("nothing of it", 0, None),
        ("saved and spared, but cancelled", 1, None),
        ("not saved", -1, None),
        ("a minor fire killed two", 0, 0.9),
        ("nobody was killed in a minor fire", 0, 0.3),
    ],
)
def test_cues_of_a_text_are_read_together(text: str, direction: int, severity: float | None) -> None:
    assert CUES.read(text) == Reading(direction, severity)


@pytest.mark.parametrize(
    ("score", "direction", "severity", "expected"),
    [
        (-0.8, 0, None, -0.8),  # no cue
        (-0.8, -2, None, -0.8),  # the same direction
        (-0.8, 1, None, 0.4),  # turned: a middling strength
        (0.0, -1, None, -0.4),
        (-0.8, 0, 0.2, -0.5),  # the mean of both strengths
        (0.6, -1, 1.0, -0.7),
        (0.0, 0, 0.9, 0.0),  # strength without a direction says nothing
    ],
)
def test_a_score_takes_direction_and_strength_from_cues(
    score: float, direction: int, severity: float | None, expected: float
) -> None:
    assert cued_score(score, Reading(direction, severity)) == pytest.approx(expected)


def test_cues_change_the_scores_of_other_voters_votes_alone() -> None:
    functions = [
        WordFunction("fires", "emergencies", [Word("fire", "en", -0.8, "fire")]),
        WordFunction("calm", "emergencies", [Word("calm", "en", -0.8)], yes=False),
    ]
    voter = CuedVoter([WordVoter(functions, {})], CUES)
    batch = Batch(["house saved from fire", "fire", "calm and saved"], pl.DataFrame())
    found = [(vote.text, vote.yes, vote.score, vote.tag) for vote in voter.votes(batch)]
    assert found == [(0, True, 0.4, "fire"), (1, True, -0.8, "fire"), (2, False, -0.8, "")]
    assert (voter.names, voter.faults, voter.columns) == (["fires", "calm"], {}, set())
