"""How labels are spread: texts per label, labels per text, labels that stand together, and how strong signals are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from copydesk.describe.facts import LabelFacts, Strength, Together
from copydesk.describe.table import Indices, Labels
from copydesk.types import Signal

TOGETHER = 15
"""So many of the commonest labels are in the matrix."""
STEPS = (-0.66, -0.33, 0.0, 0.33, 0.66)
"""Where a signal's intensity changes; a score of 0 is not there at all."""


def balance_of(labels: Labels, words: NDArray[np.int64]) -> LabelFacts:
    """Count labels; `words` has each text's number of words."""
    counts = labels.counts()
    own = np.bincount(labels.text, minlength=len(labels.whole))
    labelled = labels.whole >= 0
    several = int(own.max(initial=0)) > 1
    per_text = Counter(own[labelled].tolist())
    return LabelFacts(
        labelled=int(labelled.sum()),
        unlabelled=int((~labelled).sum()),
        counts=dict(zip(labels.names, counts.tolist(), strict=True)),
        per_text=dict(sorted(per_text.items())) if several else {},
        words=dict(zip(labels.names, _medians(labels, words), strict=True)),
        together=_together(labels, counts) if several else None,
        strength=_strengths(labels),
    )


def _medians(labels: Labels, words: NDArray[np.int64]) -> list[float]:
    """Return the median number of words of each name's texts."""
    order = np.lexsort((words[labels.text], labels.name))
    ends = np.cumsum(labels.counts())
    ordered = words[labels.text[order]]
    return [float(np.median(part)) for part in np.split(ordered, ends[:-1])] if ends.size else []


def _together(labels: Labels, counts: Indices) -> Together:
    shown = min(TOGETHER, len(labels.names))
    members = np.zeros((len(labels.whole), shown), np.bool_)
    kept = labels.name < shown
    members[labels.text[kept], labels.name[kept]] = True
    ones = members.astype(np.float32)  # whole numbers up to 16 million are exact
    return Together(list(labels.names[:shown]), np.rint(ones.T @ ones).astype(int).tolist())


def _strengths(labels: Labels) -> dict[str, Strength]:
    """Return, for labels that have scores, each category's scores and tags, weighted by texts."""
    texts = np.bincount(labels.whole[labels.whole >= 0], minlength=len(labels.distinct)).tolist()
    scores = {name: [0] * (len(STEPS) + 1) for name in labels.names}
    tags = {name: Counter[str]() for name in labels.names}
    for label, count in zip(labels.distinct, texts, strict=True):
        for signal in _present_signals(label):
            if signal.score:
                scores[signal.category][int(np.searchsorted(STEPS, signal.score, side="right"))] += count
            tags[signal.category][signal.tag] += count
    return {name: Strength(scores[name], dict(tags[name].most_common())) for name in labels.names if tags[name]}


def _present_signals(label: str | Sequence[str] | Sequence[Signal]) -> list[Signal]:
    return [part for part in label if isinstance(part, Signal) and (part.score or part.tag)]
