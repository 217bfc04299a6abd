"""What became of the checks, section by section, in a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from copydesk.checks.outcome import SECTIONS, Section, Status
from copydesk.checks.run import Checked
from copydesk.checks.score import FULL

_SIGNS: dict[Status, tuple[str, str]] = {
    "passed": ("✓ passed", "green"),
    "failed": ("✗ failed", "bold red"),
    "manual": ("½ manual", "yellow"),
    "skipped": ("– skipped", "dim"),
}


def check_table(checked: Checked) -> Group:
    """Return one table for each section, and one of the behaviours where there are any."""
    tables = [_section(checked, section) for section in SECTIONS]
    return Group(*tables, *([_behaviours(checked)] if checked.behaviours else []))


def _section(checked: Checked, section: Section) -> Table:
    points = checked.score.sections[section]
    table = Table(
        title=f"{section.capitalize()}: {points:g} of {FULL}", title_justify="left", box=box.SIMPLE_HEAD, expand=True
    )
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("evidence", ratio=1)
    for outcome in (outcome for outcome in checked.outcomes if outcome.section == section):
        sign, style = _SIGNS[outcome.status]
        evidence = outcome.evidence
        if outcome.status == "failed" and outcome.threshold:
            evidence += f" (needed: {outcome.threshold})"
        table.add_row(outcome.id.partition(".")[2], Text(sign, style), Text(evidence))
    return table


def _behaviours(checked: Checked) -> Table:
    asked = [result for result in checked.behaviours if result.required]
    watched = len(checked.behaviours) - len(asked)
    held = f"Behaviours: {sum(result.holds for result in asked)} of {len(asked)} hold"
    table = Table(
        title=held + (f"; {watched} are watched, as nothing is required of them" if watched else ""),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        expand=True,
    )
    for heading in ("behaviour", "kind", "passed", "needed", "worst failure"):
        table.add_column(heading, justify="right" if heading in ("passed", "needed") else "left")
    for result in checked.behaviours:
        worst = result.failures[0] if result.failures else None
        told = "" if worst is None else f"{worst.changed or worst.text} → {worst.got}, not {worst.expected}"
        table.add_row(
            Text(result.name), result.kind, Text(f"{result.passed}/{result.n}", "" if result.holds else "bold red"),
            f"{result.required:.0%}" if result.required else "watched", Text(" ".join(told.split())),
        )  # fmt: skip
    return table
