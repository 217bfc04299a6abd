"""Deterministic parts: stratified and grouped, or by time.

Groups of near-copies go to one part whole; labels keep their shares. The order comes from a hash of each group's
texts and the seed, so the same rows give the same parts in whatever order they arrive. By time there is no chance at
all: the oldest rows are the training part.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time

from copydesk.data.dataset import PARTS, Part
from copydesk.data.stratify import Group, stratify
from copydesk.errors import DataError

Shares = dict[Part, float]


def split_rows(
    texts: Sequence[str], labels: Sequence[str], groups: Sequence[int], *, shares: Shares, seed: int
) -> list[Part]:
    """Return each row's part, for rows with one label each.

    `shares` are the wanted shares of rows, by part; they sum to 1. A group counts for its commonest label. Groups
    are dealt out label by label, the largest first, each to the part that lacks most rows of that label; so a part
    misses its share of a label by less than one group.
    """
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for rows in _members(groups):
        commonest = min(Counter(labels[row] for row in rows).items(), key=lambda item: (-item[1], item[0]))[0]
        by_label[commonest].append(rows)
    parts: list[Part] = ["train"] * len(texts)
    for label in sorted(by_label):
        dealt = sorted(by_label[label], key=lambda rows: (-len(rows), _place([texts[row] for row in rows], seed)))
        _deal(dealt, shares, parts)
    return parts


def split_label_sets(
    texts: Sequence[str], labels: Sequence[Sequence[str]], groups: Sequence[int], *, shares: Shares, seed: int
) -> list[Part]:
    """Return each row's part, for rows with any number of labels: iterative stratification of the groups."""
    members = sorted(_members(groups), key=lambda rows: _place([texts[row] for row in rows], seed))
    bundles = [Group(len(rows), Counter(label for row in rows for label in labels[row])) for rows in members]
    parts: list[Part] = ["train"] * len(texts)
    for rows, part in zip(members, stratify(bundles, [shares[part] for part in PARTS]), strict=True):
        for row in rows:
            parts[row] = PARTS[part]
    return parts


def _single_labels(
    texts: Sequence[str], labels: Sequence[Sequence[str]], groups: Sequence[int], *, shares: Shares, seed: int
) -> list[Part]:
    return split_rows(texts, [label for (label,) in labels], groups, shares=shares, seed=seed)


SPLITS: dict[str, Callable[..., list[Part]]] = {
    "single": _single_labels,
    "multi": split_label_sets,
    "signals": split_label_sets,
}
"""By task: texts, each one's names, groups, shares and seed to parts."""


def split_by_time(times: Sequence[datetime], shares: Shares) -> list[Part]:
    """Return each row's part: the oldest rows are for training, the newest for the test.

    Rows of one time are never torn apart; each border stands between two times, as near to its share as can be.
    """
    moments = sorted(set(times))
    counts = Counter(times)
    later = [part for part in PARTS[1:] if shares[part] > 0]
    if len(moments) <= len(later):
        raise DataError(
            f"The {len(times):,} rows have only {len(moments)} different times; {len(later) + 1} parts need more. "
            "Choose a finer `prepare.split.time`, or split by group."
        )
    before = [0]  # before[i] rows are older than moments[i]
    for moment in moments:
        before.append(before[-1] + counts[moment])
    border, borders, share = 0, [], shares["train"]
    for number, part in enumerate(later):
        most = len(moments) - len(later) + number
        border = _nearest(before, share * len(times), border + 1, most)
        borders.append(moments[border])
        share += shares[part]
    names: list[Part] = ["train", *later]
    return [names[sum(moment >= first for first in borders)] for moment in times]


def _nearest(sums: Sequence[int], target: float, low: int, high: int) -> int:
    """Return the place between low and high (both included) at which the rising sums come nearest to the target."""
    place = bisect_left(sums, target, low, high + 1)
    around = [near for near in (place - 1, place) if low <= near <= high]
    return min(around, key=lambda near: abs(sums[near] - target))


def moment_of(value: object, where: str, column: str) -> datetime:
    """Return a date, date-time or ISO 8601 text as a moment; without a time zone it is UTC. Raises `DataError`."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        if not isinstance(value, date):
            raise ValueError
    except ValueError:
        raise DataError(
            f"{where}: prepare.split.time column {column!r} has {value!r}, which is no date. Expected a date or "
            "ISO 8601 text such as 2026-03-31 or 2026-03-31T08:15:00Z."
        ) from None
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _members(groups: Sequence[int]) -> list[list[int]]:
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    return list(members.values())


def _deal(groups: list[list[int]], shares: Shares, parts: list[Part]) -> None:
    total = sum(len(rows) for rows in groups)
    wanted = _whole_targets(total, shares)
    for rows in groups:
        part = max(PARTS, key=lambda name: (wanted[name], shares[name]))
        wanted[part] -= len(rows)
        for row in rows:
            parts[row] = part


def _whole_targets(total: int, shares: Shares) -> dict[Part, int]:
    """Round shares to whole rows: test first, then validation, training keeps the rest and at least one row."""
    test = round(total * shares["test"])
    validation = min(round(total * shares["validation"]), max(total - test - 1, 0))
    return {"train": total - test - validation, "validation": validation, "test": test}


def _place(texts: list[str], seed: int) -> bytes:
    key = "\n".join(sorted(texts)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(key, digest_size=16, salt=seed.to_bytes(8, "little")).digest()
