"""Reports, datasets and leaderboards as tables in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from copydesk.compare import Entry
    from copydesk.repair.find import Found
    from copydesk.review.file import StoredLabel
    from copydesk.tuning.findings import Tuning
    from copydesk.types import Report


_BEST_TRIALS = 8
_MOST_SUSPECT = 10
_SHOWN_CHARACTERS = 70


def dataset_table(manifest: dict[str, Any]) -> Table:
    """Return a Dataset's rows by part and label, then what was dropped."""
    labels = sorted({label for counts in manifest["counts"].values() for label in counts})
    shown = labels if len(labels) <= 8 else []
    table = _table("Dataset", ["part", "rows", *shown])
    for part, counts in manifest["counts"].items():
        table.add_row(part, f"{manifest['rows_by_part'][part]:,}", *(f"{counts.get(label, 0):,}" for label in shown))
    if not shown:
        table.caption = f"{len(labels)} labels"
    return table


def dropped_table(manifest: dict[str, Any]) -> Table:
    """Return how many rows were read, dropped for each reason with examples, and kept."""
    table = _table("From raw rows to the Dataset", ["", "rows", "e.g."])
    table.add_row("read", f"{manifest['rows_read']:,}", "")
    for reason, count in manifest["dropped"].items():
        table.add_row(f"dropped: {reason}", f"-{count:,}", ", ".join(manifest["dropped_examples"][reason][:2]))
    table.add_row("kept", f"{manifest['rows']:,}", "")
    return table


def doubt_lines(found: Found) -> list[str]:
    """Return how many texts are doubtful for each reason, and the most suspect: suspicion, labels, place, text."""
    counts = Counter(item.reason for item in found.review.items)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    lines = [f"To review: {reasons or 'nothing'}"]
    for item in found.review.items[:_MOST_SUSPECT]:
        label, suggested = (_label_in_words(value) for value in (item.label, item.suggested))
        text = " ".join(item.text.split())
        shown = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
        lines.append(f"  {item.suspicion:.2f}  {label} → {suggested}  {item.where}  {shown}")
    return lines


def _label_in_words(label: StoredLabel | None) -> str:
    if not isinstance(label, list):
        return label or "-"
    parts = [
        entry if isinstance(entry, str) else f"{entry['category']} {entry['score']:+g} {entry['tag']}".strip()
        for entry in label
        if isinstance(entry, str) or entry["score"] or entry["tag"]
    ]
    return ", ".join(parts) or "-"


def report_table(report: Report) -> Table:
    """Return the headline metrics with their intervals, and the baseline's."""
    columns = ["metric", report.model, "95 % interval"]
    table = _table(f"{report.n:,} test texts", [*columns, report.baseline["model"]] if report.baseline else columns)
    for name, value in report.metrics.items():
        low, high = report.intervals[name]
        cells = [name, f"{value:.4f}", f"{low:.4f} – {high:.4f}"]
        table.add_row(*cells, f"{report.baseline[name]:.4f}") if report.baseline else table.add_row(*cells)
    return table


def leaderboard(entries: Sequence[Entry]) -> Table:
    """Return one row per model, best first."""
    first = entries[0].report
    headline = first.headline
    second = next(name for name in ("macro_f1", *first.metrics) if name != headline)
    table = _table(
        f"{first.n:,} test texts",
        ["model", headline, "95 %", second, "training", "texts/s", "one text", "size"],
    )
    for entry in entries:
        report = entry.report
        low, high = report.intervals[headline]
        table.add_row(
            entry.kind,
            f"{report.metrics[headline]:.4f}",
            f"{low:.3f}–{high:.3f}",
            f"{report.metrics[second]:.4f}",
            f"{report.costs['train_seconds']:,.0f} s",
            f"{report.costs.get('texts_per_second', 0):,.0f}",
            f"{report.latency_ms['p50']:.1f} ms",
            f"{report.costs['bundle_mb']:,.0f} MB"
            if report.costs["bundle_mb"] >= 10
            else f"{report.costs['bundle_mb']:.1f} MB",
        )
    return table


def tuning_table(tuning: Tuning) -> Table:
    """Return the best trials, and what `auto` chose."""
    from copydesk.tuning.findings import plain, rank

    table = _table(f"{len(tuning.attempts)} trials", ["trial", "quality", *tuning.ranges, "time", ""])
    ranked = rank(tuning.attempts)
    for attempt in [*ranked[:_BEST_TRIALS], *(one for one in ranked[_BEST_TRIALS:] if one.number == 0)]:
        table.add_row(
            f"{attempt.number}{' auto' if attempt.number == 0 else ''}",
            f"{attempt.quality:.4f}" if attempt.quality is not None else "-",
            *(plain(attempt.settings[name]) for name in tuning.ranges),
            f"{attempt.seconds:,.0f} s",
            {"complete": "best" if attempt.number == tuning.best else "", "pruned": "given up"}.get(
                attempt.state, attempt.state
            ),
        )
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table
