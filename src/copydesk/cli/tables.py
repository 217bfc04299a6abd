"""Reports, datasets and leaderboards as tables in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from copydesk.compare import Entry
    from copydesk.data.review_file import StoredLabel
    from copydesk.describe.facts import Facts
    from copydesk.labelling.counts import Counts
    from copydesk.labelling.summary import FunctionSummary
    from copydesk.labelling.voters import Faults
    from copydesk.repair.find import Found
    from copydesk.tuning.findings import Tuning
    from copydesk.types import Report


LEVELS = {"stop": "to repair", "do": "to do", "look": "to know"}
_BEST_TRIALS = 8
_MOST_SUSPECT = 10
_SHOWN_CHARACTERS = 70
_SHOWN_LABELS = 8
_LABELS_SHOWN, _LABELS_LISTED = 3, 20


_COLLECTED = {
    "articles": "articles from GDELT",
    "outside_dates": "dropped: of other dates than asked for",
    "same_address": "dropped: same address",
    "same_title_same_site": "dropped: same title on the same site",
    "same_title_other_site": "dropped: same title on another site",
    "rows": "rows in the file",
    "broken_addresses": "  of which with a broken address",
    "undated": "  of which without a date",
}


def collected_table(counts: dict[str, int]) -> Table:
    """Return what was collected, dropped and kept; from files alone only the rows."""
    table = new_table("Collected", ["", "rows"])
    shown = (key for key in _COLLECTED if counts.get(key) or key in ("articles", "rows"))
    for key in (key for key in shown if key in counts):
        sign = "-" if _COLLECTED[key].startswith("dropped") else ""
        table.add_row(_COLLECTED[key], f"{sign}{counts[key]:,}")
    if "windows" in counts:
        table.caption = f"{counts['windows']:,} windows of time, {counts['empty_windows']:,} of them without an article"
    return table


def dataset_table(manifest: dict[str, Any]) -> Table:
    """Return a Dataset's rows by part and label, then what was dropped."""
    labels = sorted({label for counts in manifest["counts"].values() for label in counts})
    shown = labels if len(labels) <= 8 else []
    table = new_table("Dataset", ["part", "rows", *shown])
    for part, counts in manifest["counts"].items():
        table.add_row(part, f"{manifest['rows_by_part'][part]:,}", *(f"{counts.get(label, 0):,}" for label in shown))
    if not shown:
        table.caption = f"{len(labels)} labels"
    return table


def dropped_table(manifest: dict[str, Any]) -> Table:
    """Return how many rows were read, dropped for each reason with examples, and kept."""
    table = new_table("From raw rows to the Dataset", ["", "rows", "e.g."], ("", "e.g."))
    table.add_row("read", f"{manifest['rows_read']:,}", "")
    for reason, count in manifest["dropped"].items():
        table.add_row(f"dropped: {reason}", f"-{count:,}", ", ".join(manifest["dropped_examples"][reason][:2]))
    table.add_row("kept", f"{manifest['rows']:,}", "")
    return table


def functions_table(functions: Sequence[FunctionSummary]) -> Table:
    """Return a row per labelling function: what it votes for, how often, and how well; what went wrong if anything."""
    measured, failed = any(one.measured for one in functions), any(_troubles(one.faults) for one in functions)
    columns = ["function", "votes for", "covers", "overlaps", "conflicts"]
    names = ("function", "votes for", "went wrong")
    table = new_table("Labelling functions", columns + ["right"] * measured + ["went wrong"] * failed, names)
    for one in functions:
        named = ", ".join(one.labels[:_LABELS_SHOWN]) + (" …" if len(one.labels) > _LABELS_SHOWN else "")
        table.add_row(
            one.name,
            named or "-",
            *(f"{share:.1%}" for share in (one.coverage, one.overlaps, one.conflicts)),
            *["-" if one.accuracy is None else f"{one.accuracy:.1%}"] * measured,
            *[_troubles(one.faults)] * failed,
        )
    return table


def _troubles(faults: Faults) -> str:
    told = [f"{faults.failures:,} failures"] * bool(faults.failures)
    told += [f"{faults.time_outs:,} time-outs"] * bool(faults.time_outs) + ["given up"] * faults.given_up
    return ", ".join(told)


def labelled_table(counts: Counts) -> Table:
    """Return how many texts got which label, and how many none and why."""
    table = new_table("Weak labels", ["", "texts", "share"])
    rows = [("all", counts.texts), ("without votes", counts.without_votes), ("undecided", counts.undecided)]
    rows += [
        ("labelled", counts.labelled),
        *((f"  {name}", n) for name, n in counts.labels.most_common(_LABELS_LISTED)),
    ]
    for name, count in rows:
        table.add_row(name, f"{count:,}", f"{count / max(counts.texts, 1):.1%}")
    if counts.agreement is not None and counts.agreement.texts:
        table.caption = f"F1 against people's labels, on {counts.agreement.texts:,} texts: {counts.agreement.f1:.4f}"
    return table


