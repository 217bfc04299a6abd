"""A Report as one HTML page that stands alone: no request, no script, light and dark, screen and paper.

What the page says about each number is in `templates/report.html`; here the numbers are put in order. It computes no
quality: a figure that is not in the Report (or is not a number) is shown as a dash, and a section without any is left
out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from copydesk.plots import learning_curve_svg, reliability_svg
from copydesk.rendering import DASH, is_finite, rendered, shown_text, words
from copydesk.types import Confusion, LabelQuality, ReliabilityBin, Report, Slice, Step

MATRIX_LABELS = 30
"""Up to so many labels the confusions are a matrix; above, a list of the most frequent."""
_KIND = ": "
"""What parts a slice's kind from its name: `language: en`."""
_TABLE_LABELS = 40
_CONFUSIONS = 20
_MISTAKES = 30
_LOWER_IS_BETTER = frozenset({"hamming", "score_mae"})
_FOLDED_TRAINING = frozenset({"cascade", "choices", "reasons", "runtime"})
_FOLDED_DATA = frozenset({"counts", "dropped", "rows_by_part"})


@dataclass(frozen=True)
class _Headline:
    """One metric beside the baseline's; `gain` is positive where the model is better."""

    name: str
    value: float
    interval: tuple[float, float] | None
    baseline: float | None
    difference: float | None
    gain: float | None


@dataclass(frozen=True)
class _Row:
    """One label's figures; what a label without test texts cannot have is None."""

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    threshold: float | None


@dataclass(frozen=True)
class _Pair:
    """Texts of one label that were given another, and their share of the label's texts."""

    expected: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class _SliceRow:
    """A slice with its places (0 to 1) on the scale that all slices share; `cut` if its interval begins before it."""

    slice: Slice
    at: float | None
    low: float | None
    high: float | None
    below: bool
    cut: bool


@dataclass(frozen=True)
class _Choice:
    """A setting of the training, and the reason for it: the recipe's word or a rule."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True)
class _Precision:
    """A form in which the encoder could answer, what was measured of it, and what became of it."""

    name: str
    quality: float | None
    drop: float | None
    agreement: float | None
    texts_per_second: float | None
    megabytes: float
    verdict: str


def render_report(report: Report) -> str:
    """Return the page's HTML; the same report always gives the same text. Raises `MissingExtra`."""
    curve = [step for step in report.history if _drawable(step)]
    rows = _rows(report.per_label)
    overall = _wholly_right([part for part in report.slices if _KIND not in part.name])
    scale = _scale(report.slices, overall)
    measured = report.calibration.bins if report.calibration else []
    bins = [part for part in measured if part.n and is_finite(part.score) and is_finite(part.accuracy)]
    return rendered(
        "report.html",
        report=report,
        headlines=[_headline(report, name) for name in report.metrics],
        rows=rows[:_TABLE_LABELS],
        more_rows=rows[_TABLE_LABELS:],
        has_thresholds=any(row.threshold is not None for row in rows),
        matrix=_matrix(report.confusion),
        confusions=_confusions(report.confusion),
        bins=bins,
        bias=_bias(bins),
        reliability=reliability_svg(bins) if bins else "",
        learning_curve=learning_curve_svg(curve, quality=words(report.headline)) if curve else "",
        measured=[step for step in curve if is_finite(step.validation_loss) or is_finite(step.validation_quality)],
        scale=scale,
        overall=_place(overall, scale),
        slices=_kinds_of_slices(report.slices, scale, overall),
        mistakes=sorted(report.mistakes, key=lambda mistake: -(_known(mistake.score) or 0))[:_MISTAKES],
        cascade=report.training.get("cascade"),
        runtime=report.training.get("runtime"),
        precisions=_precisions(report.training.get("runtime")),
        choices=_choices(report.training),
        training=_flat(report.training, leave_out=_FOLDED_TRAINING),
        parts=_parts(report.data.get("counts")),
        part_rows=_counted(report.data.get("rows_by_part")),
        dropped=_counted(report.data.get("dropped")),
        data=_flat(report.data, leave_out=_FOLDED_DATA),
    )


