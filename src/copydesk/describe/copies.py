"""Texts that occur more than once: exact copies and texts under several labels among all, near-copies among some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from copydesk.data.duplicates import NearDuplicates, connected, find_near_duplicates
from copydesk.describe.facts import CopyFacts, NearFacts, Pair, Repeated
from copydesk.describe.table import Indices, Table
from copydesk.progress import Progress
from copydesk.recipe import Recipe

NEAR_TEXTS = 200_000
NEAR_CHARACTERS = 45_000_000
_EXAMPLES = 10


@dataclass(frozen=True)
class Near:
    """Pairs of texts (their places in a table, the first smaller) that are alike, found among the distinct `texts`.

    Those are what is left of `chosen`, all of the table's texts or a sample, which is `share` of them.
    """

    chosen: Indices
    texts: Indices
    share: float
    pairs: dict[tuple[int, int], float]


def near_texts(table: Table, recipe: Recipe, progress: Progress, *, most: int = NEAR_TEXTS) -> Near:
    """Find texts that are alike, as prepare would ask for them, among distinct ones of at most so many."""
    chosen = table.some(most, NEAR_CHARACTERS, recipe.train.seed)
    distinct = chosen[_keys(table.texts.gather(chosen)).is_first_distinct().to_numpy()]
    progress.say(f"looking for near-copies among {len(distinct):,} texts")
    settings = recipe.prepare
    apart = settings.split.by != "row"
    least = min(settings.near_threshold, settings.split.similarity) if apart else settings.near_threshold
    found = find_near_duplicates(table.texts.gather(distinct).to_list(), least)
    pairs = {(int(distinct[one]), int(distinct[other])): value for (one, other), value in found.pairs.items()}
    return Near(chosen, distinct, len(chosen) / len(table.texts), pairs)


def copies_of(table: Table, near: Near, recipe: Recipe) -> CopyFacts:
    """Count what occurs more than once, with examples."""
    keys = _keys(table.texts)
    whole = table.labels.whole if table.labels else np.full(len(keys), -1)
    parts = table.parts if table.parts is not None else pl.Series([""], dtype=pl.String).new_from_index(0, len(keys))
    frame = pl.DataFrame({"key": keys, "text": np.arange(len(keys)), "whole": whole, "part": parts})
    groups = (
        frame.group_by("key")
        .agg(
            pl.len().alias("rows"),
            pl.col("text").first(),
            pl.col("whole").filter(pl.col("whole") >= 0).n_unique().alias("labels"),
            pl.col("part").n_unique().alias("parts"),
        )
        .filter(pl.col("rows") > 1)
        .sort(pl.col("rows"), -pl.col("text").cast(pl.Int64), descending=True)
    )
    conflicts = groups.filter(pl.col("labels") > 1)
    return CopyFacts(
        distinct=keys.n_unique(),
        copies=len(keys) - keys.n_unique(),
        conflicts=conflicts.height,
        conflict_rows=int(conflicts["rows"].sum()),
        most_repeated=_repeated(table, frame, groups.head(_EXAMPLES)),
        conflicting=_repeated(table, frame, conflicts.head(_EXAMPLES)),
        across=groups.filter(pl.col("parts") > 1).height,
        near=_near_facts(table, near, recipe.prepare.near_threshold),
    )


def _keys(texts: pl.Series) -> pl.Series:
    """Return a number for each text that only equal texts share, case aside."""
    return texts.str.to_lowercase().hash()


def _repeated(table: Table, frame: pl.DataFrame, groups: pl.DataFrame) -> list[Repeated]:
    rows = frame.join(groups.select("key"), on="key", how="semi")
    found = []
    for group in groups.iter_rows(named=True):
        places = rows.filter(pl.col("key") == group["key"])["text"].to_list()
        labels = Counter(table.labels.shown(place) or "–" for place in places) if table.labels else Counter[str]()
        found.append(Repeated(str(table.texts[places[0]]), len(places), dict(labels.most_common())))
    return found


def _near_facts(table: Table, near: Near, threshold: float) -> NearFacts:
    alike = {pair: similarity for pair, similarity in near.pairs.items() if similarity >= threshold}
    differing = [pair for pair in alike if _differ(table, *pair)]
    across = [pair for pair in alike if table.parts is not None and table.parts[pair[0]] != table.parts[pair[1]]]
    return NearFacts(
        looked_at=len(near.texts),
        threshold=threshold,
        texts=len({place for pair in alike for place in pair}),
        pairs=len(alike),
        expected_pairs=round(len(alike) / near.share**2),
        other_label=len(differing),
        across=len(across),
        examples=[_pair(table, pair, alike[pair]) for pair in _telling(alike, differing)],
    )


def _differ(table: Table, first: int, second: int) -> bool:
    if table.labels is None:
        return False
    one, other = table.labels.whole[first], table.labels.whole[second]
    return bool(one != other and one >= 0 and other >= 0)


def _telling(alike: Mapping[tuple[int, int], float], differing: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Choose pairs to show, none with a text of another: those that differ in label, then the least alike."""
    of_one_label = sorted(set(alike) - set(differing), key=lambda pair: (alike[pair], pair))
    shown: list[tuple[int, int]] = []
    seen: set[int] = set()
    for pairs, most in (
        (sorted(differing, key=lambda pair: (-alike[pair], pair)), _EXAMPLES // 2),
        (of_one_label, _EXAMPLES),
    ):
        for pair in pairs:
            if len(shown) < most and not seen & set(pair):
                shown.append(pair)
                seen |= set(pair)
    return shown


def _pair(table: Table, pair: tuple[int, int], similarity: float) -> Pair:
    first, second = (str(table.texts[place]) for place in pair)
    labels = [table.labels.shown(place) if table.labels else "" for place in pair]
    parts = [str(table.parts[place]) if table.parts is not None else "" for place in pair]
    return Pair(first, second, similarity, (labels[0], labels[1]), (parts[0], parts[1]))


def found_before(table: Table, near: Near) -> FoundBefore:
    """Return what finds, for texts of the table, the near-duplicates that are known already."""
    return FoundBefore({str(table.texts[place]).casefold(): place for place in near.texts.tolist()}, near.pairs)


@dataclass(frozen=True)
class FoundBefore:
    """Stands in for `find_near_duplicates` where that has been asked about the same texts before."""

    places: Mapping[str, int]
    pairs: Mapping[tuple[int, int], float]

    def __call__(self, texts: Sequence[str], threshold: float) -> NearDuplicates:
        """Return the near-duplicates among these texts; equal texts are alike."""
        firsts: dict[int, int] = {}
        pairs: dict[tuple[int, int], float] = {}
        for number, text in enumerate(texts):
            first = firsts.setdefault(self.places.get(text.casefold(), -1 - number), number)
            if first != number:
                pairs[first, number] = 1.0
        for (one, other), similarity in self.pairs.items():
            if similarity >= threshold and one in firsts and other in firsts:
                first, second = sorted((firsts[one], firsts[other]))
                pairs[first, second] = similarity
        return NearDuplicates(connected(len(texts), pairs), dict(sorted(pairs.items())))
