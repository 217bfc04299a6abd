"""How often each label was given, beside how often it was given to held-out texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from copydesk.monitor.reference import Reference


@dataclass(frozen=True)
class LabelShare:
    """A label, how often it was given, its share of the labels given, and that of the reference."""

    label: str
    n: int
    share: float
    reference: float | None


def label_shares_of(counts: Mapping[str, int], reference: Reference | None) -> list[LabelShare]:
    """Return all labels that were given or are in the reference, those whose share moved most first."""
    before = Counter(reference.window.kinds.get("labels", ())) if reference else Counter()
    total, total_before = sum(counts.values()), sum(before.values())
    shares = [
        LabelShare(
            label,
            counts.get(label, 0),
            counts.get(label, 0) / total if total else 0.0,
            before[label] / total_before if total_before else None,
        )
        for label in {**counts, **before}
    ]
    return sorted(shares, key=lambda one: (-abs(one.share - (one.reference or 0.0)), one.label))