def doubt_lines(found: Found) -> list[str]:
    """Return how many texts are doubtful for each reason, and the most suspect: suspicion, labels, place, text."""
    counts = Counter(item.reason for item in found.review.items)
    reasons = ", ".join(f"{count:,} × {reason}" for reason, count in counts.items())
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
    table = new_table(f"{report.n:,} test texts", [*columns, report.baseline["model"]] if report.baseline else columns)
    for name, value in report.metrics.items():
        low, high = report.intervals[name]
        cells = [name, f"{value:.4f}", f"{low:.4f} – {high:.4f}"]
        table.add_row(*cells, f"{report.baseline[name]:.4f}") if report.baseline else table.add_row(*cells)
    return table


def figures_table(figures: Mapping[str, Mapping[str, float]], texts: int) -> Table:
    """Return one column per model and one row per metric."""
    table = new_table(f"{texts:,} test texts", ["metric", *figures])
    for metric in next(iter(figures.values())):
        table.add_row(metric, *(f"{metrics[metric]:.4f}" for metrics in figures.values()))
    return table


def leaderboard(entries: Sequence[Entry]) -> Table:
    """Return one row per model, best first."""
    first = entries[0].report
    headline = first.headline
    second = next(name for name in ("macro_f1", *first.metrics) if name != headline)
    metrics = [name.replace("_", " ") for name in (headline, second)]
    table = new_table(
        f"{first.n:,} test texts",
        ["model", metrics[0], "95 %", metrics[1], "training", "texts/s", "one text", "size"],
        metrics,
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


def runtime_table(runtime: Mapping[str, Any], headline: str) -> Table:
    """Return one row per precision that was tried for an encoder, and what became of it."""
    table = new_table(
        f"Checked on {runtime['checked_on']:,} validation texts, {runtime['cores']} core"
        + "s" * (runtime["cores"] != 1),
        ["precision", headline, "change", "same answers", "texts/s", "adds", ""],
    )
    for one in runtime["candidates"]:
        unmeasured = one["quality"] is None
        table.add_row(
            one["precision"],
            "-" if unmeasured else f"{one['quality']:.4f}",
            "-" if unmeasured else f"{-one['drop']:+z.4f}",
            "-" if unmeasured else f"{one['agreement']:.2%}",
            "-" if unmeasured else f"{one['texts_per_second']:,.0f}",
            f"{one['megabytes']:.1f} MB",
            "chosen" if one["precision"] == runtime["precision"] else "" if one["accepted"] else "refused",
        )
    return table


def tuning_table(tuning: Tuning) -> Table:
    """Return the best trials, and what `auto` chose."""
    from copydesk.tuning.findings import plain, rank

    table = new_table(f"{len(tuning.attempts)} trials", ["trial", "quality", *tuning.ranges, "time", ""])
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


def facts_table(facts: Facts) -> Table:
    """Return what a description found, in a few lines."""
    table = new_table(f"{facts.name}: {facts.rows.read:,} rows", ["", ""])
    table.show_header = False
    table.columns[1].justify, table.columns[1].no_wrap = "left", False
    for name, words in _facts_in_words(facts).items():
        table.add_row(name, words)
    return table


def _facts_in_words(facts: Facts) -> dict[str, str]:
    copies, words, tokens = facts.copies, facts.lengths.words.quantiles, facts.lengths.tokens
    lines = {
        "texts": f"{facts.rows.with_text:,}, {copies.distinct:,} different",
        "words": f"median {words['median']:,.0f}, 99 % {words['99 %']:,.0f}, longest {words['longest']:,.0f}",
    }
    if facts.labels is not None:
        counts = facts.labels.counts
        shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:_SHOWN_LABELS])
        lines["labels"] = shown + (f" … ({len(counts):,} labels)" if len(counts) > _SHOWN_LABELS else "")
    if tokens is not None:
        length, beyond = tokens.length.quantiles, f"{tokens.beyond:.1%}".replace("%", " %")
        lines["tokens"] = (
            f"median {length['median']:,.0f}, 99 % {length['99 %']:,.0f}; {beyond} beyond {tokens.limit:,}"
        )
    near = f"near-copies of {copies.near.texts:,} texts (of {copies.near.looked_at:,})"
    lines["copies"] = f"{copies.copies:,} exact, {near}; {copies.conflicts:,} texts under several labels"
    shares = [(code or "unsure", count / facts.languages.looked_at) for code, count in facts.languages.counts.items()]
    lines["languages"] = ", ".join(f"{code} {100 * share:.1f} %" for code, share in shares[:4])
    if facts.time is not None:
        lines["time"] = f"{facts.time.first[:10]} to {facts.time.last[:10]} ({facts.time.column})"
    if facts.outcome is not None and facts.outcome.rows:
        lines["parts"] = ", ".join(f"{part} {count:,}" for part, count in facts.outcome.rows.items())
    return lines


def new_table(title: str, columns: Sequence[str], folded: Sequence[str] = ()) -> Table:
    """Return an empty table; where it is too wide the `folded` columns take more lines, and no figure is cut off."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for number, column in enumerate(columns):
        table.add_column(
            column,
            justify="left" if number == 0 else "right",
            no_wrap=column not in folded,
            overflow="fold",
        )
    return table
