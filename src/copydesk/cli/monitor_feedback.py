"""`copydesk monitor feedback`: right labels from a file, brought to the answers of a prediction log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, LogAddress, Quiet, Trust


def register(monitor: typer.Typer) -> None:
    """Add the command."""
    monitor.command("feedback")(feedback)


def feedback(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A review file, or CSV, TSV, JSONL, Parquet: id or text, and label.")
    ],
    log: LogAddress,
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Whose labels they are; default: those in the log.")
    ] = None,
    drawn: Annotated[
        bool, typer.Option("--drawn", help="The texts are a random sample of the log's answers: all of the file's.")
    ] = False,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Add right labels to the log: corrections and confirmations; the same file may come again."""
    import polars as pl

    from copydesk.cli import console
    from copydesk.monitor.entry import NOT_SHADOW
    from copydesk.monitor.feedback import Answers, drawn_from, place, read_feedback
    from copydesk.monitor.log import open_log
    from copydesk.registry.references import opened

    place_of_log = open_log(log)
    rows = place_of_log.read()
    answers = Answers.of(opened(model)) if model else Answers.in_log(rows)
    lines = read_feedback(file, answers, datetime.now(UTC))
    if drawn:
        asked = rows.filter(NOT_SHADOW).select(pl.len()).collect(engine="streaming").item()
        lines = [dict(line) for line in drawn_from(lines, asked)]
    placed = place(lines, rows, place_of_log.corrections(), answers)
    place_of_log.correct(placed.lines)
    counts = {"joined": placed.joined, "known": placed.known, "late": placed.late, "unknown": placed.unknown}
    if json:
        console.print_json({"new": len(placed.lines), **counts})
        return
    if placed.unknown:
        examples = ", ".join(repr(example[:60]) for example in placed.examples)
        console.listener(quiet=quiet).warn(f"{placed.unknown:,} rows are about no answer of this log, e.g. {examples}.")
    told = {
        f"{placed.joined:,} about answers in the log": True,
        f"{placed.late:,} about answers that it no longer keeps": placed.late,
        f"{placed.known:,} said already": placed.known,
    }
    console.out.print(
        f"new: {len(placed.lines):,}  ({', '.join(what for what, has in told.items() if has)})", markup=False
    )
