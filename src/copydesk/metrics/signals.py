"""Figures of signal sheets: which categories are present, in which direction, how strongly, and about what.

Only what a text's label knows is counted: an unknown category is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.metrics.base import Counts, Flags, LabelCounts, Measured, percentiles, ratio, resamples
from copydesk.metrics.tally import Tallies, Tally, pool


@dataclass(frozen=True)
class SignalSheet:
    """Per text and category: score (NaN: unknown), presence, and the tag's number (-1: unknown)."""

    scores: Counts
    present: Flags
    tags: NDArray[np.int64]


def measure_signals(truth: SignalSheet, found: SignalSheet, labels: Sequence[str], thresholds: Counts) -> Measured:
    """Return presence macro F1, sign accuracy, mean absolute error of the scores and tag F1, with intervals."""
    tables = _tables(truth, found)
    once = {name: table.sum(0, keepdims=True) for name, table in tables.items()}
    blocks = [{name: draws @ table for name, table in tables.items()} for draws in resamples(len(truth.scores))]
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in tables}
    return Measured(
        {name: float(values[0]) for name, values in _metrics(once).items()},
        {name: percentiles(values) for name, values in _metrics(drawn).items()},
        _presence({name: table[0] for name, table in once.items()}).qualities(labels, thresholds.tolist()),
    )


def tally_signals(truth: SignalSheet, found: SignalSheet, right: Flags) -> Tallies:
    """Return what the answers add to each metric, text by text; `right` tells which are wholly right."""
    places = pool(len(truth.scores))
    some = SignalSheet(truth.scores[places], truth.present[places], truth.tags[places])
    told = SignalSheet(np.nan_to_num(some.scores), some.present, some.tags)
    nothing = SignalSheet(np.zeros_like(some.scores), np.zeros_like(some.present), np.zeros_like(some.tags))
    tables = _tables(truth, found)
    names = list(tables)

    def rows(of: dict[str, Counts]) -> Counts:
        return np.concatenate(list(of.values()), axis=1)

    def metrics(sums: Counts) -> dict[str, Counts]:
        return _metrics(dict(zip(names, np.split(sums, len(names), axis=-1), strict=True)))

    mistaken = tables["actual"] != tables["predicted"]
    decided = (tables["actual"] + tables["predicted"]).sum(axis=0)
    quality = Tally(rows(tables), rows(_tables(some, told)), rows(_tables(some, nothing)), metrics)
    return Tallies(quality, None, right, mistaken, decided)


def presence_macro_f1(truth: SignalSheet, found: SignalSheet) -> float:
    """Return the mean over categories of the F1 of their presence."""
    counts = _presence({name: table.sum(0) for name, table in _tables(truth, found).items()})
    return float(counts.macro(counts.f1()))


def _tables(truth: SignalSheet, found: SignalSheet) -> dict[str, Counts]:
    """Return what is summed over texts, each of shape (n, categories); unknown cells are 0."""
    known = ~np.isnan(truth.scores)
    actual, predicted = truth.present & known, found.present & known
    error = np.where(known, np.abs(truth.scores - found.scores), 0.0)
    directed = known & (truth.scores != 0)
    tagged = known & (truth.tags > 0)
    tag_given = known & (found.tags > 0) & found.present
    flags = {
        "known": known,
        "actual": actual,
        "predicted": predicted,
        "both": actual & predicted,
        "directed": directed,
        "sign": directed & (np.sign(np.nan_to_num(truth.scores)) == np.sign(found.scores)),
        "tagged": tagged,
        "tag_given": tag_given,
        "tag_right": tagged & tag_given & (truth.tags == found.tags),
    }
    return {"error": error, **{name: flag.astype(np.float64) for name, flag in flags.items()}}


def _presence(tables: dict[str, Counts]) -> LabelCounts:
    return LabelCounts(tables["actual"], tables["predicted"], tables["both"])


def _metrics(tables: dict[str, Counts]) -> dict[str, Counts]:
    counts = _presence(tables)
    sums = {name: table.sum(-1) for name, table in tables.items()}
    return {
        "macro_f1": counts.macro(counts.f1()),
        "sign_accuracy": ratio(sums["sign"], sums["directed"]),
        "score_mae": ratio(sums["error"], sums["known"]),
        "tag_f1": ratio(2 * sums["tag_right"], sums["tagged"] + sums["tag_given"]),
    }