def _drawable(step: Step) -> bool:
    return any(is_finite(value) for value in (step.loss, step.validation_loss, step.validation_quality))


def _headline(report: Report, name: str) -> _Headline:
    value, interval, baseline = report.metrics[name], report.intervals.get(name), _baseline(report, name)
    known = interval if interval is not None and all(is_finite(end) for end in interval) else None
    difference = value - baseline if baseline is not None and is_finite(value) else None
    gain = -difference if difference is not None and name in _LOWER_IS_BETTER else difference
    return _Headline(name, value, known, baseline, difference, gain)


def _baseline(report: Report, name: str) -> float | None:
    return _known((report.baseline or {}).get(name))


def _rows(per_label: Mapping[str, LabelQuality]) -> list[_Row]:
    """Return the table in the report's order, or if it is too long to read, the weakest labels first."""
    rows = [_row(label, quality) for label, quality in per_label.items()]
    return rows if len(rows) <= _TABLE_LABELS else sorted(rows, key=lambda row: 2.0 if row.f1 is None else row.f1)


def _row(label: str, quality: LabelQuality) -> _Row:
    recall, f1 = (_known(quality.recall), _known(quality.f1)) if quality.support else (None, None)
    return _Row(label, _known(quality.precision), recall, f1, quality.support, _known(quality.threshold))


def _matrix(confusion: Confusion | None) -> list[tuple[str, list[tuple[int, float | None]]]]:
    """Return per expected label the counts and their shares of the row; none for more than MATRIX_LABELS labels."""
    if confusion is None or len(confusion.labels) > MATRIX_LABELS:
        return []
    return [
        (label, [(count, count / sum(counts) if sum(counts) else None) for count in counts])
        for label, counts in zip(confusion.labels, confusion.counts, strict=True)
    ]


def _confusions(confusion: Confusion | None) -> list[_Pair]:
    if confusion is None:
        return []
    pairs = [
        _Pair(expected, predicted, count, count / sum(counts))
        for expected, counts in zip(confusion.labels, confusion.counts, strict=True)
        for predicted, count in zip(confusion.labels, counts, strict=True)
        if expected != predicted and count
    ]
    return sorted(pairs, key=lambda pair: (-pair.count, pair.expected, pair.predicted))[:_CONFUSIONS]


def _bias(bins: Sequence[ReliabilityBin]) -> float:
    """Return by how much the scores are too high on average; negative if they are too low."""
    return sum(part.n * (part.score - part.accuracy) for part in bins) / (sum(part.n for part in bins) or 1)


def _wholly_right(slices: Sequence[Slice]) -> float | None:
    """Return the share of wholly right answers over slices that part the test texts, as those by length do."""
    known = [part for part in slices if part.n and is_finite(part.accuracy)]
    return sum(part.n * part.accuracy for part in known) / sum(part.n for part in known) if known else None


def _scale(slices: Sequence[Slice], overall: float | None) -> tuple[float, float]:
    """Return the ends of the slices' scale, in steps of 0.05: every accuracy has room, a very long interval is cut."""
    found = [*(part.accuracy for part in slices if part.n), overall]
    known = [value for value in found if value is not None and math.isfinite(value)]
    low = max(math.floor((min(known, default=0.02) - 0.02) * 20), 0) / 20
    high = min(math.ceil((max(known, default=1.0) + 0.02) * 20), 20) / 20
    return low, max(high, low + 0.05)


def _kinds_of_slices(
    slices: Sequence[Slice], scale: tuple[float, float], overall: float | None
) -> list[tuple[str, list[_SliceRow]]]:
    """Return the rows by what their names begin with, such as `language: `; those by length with nothing."""
    rows: dict[str, list[_SliceRow]] = {}
    for part in slices:
        kind, parted, value = part.name.partition(_KIND)
        named = replace(part, name=value) if parted else part
        rows.setdefault(kind if parted else "", []).append(_slice_row(named, scale, overall))
    return list(rows.items())


