"""Texts that occur more than once: which rows go, what becomes of their labels, and which stand near each other.

Rows are named by their `position`. It does not know about parts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from copydesk.data.clean import CleanRow, Dropped
from copydesk.data.duplicates import FindNear, find_near_duplicates, repeated
from copydesk.data.label_kinds import LabelKind
from copydesk.recipe import Prepare
from copydesk.types import Label


def without_outranked(rows: list[CleanRow], dropped: Dropped) -> list[CleanRow]:
    """Leave out rows with a weak label whose text has one from people too, whatever it is."""
    if all(row.trust == "given" for row in rows):
        return rows
    given = {row.text.casefold() for row in rows if row.trust == "given"}
    kept = []
    for row in rows:
        if row.trust != "given" and row.text.casefold() in given:
            dropped.add("weak label of a text that people labelled", row.where)
        else:
            kept.append(row)
    return kept


def resolve_conflicts(
    rows: list[CleanRow], policy: str, kind: LabelKind[Any], dropped: Dropped
) -> tuple[list[CleanRow], list[str]]:
    """Settle texts that stand under several labels (case does not count).

    `drop` drops all. `majority` keeps the rows with the commonest label; on a tie the labels are merged where the
    task can do that, and all are dropped where it cannot. A merged label has no probabilities: each row's are about
    its own. Returns the rows left and a line for each conflict.
    """
    by_text: dict[str, Counter[Label]] = defaultdict(Counter)
    for row, again in zip(rows, _repeated(rows), strict=True):
        if again:
            by_text[row.text.casefold()][row.label] += 1
    conflicts = {text: counts for text, counts in by_text.items() if len(counts) > 1}
    winners = {text: _winner(counts) if policy == "majority" else None for text, counts in conflicts.items()}
    merged = {
        text: kind.merged(list(counts))
        for text, counts in conflicts.items()
        if policy == "majority" and winners[text] is None
    }
    if not conflicts:
        return rows, []
    kept = []
    for row in rows:
        key = row.text.casefold()
        union = merged.get(key)
        if union is not None:
            kept.append(replace(row, label=union, trust="given" if row.trust == "given" else "weak"))
        elif key in conflicts and winners[key] != row.label:
            dropped.add("same text under two labels", row.where)
        else:
            kept.append(row)
    return kept, [_describe_conflict(text, conflicts[text], kind) for text in sorted(conflicts)]


def _winner(counts: Counter[Label]) -> Label | None:
    (first, most), (_, second) = counts.most_common(2)
    return first if most > second else None


def _describe_conflict(text: str, counts: Counter[Label], kind: LabelKind[Any]) -> str:
    shown = text if len(text) <= 80 else text[:79] + "…"
    return f"{shown!r}: " + ", ".join(sorted(f"{kind.shown(label)} × {count}" for label, count in counts.items()))


def without_copies(rows: list[CleanRow], dropped: Dropped) -> list[CleanRow]:
    """Keep the first of equal texts; case does not count. Conflicting labels are settled before."""
    seen: set[str] = set()
    kept = []
    for row, again in zip(rows, _repeated(rows), strict=True):
        key = row.text.casefold() if again else ""
        if again and key in seen:
            dropped.add("exact copy", row.where)
            continue
        if again:
            seen.add(key)
        kept.append(row)
    return kept


def _repeated(rows: Sequence[CleanRow]) -> Iterator[bool]:
    """Tell of each row whether its text may occur again, case ignored: by a hash, so that few texts are kept twice."""
    hashes = np.fromiter((hash(row.text.casefold()) for row in rows), np.int64, len(rows))
    return iter(repeated(hashes).tolist())


@dataclass(frozen=True)
class NearRows:
    """The rows left, each one's group, and the pairs of rows (positions, the first first) that are alike."""

    rows: list[CleanRow]
    groups: dict[int, int]
    pairs: list[tuple[int, int]]


def without_near_copies(
    rows: list[CleanRow],
    settings: Prepare,
    dropped: Dropped,
    *,
    find: FindNear = find_near_duplicates,
    untouched: Collection[int] = (),
) -> NearRows:
    """Drop near-copies and group what is similar.

    With `dedupe: near` a row goes if it is a near-copy of an earlier kept row with the same label; a near-copy with
    another label stays (a single word can turn a review). Rows at the positions `untouched` stay, and send no other
    away. Groups and pairs are found for the splits that need them.
    """
    apart = settings.split.by != "row" or bool(untouched)
    if settings.dedupe != "near" and not apart:
        return NearRows(rows, {row.position: row.position for row in rows}, [])
    similar = min(settings.near_threshold, settings.split.similarity) if apart else settings.near_threshold
    found = find([row.text for row in rows], similar)
    gone: set[int] = set()
    for (first, second), similarity in found.pairs.items():
        alike = similarity >= settings.near_threshold and rows[first].label == rows[second].label
        alike = alike and rows[first].position not in untouched and rows[second].position not in untouched
        if settings.dedupe == "near" and alike and first not in gone and second not in gone:
            gone.add(second)
            dropped.add("near-copy", rows[second].where)
    grouped = settings.split.by == "group"
    names = found.group.tolist() if grouped else [row.position for row in rows]
    groups = {row.position: name for row, name in zip(rows, names, strict=True)}
    kept = [row for place, row in enumerate(rows) if place not in gone]
    return NearRows(kept, groups, _positions(rows, found.pairs) if apart else [])


def _positions(rows: Sequence[CleanRow], pairs: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    return [(rows[first].position, rows[second].position) for first, second in pairs]
