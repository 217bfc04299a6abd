"""How far a review has come: items by decision, and by reason.

A tally counts items by reason and decision; it changes by one with each decision, however many items there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from copydesk.data.review_file import Decision, Item

Tally = Counter[tuple[str, Decision | None]]


@dataclass(frozen=True)
class Counts:
    """How many items have each decision; None is: nobody has looked yet."""

    by_decision: Counter[Decision | None] = field(default_factory=Counter)

    @property
    def all(self) -> int:
        """How many items there are."""
        return self.by_decision.total()

    @property
    def decided(self) -> int:
        """How many items' decision says anything."""
        return self.all - self.by_decision[None] - self.skipped

    @property
    def skipped(self) -> int:
        """How many items were looked at and left open."""
        return self.by_decision["skip"]


def tally_of(items: Iterable[Item]) -> Tally:
    """Count the items by reason and decision."""
    return Counter((item.reason, item.decision) for item in items)


def counts_of(tally: Tally) -> Counts:
    """Return the counts over all reasons."""
    counts = Counts()
    for (_, decision), number in tally.items():
        counts.by_decision[decision] += number
    return counts


def counts_by_reason(tally: Tally) -> dict[str, Counts]:
    """Return each reason's counts; the commonest reason first."""
    found: defaultdict[str, Counts] = defaultdict(Counts)
    for (reason, decision), number in tally.items():
        found[reason].by_decision[decision] += number
    return dict(sorted(found.items(), key=lambda entry: (-entry[1].all, entry[0])))
