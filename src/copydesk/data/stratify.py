"""Groups of rows with several labels each, dealt to parts so that every label keeps its shares.

Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, On the Stratification of Multi-Label Data): the rarest
label first, each of its groups to the part that lacks it most. Ours differs in three points: a group counts for all
of its rows; a part with a share wants at least one group of every label that has enough groups; and a last pass swaps
labels into parts that still lack them. There is no chance in it: ties go by the order of the groups.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_ROUNDS = 3


@dataclass(frozen=True)
class Group:
    """Rows that stay together: how many, and how many of them carry each label."""

    rows: int
    labels: dict[str, int]


def stratify(groups: Sequence[Group], shares: Sequence[float]) -> list[int]:
    """Return each group's part, an index into `shares` (which sum to 1; a share of 0 gets nothing).

    A label with as many groups as there are parts with a share stands in each of these parts, unless that would take
    another label away from one.
    """
    dealer = _Dealer(groups, shares)
    while (label := dealer.rarest()) is not None:
        for place in dealer.left_with(label):
            dealer.deal(place, label)
    for place, part in enumerate(dealer.parts):
        if part < 0:
            dealer.deal(place, None)
    for _ in range(_ROUNDS):
        if not dealer.repair():
            break
    return dealer.parts


class _Dealer:
    """What every part still lacks, in rows, altogether and of each label."""

    def __init__(self, groups: Sequence[Group], shares: Sequence[float]) -> None:
        self.groups = groups
        self.open = [part for part, share in enumerate(shares) if share > 0]
        self.parts = [-1] * len(groups)
        rows = sum(group.rows for group in groups)
        self.lacking = [rows * share for share in shares]
        self.members: dict[str, list[int]] = {}
        for place in sorted(range(len(groups)), key=lambda place: -groups[place].rows):
            for label in groups[place].labels:
                self.members.setdefault(label, []).append(place)
        self.wanted = {label: self._wanted(label, shares) for label in self.members}
        self.left = {label: len(places) for label, places in self.members.items()}
        self.queue = sorted((left, label) for label, left in self.left.items())

    def _wanted(self, label: str, shares: Sequence[float]) -> list[float]:
        """Return the rows of a label that each part should get: its share, but at least one.

        Of a label with fewer groups than parts the largest part gets one group; the others may fill any part up.
        """
        sizes = [self.groups[place].labels[label] for place in self.members[label]]
        largest = max(self.open, key=lambda part: shares[part])
        if len(sizes) < len(self.open):
            return [float(sizes[0]) if part == largest else 0.0 for part in range(len(shares))]
        wanted = [max(sum(sizes) * share, 1.0) if share > 0 else 0.0 for share in shares]
        wanted[largest] -= sum(wanted) - sum(sizes)
        return wanted

    def rarest(self) -> str | None:
        """Return the label with the fewest groups left to deal, by name where several have as few."""
        while self.queue:
            left, label = heapq.heappop(self.queue)
            if left and left == self.left[label]:  # else an entry from before a group was dealt
                return label
        return None

    def left_with(self, label: str) -> list[int]:
        """Return the label's groups that are not dealt yet, the largest first."""
        return [place for place in self.members[label] if self.parts[place] < 0]

    def deal(self, place: int, label: str | None) -> None:
        """Give a group to the part that lacks most of the label (ties, or no label: most rows at all)."""
        wanted = self.lacking if label is None else self.wanted[label]
        self.put(place, max(self.open, key=lambda part: (wanted[part], self.lacking[part], -part)))

    def put(self, place: int, part: int) -> None:
        """Put a group into a part, out of the one it was in."""
        before, group = self.parts[place], self.groups[place]
        self.parts[place] = part
        self.lacking[part] -= group.rows
        self.lacking[before] += group.rows if before >= 0 else 0
        for label, rows in group.labels.items():
            self.wanted[label][part] -= rows
            if before >= 0:
                self.wanted[label][before] += rows
            else:
                self.left[label] -= 1
                heapq.heappush(self.queue, (self.left[label], label))

    def repair(self) -> int:
        """Move groups to parts without a label that could be there; return how many were moved."""
        counts = {label: Counter(self.parts[place] for place in places) for label, places in self.members.items()}
        moved = 0
        for label in sorted(self.members, key=lambda name: (len(self.members[name]), name)):
            if len(self.members[label]) < len(self.open):
                continue
            for part in self.open:
                if not counts[label][part] and self._fetch(label, part, counts):
                    moved += 1
        return moved

    def _fetch(self, label: str, part: int, counts: dict[str, Counter[int]]) -> bool:
        """Move the smallest group with the label to the part, if no part loses the last group of a label by it."""
        for place in reversed(self.members[label]):
            before, group = self.parts[place], self.groups[place]
            if all(counts[other][before] > 1 for other in group.labels):
                for other in group.labels:
                    counts[other][before] -= 1
                    counts[other][part] += 1
                self.put(place, part)
                return True
        return False