def _slice_row(part: Slice, scale: tuple[float, float], overall: float | None) -> _SliceRow:
    if not part.n:
        return _SliceRow(part, None, None, None, below=False, cut=False)
    low, high = part.interval
    return _SliceRow(
        part,
        _place(part.accuracy, scale),
        _place(low, scale),
        _place(high, scale),
        below=overall is not None and high < overall,
        cut=low < scale[0],
    )


def _place(value: float | None, scale: tuple[float, float]) -> float | None:
    """Return where a value stands between the ends of the scale, 0 to 1."""
    if value is None or not is_finite(value):
        return None
    return min(max((value - scale[0]) / (scale[1] - scale[0]), 0.0), 1.0)


def _choices(training: Mapping[str, Any]) -> list[_Choice]:
    """Join `training["choices"]`, the settings, with `training["reasons"]`."""
    reasons = training.get("reasons", {})
    return [
        _Choice(name, _plain(value), str(reasons.get(name, ""))) for name, value in training.get("choices", {}).items()
    ]


def _precisions(runtime: Mapping[str, Any] | None) -> list[_Precision]:
    """Return the forms of the encoder that were tried, the chosen one first, then the fastest."""
    if runtime is None:
        return []
    (chosen,) = (one for one in runtime["candidates"] if one["precision"] == runtime["precision"])
    rows = [
        _Precision(
            one["precision"],
            _known(one["quality"]),
            _known(one["drop"]),
            _known(one["agreement"]),
            _known(one["texts_per_second"]),
            one["megabytes"],
            _verdict(one, chosen),
        )
        for one in runtime["candidates"]
    ]
    return sorted(rows, key=lambda row: (row.verdict != "chosen", -(row.texts_per_second or 0)))


def _verdict(one: Mapping[str, Any], chosen: Mapping[str, Any]) -> str:
    if one is chosen or not one["accepted"]:
        return "chosen" if one is chosen else "refused"
    return "gains too little" if one["texts_per_second"] > chosen["texts_per_second"] else "slower"


def _parts(counts: object) -> dict[str, dict[str, int]]:
    """Return per part the counts by label, with the label "" where only the sum is known."""
    if not isinstance(counts, Mapping):
        return {}
    found = {
        str(part): _counted(value if isinstance(value, Mapping) else {"": value}) for part, value in counts.items()
    }
    return {part: by_label for part, by_label in found.items() if by_label}


def _counted(counts: object) -> dict[str, int]:
    found = counts if isinstance(counts, Mapping) else {}
    return {str(name): count for name, count in found.items() if isinstance(count, int)}


def _flat(values: Mapping[str, Any], *, leave_out: frozenset[str]) -> list[tuple[str, str]]:
    """Return names and values as words; a nested mapping's names, or its place in a list, stand behind its own."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if name in leave_out or value is None or value == {} or value == []:
            continue
        if isinstance(value, Mapping):
            rows += [(f"{words(name)}: {words(key)}", _plain(inner)) for key, inner in value.items()]
        elif isinstance(value, list) and all(isinstance(inner, Mapping) for inner in value):
            rows += [(f"{words(name)}: {place}", _plain(inner)) for place, inner in enumerate(value, 1)]
        else:
            rows.append((words(name), _plain(value)))
    return rows


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Mapping):
        return shown_text(", ".join(f"{words(name)} {_plain(inner)}" for name, inner in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return shown_text("; ".join(_plain(inner) for inner in value))
    return DASH if value is None else shown_text(value)


def _number(value: float) -> str:
    if not is_finite(value):
        return DASH
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _known(value: float | None) -> float | None:
    return value if is_finite(value) else None
