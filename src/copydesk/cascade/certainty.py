"""From what two models say of the validation texts to how sure the first must be to answer alone.

The question is put to a ladder of ever laxer rules, one after the other: is the drop, with the confidence asked for,
below the limit? The first no ends it, and the last yes is taken. Since the order does not depend on the answers, all
yeses together are wrong at most as often as one would be (fixed-sequence testing; "Learn then Test", Angelopoulos et
al. 2021, arXiv:2110.01052). The drop is paired: the share of texts whose answer becomes worse less the share whose
answer becomes better (`metrics/paired.py`).

Within each label the surest texts stay first, the same share of every label's at each rung.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from copydesk.metrics.paired import CONFIDENCE, drop_bound, drop_p_value
from copydesk.models.cascade import Certainty
from copydesk.tasks import Targets, Task
from copydesk.tasks.base import Logits

Flags = NDArray[np.bool_]

_RUNGS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99)
"""Which share of the texts stays with the first stage."""
_OUT_OF_REACH = 2.0
"""A threshold for labels that the first stage gives to no validation text: nothing is known of such answers."""


@dataclass(frozen=True)
class Outcome:
    """What a rule does to texts whose right answers are known: how many stay, and become worse or better by it."""

    texts: int
    kept: int
    losses: int
    gains: int

    @property
    def drop(self) -> float:
        """The share of texts by which quality falls."""
        return (self.losses - self.gains) / max(self.texts, 1)

    @property
    def bound(self) -> float:
        """The drop that is not exceeded with the confidence asked for."""
        return drop_bound(self.losses, self.gains, self.texts)


@dataclass(frozen=True)
class Pair:
    """Both stages' calibrated logits of some texts, shape (n, labels), and what is right."""

    first: Logits
    second: Logits
    targets: Targets

    def changes(self, task: Task) -> NDArray[np.int64]:
        """Return how many more of each text's labels the first stage gets wrong than the second."""
        first, second = (_mistakes(task, logits, self.targets) for logits in (self.first, self.second))
        changes: NDArray[np.int64] = first - second
        return changes


def _mistakes(task: Task, logits: Logits, targets: Targets) -> NDArray[np.int64]:
    wrong = task.answers(task.scores(logits)) != targets
    counts: NDArray[np.int64] = wrong.reshape(len(targets), -1).sum(axis=1)
    return counts


def outcome(kept: Flags, changes: NDArray[np.int64]) -> Outcome:
    """Count what becomes of the texts if these stay with the first stage."""
    return Outcome(len(kept), int(kept.sum()), int((changes[kept] > 0).sum()), int((changes[kept] < 0).sum()))


def enough_texts(texts: int, max_drop: float) -> bool:
    """Tell whether so many texts without a loss or a gain exclude the drop."""
    return drop_p_value(0, 0, texts, max_drop) <= 1 - CONFIDENCE


@dataclass(frozen=True)
class Rung:
    """One rule of the ladder, what it does to the validation texts, and whether the drop is excluded."""

    certainty: Certainty
    outcome: Outcome
    safe: bool


def climb(task: Task, pair: Pair, kind: Certainty, max_drop: float) -> list[Rung]:
    """Return the rungs of the ladder up to the first that is not safe; of `kind` the thresholds do not count."""
    changes = pair.changes(task)
    rungs: list[Rung] = []
    for share in _RUNGS:
        certainty = at_share(kind, pair.first, share)
        done = outcome(certainty.sure(pair.first), changes)
        safe = drop_p_value(done.losses, done.gains, done.texts, max_drop) <= 1 - CONFIDENCE
        rungs.append(Rung(certainty, done, safe))
        if not safe:
            break
    return rungs


def at_share(kind: Certainty, logits: Logits, share: float) -> Certainty:
    """Return the rule by which this share of the texts stays, the surest; of each best label's texts alike."""
    certainties = kind.of(logits)
    if kind.kind == "every":
        return replace(kind, thresholds=(_cut(certainties, share),))
    best = logits.argmax(axis=1)
    return replace(kind, thresholds=tuple(_cut(certainties[best == label], share) for label in range(logits.shape[1])))


def _cut(certainties: NDArray[np.float64], share: float) -> float:
    """Return a threshold that this share reaches, half-way between two texts; for no texts it is out of reach."""
    ranked = np.sort(certainties)[::-1]
    kept = int(share * len(ranked))
    if not kept:
        return _OUT_OF_REACH
    below = float(ranked[kept]) if kept < len(ranked) else 0.0
    return (float(ranked[kept - 1]) + below) / 2
