"""`copydesk monitor`: whether a model is still what it was made for, from its prediction log.

`report` and `watch` are here; what else belongs to it has a file of its own, which registers itself in `_OTHERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from copydesk.cli import monitor_queue
from copydesk.cli.options import Debug, Json, LogAddress, ModelPath, Quiet, Since, Trust, Until

_OTHERS: tuple[Callable[[typer.Typer], None], ...] = (monitor_queue.register,)
"""What adds the other commands."""


def register(app: typer.Typer) -> None:
    """Add `monitor` and its commands."""
    monitor = typer.Typer(help="Whether a model is still what it was made for, from its prediction log.")
    monitor.command("report")(report)
    for add in _OTHERS:
        add(monitor)
    app.add_typer(monitor, name="monitor", no_args_is_help=True)


def report(
    model: ModelPath,
    log: LogAddress,
    since: Since = "7d",
    until: Until = None,
    every: Annotated[Literal["1h", "1d", "1w"], typer.Option("--every", help="How long a period is.")] = "1d",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write monitor.json and monitor.html.")
    ] = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say in one page whether something is wrong, what has changed, and what to do next."""
    from dataclasses import asdict

    from copydesk.cli import console
    from copydesk.monitor.log_files import read
    from copydesk.monitor.reference import Reference
    from copydesk.monitor.summary import summarise
    from copydesk.monitor.times import moment
    from copydesk.registry.references import opened

    now = datetime.now(UTC)
    rows = read(Path(log), moment(since, now), moment(until, now) if until else now)
    reference = Reference.load(opened(model).path / "reference.safetensors")
    periods = summarise(rows, reference, every=every)
    console.print_json([{**asdict(period), "start": period.start.isoformat()} for period in periods])
