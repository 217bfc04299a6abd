"""`copydesk signals report`: aggregated signals by place and hour, as a sheet and a page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from copydesk.cli.options import Debug, Json, ModelPath, OutPath, Quiet, Trust

if TYPE_CHECKING:
    from copydesk.signals.run import Outcome

_FOLDED = ("place", "category", "tag")


def register(app: typer.Typer) -> None:
    """Add `signals` and its command."""
    signals = typer.Typer(help="What the news of each place and hour says.")
    signals.callback()(_signals)
    signals.command("report")(report)
    app.add_typer(signals, name="signals", no_args_is_help=True)


def _signals() -> None:
    """Aggregate the answers of a signals model."""


def report(
    model: ModelPath,
    source: Annotated[
        str,
        typer.Argument(metavar="IN", help="Texts (CSV, TSV, JSONL, Parquet), what score wrote, or a prediction log."),
    ],
    time: Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="The column of times.")] = None,
    place: Annotated[str | None, typer.Option("--place", metavar="COLUMN", help="The column of places.")] = None,
    outlet: Annotated[
        str | None, typer.Option("--source", metavar="COLUMN", help="The column of who published it.")
    ] = None,
    every: Annotated[str, typer.Option("--every", metavar="1h|1d", help="The windows' width.")] = "1h",
    zone: Annotated[
        str, typer.Option("--zone", metavar="ZONE", help="The time zone of the windows, e.g. Europe/Stockholm.")
    ] = "UTC",
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="24h, 7d (before the newest text), or a date.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="The end, not included.")] = None,
    out: OutPath = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Aggregate signals by place and hour into a sheet (CSV, Parquet) and a page."""
    from copydesk.cli import console
    from copydesk.runtime.fallback import load_model
    from copydesk.signals.aggregate import Span
    from copydesk.signals.columns import Asked
    from copydesk.signals.run import report as run
    from copydesk.signals.windows import known_every

    span = Span(datetime.now(UTC), known_every(every), zone, since, until)
    asked = Asked(time, place, outlet)
    done = run(load_model(model), source, span, asked=asked, out=out, progress=console.listener(quiet=quiet or json))
    if json:
        console.print_json({"signals": str(done.path), **done.findings.to_json()})
        return
    if not quiet:
        _show(done)
    console.out.print(f"signals: {done.path}", markup=False)


def _show(done: Outcome) -> None:
    """Print the most unusual cells."""
    from rich.markup import escape

    from copydesk.cli import console, tables

    found = done.findings
    title = "Most unusual of late" if found.has_usual else "Strongest of late; too few days yet to say what is usual"
    table = tables.new_table(
        title, ["place", "category", "tag", "window", "signal", "usual", "unusual", "stories"], _FOLDED
    )
    clock = "%d %b" if found.span.every == "1d" else "%d %b %H:%M"
    for values in (cell.values for cell in found.recent):
        usual = "" if values["usual"] is None else f"{values['usual']:+.2f}"
        unusual = "" if values["unusual"] is None else f"{values['unusual']:+.1f}"
        names = (escape(values["place"]), values["category"], values["tag"] or "-", f"{values['start']:{clock}}")
        table.add_row(*names, f"{values['signal']:+.2f}", usual, unusual, f"{values['stories']:.3g}")
    console.out.print(table)
    for line in found.notes:
        console.out.print(f"  {line}", markup=False)
