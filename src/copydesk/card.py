"""The model card (Mitchell et al. 2019): what a bundle's README says, from its report and recipe."""

from __future__ import annotations

from copydesk.bundle import Settings
from copydesk.recipe import Recipe
from copydesk.types import Report

_ANSWERS = {"single": "one of", "multi": "any of", "signals": "with a score and a tag for each of"}
_LIMITS = {
    "single": "Unless it abstains, it answers with one of its labels, also for a text that fits none.",
    "multi": "A label is given where its score reaches its threshold; the report lists the thresholds.",
    "signals": "It fills the whole sheet for every text; a score near 0 means that the category is hardly there.",
}


def model_card(recipe: Recipe, report: Report, settings: Settings) -> str:
    """Return the card as Markdown: use, quality, limits, data."""
    lines = [
        f"# {recipe.name}",
        "",
        f"A `{report.task}` text classifier ({report.model}) made with Copydesk. It answers {_ANSWERS[report.task]}: "
        + ", ".join(f"`{label}`" for label in settings.labels[:30])
        + (f" and {len(settings.labels) - 30} more." if len(settings.labels) > 30 else "."),
        "",
        "```python",
        "import copydesk",
        "",
        'copydesk.load("THIS FOLDER").predict(["a text"])',
        "```",
        "",
        "## Quality",
        "",
        *(f"> {note}\n" for note in report.notes),
        f"On {report.n:,} test texts that training never saw:",
        "",
        "| metric | value | 95 % interval |",
        "|---|---|---|",
        *(_metric_row(report, name) for name in report.metrics),
        "",
        *_baseline_lines(report),
        *([f"Calibration error (ECE) {report.calibration.ece:.4f}."] if report.calibration else []),
        f"One text takes {report.latency_ms['p50']:.1f} ms (median) on the machine that trained it.",
        "",
        "## Limits",
        "",
        f"It reads {' and '.join(f'`{column}`' for column in settings.text)} only, and knows texts like those it was "
        f"trained on. {_LIMITS[report.task]} The report lists its most confident mistakes and its accuracy by length "
        "of text.",
        "",
        "## Data",
        "",
        *(f"- {source['url']} (SHA-256 `{source['sha256']}`)" for source in report.data.get("sources", [])),
        f"- {report.data.get('rows', 0):,} rows used; parts and labels: {report.data.get('counts', {})}",
        f"- dropped: {report.data.get('dropped') or 'nothing'}",
        "",
    ]
    return "\n".join(lines)


def _metric_row(report: Report, name: str) -> str:
    low, high = report.intervals[name]
    return f"| {name} | {report.metrics[name]:.4f} | {low:.4f} – {high:.4f} |"


def _baseline_lines(report: Report) -> list[str]:
    if report.baseline is None:
        return []
    headline = report.headline
    return [
        f"The {report.baseline['model']} baseline's {headline} on the same texts: {report.baseline[headline]:.4f}.",
        "",
    ]
