"""Stratified, grouped, deterministic parts.

Groups of near-copies go to one part whole; labels keep their shares. The order comes from a hash of each group's
texts and the seed, so the same rows give the same parts in whatever order they arrive.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from copydesk.data.dataset import PARTS, Part


def split_rows(
    texts: Sequence[str], labels: Sequence[str], groups: Sequence[int], *, shares: dict[Part, float], seed: int
) -> list[Part]:
    """Return each row's part.

    `shares` are the wanted shares of rows, by part; they sum to 1. A group counts for its commonest label. Groups
    are dealt out label by label, the largest first, each to the part that lacks most rows of that label; so a part
    misses its share of a label by less than one group.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for rows in members.values():
        commonest = min(Counter(labels[row] for row in rows).items(), key=lambda item: (-item[1], item[0]))[0]
        by_label[commonest].append(rows)
    parts: list[Part] = ["train"] * len(texts)
    for label in sorted(by_label):
        dealt = sorted(by_label[label], key=lambda rows: (-len(rows), _place([texts[row] for row in rows], seed)))
        _deal(dealt, shares, parts)
    return parts


def _deal(groups: list[list[int]], shares: dict[Part, float], parts: list[Part]) -> None:
    total = sum(len(rows) for rows in groups)
    wanted = _whole_targets(total, shares)
    for rows in groups:
        part = max(PARTS, key=lambda name: (wanted[name], shares[name]))
        wanted[part] -= len(rows)
        for row in rows:
            parts[row] = part


def _whole_targets(total: int, shares: dict[Part, float]) -> dict[Part, int]:
    """Round shares to whole rows: test first, then validation, training keeps the rest and at least one row."""
    test = round(total * shares["test"])
    validation = min(round(total * shares["validation"]), max(total - test - 1, 0))
    return {"train": total - test - validation, "validation": validation, "test": test}


def _place(texts: list[str], seed: int) -> bytes:
    key = "\n".join(sorted(texts)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(key, digest_size=16, salt=seed.to_bytes(8, "little")).digest()
