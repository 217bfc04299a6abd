"""The ML Test Score from what became of the checks.

Breck, Cai, Nielsen, Salib & Sculley 2017, "The ML Test Score: A Rubric for ML Production Readiness and Technical Debt
Reduction" (IEEE Big Data): half a point for a test done by hand with its result written down, a full point for one that
is run automatically, the points summed in each of four sections; the score is the least of the four sums. It does not
weigh the tests, and knows nothing of what they measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from copydesk.checks.outcome import SECTIONS, Outcome, Section, Status

POINTS: dict[Status, float] = {"passed": 1.0, "manual": 0.5, "failed": 0.0, "skipped": 0.0}
FULL = 7
"""The tests of each section."""
_MEANINGS = (
    (0.0, "more of a research project than a productionised system"),
    (1.0, "not totally untested, but there may be serious holes in its reliability"),
    (2.0, "a first pass at basic productionisation; more investment may be needed"),
    (3.0, "reasonably tested; more of the tests and procedures may be automated"),
    (5.0, "strong automated testing and monitoring, fit for mission-critical systems"),
)
_BEST = "exceptional automated testing and monitoring"


@dataclass(frozen=True)
class Score:
    """The points of each section, and the least of them."""

    sections: dict[Section, float]

    @property
    def value(self) -> float:
        """The ML Test Score, 0 to 7."""
        return min(self.sections.values())

    @property
    def meaning(self) -> str:
        """What the paper says of systems with this score (its table I, in our words)."""
        return next((meaning for most, meaning in _MEANINGS if self.value <= most), _BEST)


def score_of(outcomes: Sequence[Outcome]) -> Score:
    """Return the score; a section without any outcome has no points."""
    return Score(
        {
            section: sum(POINTS[outcome.status] for outcome in outcomes if outcome.section == section)
            for section in SECTIONS
        }
    )
