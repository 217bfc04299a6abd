"""Cues of task `signals`: words that say how strong an impact is, and in which direction it goes.

They belong to no category: they change the score of every category that functions find in the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from copydesk.labelling.negation import Mentions, Negations, Spoken
from copydesk.labelling.voters import Batch, Faults, Vote, Voter

_TURNED = 0.4
"""How strong an impact is whose direction only the cues know, or that goes against what its words usually mean."""


class Cue(NamedTuple):
    """What a word says: a direction (1 good, -1 bad), or how strong an impact is, 0 to 1."""

    direction: int = 0
    severity: float | None = None


class Reading(NamedTuple):
    """What a text's cues say together: more good or bad words (their sum), and the strongest severity."""

    direction: int
    severity: float | None


class Cues:
    """Words that say something of every impact in their text."""

    def __init__(self, words: Sequence[tuple[str, Spoken[Cue]]], negations: Mapping[str, Negations]) -> None:
        """`words` are phrases with what they say; `negations` are by language."""
        self._mentions = Mentions(words, negations)

    def read(self, text: str) -> Reading:
        """Return what the text's cues say; negated, a direction turns and a severity does not count."""
        direction, severity = 0, None
        for cue, negated in self._mentions.found(text):
            direction += -cue.direction if negated else cue.direction
            if cue.severity is not None and not negated:
                severity = max(cue.severity, severity or 0.0)
        return Reading(direction, severity)


def cued_score(score: float, reading: Reading) -> float:
    """Return a score as the cues change it.

    The direction is the cues', if they have one. The strength is the score's own, or 0.4 where the direction is another
    than the score's; with a severity cue it is the mean of both.
    """
    own = (score > 0) - (score < 0)
    wanted = (reading.direction > 0) - (reading.direction < 0) or own
    strength = abs(score) if wanted == own else _TURNED
    if reading.severity is not None:
        strength = (strength + reading.severity) / 2
    return wanted * strength


class CuedVoter:
    """Other voters, whose scores the texts' cues change."""

    def __init__(self, voters: Sequence[Voter], cues: Cues) -> None:
        """Wrap voters whose scores are usual ones, not found out for the text."""
        self._voters, self._cues = voters, cues
        self.names = [name for voter in voters for name in voter.names]
        self.columns = {column for voter in voters for column in voter.columns}

    @property
    def faults(self) -> dict[str, Faults]:
        """What went wrong so far, by function."""
        return {name: faults for voter in self._voters for name, faults in voter.faults.items()}

    def votes(self, batch: Batch) -> Iterator[Vote]:
        """Yield the voters' votes."""
        readings: dict[int, Reading] = {}
        for vote in (vote for voter in self._voters for vote in voter.votes(batch)):
            if vote.yes and vote.score is not None:
                if vote.text not in readings:
                    readings[vote.text] = self._cues.read(batch.lines[vote.text])
                vote = vote._replace(score=cued_score(vote.score, readings[vote.text]))
            yield vote
