"""A monitoring report in a terminal: the verdict, a line for each period, and what drifted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_STYLES = {"alarm": ("⚠", "bold red"), "changed": ("◐", "yellow"), "fine": ("✓", "green"), "unknown": ("?", "dim")}
_SHOWN_PERIODS = 14
_DASH = "–"


def monitor_table(report: Mapping[str, Any]) -> Group:
    """Return what `report_json.to_json` made, for people: the newest periods, and the detectors that alarmed in any."""
    sign, style = _STYLES[report["verdict"]["status"]]
    parts: list[RenderableType] = [Text(f"{sign} {report['verdict']['sentence']}", style)]
    parts += [Text(f"  → {step}") for step in report["verdict"]["next"]]
    if report["periods"]:
        parts.append(_periods(report))
    if report["drift"]["states"]:
        parts.append(_drift(report))
    parts += [Text(f"note: {note}", "yellow") for note in report["notes"]]
    return Group(*parts)


def _periods(report: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("UTC", "texts", "confidence", "expected", "contradicted", "drifted"):
        table.add_column(heading, justify="left" if heading in ("UTC", "drifted") else "right")
    form = "%d %b %H:%M" if report["every"] == "1h" else "%d %b"
    for period in report["periods"][-_SHOWN_PERIODS:]:
        said = period["feedback"]
        table.add_row(
            datetime.fromisoformat(period["start"]).strftime(form),
            f"{period['texts']:,}",
            _percent(period["confidence"]),
            _percent(period["expected_accuracy"]),
            f"{said['contradicted']:,}" if said else _DASH,
            Text(", ".join(period["alarms"]), "bold red"),
        )
    return table


def _drift(report: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("changed", "effect", "matters from", "p-value", "alarms", "what moved"):
        table.add_column(heading, justify="left" if heading in ("changed", "what moved") else "right")
    judged = sum(bool(period["drift"]) for period in report["periods"])
    states = sorted(report["drift"]["states"], key=lambda one: (not one["drifted"], one["p_value"]))
    alarmed = [state for state in states if state["alarmed_periods"]]
    for state in alarmed:
        table.add_row(
            Text(state["meaning"], "bold red" if state["drifted"] else ""),
            f"{state['measure']} {state['effect']:.2f}",
            f"{state['least_effect']:.2f}",
            f"{state['p_value']:.4f}",
            f"{state['alarmed_periods']} of {judged}",
            Text(state["detail"]),
        )
    if others := len(states) - len(alarmed):
        table.add_row(Text(f"{others} others, which never alarmed", "dim"))
    return table


def _percent(share: float | None) -> str:
    return _DASH if share is None else f"{share:.1%}"
