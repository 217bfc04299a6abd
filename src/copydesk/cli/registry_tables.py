"""What a registry holds, and what the gate decided, in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from copydesk.cli.tables import new_table

if TYPE_CHECKING:
    from copydesk.gate.promote import Decision
    from copydesk.registry.base import Change, Registered
    from copydesk.types import Failure

_SHOWN_DIGITS = 8


def versions_table(versions: Sequence[Registered]) -> Table:
    """Return a row per registered version: its aliases, first metric, data, commit, and who registered it when."""
    measured = [next(iter(one.facts.metrics.items()), ("quality", None)) for one in versions]
    names = {name for name, _ in measured}
    quality = next(iter(names)).replace("_", " ") if len(names) == 1 else "quality"
    table = new_table("Registered", ["version", "aliases", quality, "data", "commit", "by", "when (UTC)"], ("by",))
    for one, (_, value) in zip(versions, measured, strict=True):
        facts = one.facts
        commit = facts.commit[:_SHOWN_DIGITS] + "+" * facts.commit.endswith("+")
        number = "" if value is None else f"{value:.4f}"
        cells = (
            "\n".join(one.aliases),
            number,
            facts.data[:_SHOWN_DIGITS],
            commit,
            facts.by,
            _to_the_minute(facts.created),
        )
        table.add_row(f"{one.name} {one.version}", *(escape(cell) or "-" for cell in cells))
    return table


def history_table(history: Sequence[Change]) -> Table:
    """Return a row per change of a model's aliases, and per refused one, oldest first."""
    table = new_table("History", ["when (UTC)", "what", "alias", "before", "version", "by", "reason"], ("by", "reason"))
    _left(table, "what", "by", "reason")
    for change in history:
        before = "-" if change.before is None else str(change.before)
        cells = change.action, change.alias or "-", before, str(change.version), change.by, change.reason
        table.add_row(_to_the_minute(change.at), *map(escape, cells))
    return table


def _left(table: Table, *names: str) -> None:
    """Let columns of words begin at the left; the others are numbers."""
    for column in table.columns:
        if column.header in names:
            column.justify = "left"


def _to_the_minute(at: str) -> str:
    return at[:16].replace("T", " ")


def failures_table(failures: Sequence[Failure]) -> Table:
    """Return the rules that a candidate does not keep: what was needed, what was measured, and why that matters."""
    table = new_table("The gate refuses", ["rule", "needed", "measured", "why"], ("rule", "needed", "measured", "why"))
    _left(table, "needed", "measured", "why")
    for one in failures:
        table.add_row(*(escape(cell) for cell in (one.rule, one.needed, one.measured, one.why)))
    return table


def decision_lines(name: str, decision: Decision) -> list[str]:
    """Return what was measured next to production, how often these texts have decided, and what became of it."""
    change, found = decision.change, decision.verdict.difference
    lines = [f"{decision.texts:,} test texts; they have decided {decision.decided_before:,} times before"]
    if found is not None:
        lines.append(
            f"{found.metric} {found.old:.4f} → {found.new:.4f}: {found.rise:+.4f}, at least {found.low:+.4f} and at "
            f"most {found.high:+.4f}, each with {found.confidence:.1%} ({found.test}, on {found.texts:,} texts)"
        )
    lines += [f"{ratio.cost}: {ratio}" for ratio in decision.verdict.ratios]
    before = f" (was {change.before})" if change.before is not None else ""
    if change.action == "refused":
        return [*lines, f"refused: version {change.version} of '{name}' stays out of production"]
    why = "forced" if change.action == "forced" else decision.why
    return [*lines, f"production of '{name}': version {change.version}{before}, {why}"]
