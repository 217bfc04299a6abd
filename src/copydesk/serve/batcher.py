"""Whose turn it is: texts of many clients in one bounded queue, and batches of them by cost.

Pure state: no thread, no clock of its own, no timer. Whoever has a free engine takes what is there. It does not know
what a cost is (tokens for an encoder, characters for a linear model), nor how a batch is answered.

The order is weighted fair queueing (Demers, Keshav, Shenker 1989): each request is a flow, and a text's turn comes when
a server that worked on all waiting requests at once would be done with it. A request of one text is not behind all 256
of another that came just before it; among requests of one text the first to come is the first to be answered. The share
of a request grows with the root of its size: with equal shares a large one would hardly move on under full load.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from copydesk.errors import Overloaded

Payload = TypeVar("Payload")
_LOOK_AHEAD = 64
"""Among so many texts whose turn is next, a batch takes those whose cost is nearest to the first one's."""
_WASTE = 1.5
"""A batch may cost so much more with padding than without before a longer text is left for the next one."""


@dataclass(eq=False, slots=True)
class Ticket:
    """One request in the queue: whether anybody still waits for it, and until when (on the caller's clock)."""

    deadline: float | None = None
    gone: bool = False

    def is_wanted(self, now: float) -> bool:
        """Tell whether an answer would still be read."""
        return not self.gone and (self.deadline is None or now < self.deadline)


@dataclass(order=True, slots=True)
class Entry(Generic[Payload]):
    """One text of a request, with its place in the order of turns."""

    turn: float
    number: int
    cost: int = field(compare=False)
    payload: Payload = field(compare=False)
    ticket: Ticket = field(compare=False)


@dataclass(frozen=True, slots=True)
class Batch(Generic[Payload]):
    """Texts to be answered together, and those that were dropped because nobody waits for them any more."""

    entries: list[Entry[Payload]]
    dropped: list[Entry[Payload]]

    @property
    def cost(self) -> int:
        """What the texts cost by themselves."""
        return sum(entry.cost for entry in self.entries)

    @property
    def padded_cost(self) -> int:
        """What they cost when each is filled to the longest."""
        return max((entry.cost for entry in self.entries), default=0) * len(self.entries)


class Queue(Generic[Payload]):
    """Texts that wait, at most `most_texts`. `is_padded` says that a batch costs its longest text times its size."""

    def __init__(self, *, most_texts: int, is_padded: bool = True) -> None:
        self.most_texts = most_texts
        self._is_padded = is_padded
        self._heap: list[Entry[Payload]] = []
        self._dropped: list[Entry[Payload]] = []
        self._virtual_time = 0.0
        self._number = 0
        self._cost = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def cost(self) -> int:
        """What all waiting texts cost together."""
        return self._cost

    @property
    def is_full(self) -> bool:
        """Tell whether a request of one text would be refused."""
        return len(self._heap) >= self.most_texts

    def add(self, payloads: Sequence[Payload], costs: Sequence[int], ticket: Ticket, now: float) -> None:
        """Let a whole request wait. Raises `Overloaded` if there is no room for all of it."""
        if len(self._heap) + len(payloads) > self.most_texts:
            self._purge(now)
        if self._heap and len(self._heap) + len(payloads) > self.most_texts:
            raise Overloaded(
                f"{len(self._heap):,} texts are waiting and at most {self.most_texts:,} may. Come again later."
            )
        turn = self._virtual_time
        for payload, cost in zip(payloads, costs, strict=True):
            turn += _step(cost, len(payloads))
            self._number += 1
            heapq.heappush(self._heap, Entry(turn, self._number, cost, payload, ticket))
            self._cost += cost

    def ahead_of(self, costs: Sequence[int], now: float) -> int:
        """Return what the texts cost whose turn comes before the first text of a request with these costs."""
        turn = self._virtual_time + _step(costs[0], len(costs))
        return sum(entry.cost for entry in self._heap if entry.turn <= turn and entry.ticket.is_wanted(now))

    def take(self, budget: int, now: float) -> Batch[Payload]:
        """Return the next batch: the text whose turn it is, always, and others while they fit the budget."""
        near, dropped = self._next(budget, now)
        if not near:
            return Batch([], dropped)
        chosen, rest = self._fill(near, budget)
        self._virtual_time = max(self._virtual_time, *(entry.turn for entry in chosen))
        for entry in rest:
            heapq.heappush(self._heap, entry)
        self._cost -= sum(entry.cost for entry in chosen)
        if not self._heap:
            self._virtual_time = 0.0
        return Batch(chosen, dropped)

    def _purge(self, now: float) -> None:
        """Take out what nobody waits for; only done when there is no room, as `take` does it in passing, and tells."""
        self._dropped += [entry for entry in self._heap if not entry.ticket.is_wanted(now)]
        self._heap = [entry for entry in self._heap if entry.ticket.is_wanted(now)]
        heapq.heapify(self._heap)
        self._cost = sum(entry.cost for entry in self._heap)

    def _next(self, budget: int, now: float) -> tuple[list[Entry[Payload]], list[Entry[Payload]]]:
        """Pop the texts that the next batch is chosen from, in the order of turns."""
        near: list[Entry[Payload]] = []
        dropped, self._dropped = self._dropped, []
        cost = 0
        while self._heap and len(near) < _LOOK_AHEAD and cost < 2 * budget:
            entry = heapq.heappop(self._heap)
            if entry.ticket.is_wanted(now):
                near.append(entry)
                cost += entry.cost
            else:
                dropped.append(entry)
                self._cost -= entry.cost
        return near, dropped

    def _fill(self, near: list[Entry[Payload]], budget: int) -> tuple[list[Entry[Payload]], list[Entry[Payload]]]:
        """Return the batch, its first text first, and what stays."""
        first, *others = near
        if self._is_padded:
            others.sort(key=lambda entry: (abs(entry.cost - first.cost), entry.turn))
        chosen, longest, cost = [first], first.cost, first.cost
        for place, entry in enumerate(others):
            longest_then = max(longest, entry.cost)
            size = longest_then * (len(chosen) + 1) if self._is_padded else cost + entry.cost
            if size > budget or size > _WASTE * (cost + entry.cost):
                return chosen, others[place:]
            chosen.append(entry)
            longest, cost = longest_then, cost + entry.cost
        return chosen, []


def _step(cost: int, texts: int) -> float:
    """Return how far a text's turn lies behind that of the text before it, in a request of so many."""
    return max(cost, 1) / math.sqrt(max(texts, 1))
