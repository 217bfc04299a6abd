"""`copydesk monitor`: whether a model is still what it was made for, from its prediction log.

`report` and `watch` are here; what else belongs to it has a file of its own, which registers itself in `_OTHERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from copydesk.cli import monitor_feedback, monitor_queue
from copydesk.cli.options import (
    Debug,
    Json,
    LogAddress,
    ModelPath,
    Quiet,
    Set,
    Since,
    Trust,
    Until,
    Wait,
    WatchedModel,
    overrides_of,
)

if TYPE_CHECKING:
    from copydesk.cli.monitor_watch import Options

_OTHERS: tuple[Callable[[typer.Typer], None], ...] = (monitor_feedback.register, monitor_queue.register)
"""What adds the other commands."""


def register(app: typer.Typer) -> None:
    """Add `monitor` and its commands."""
    monitor = typer.Typer(help="Whether a model is still what it was made for, from its prediction log.")
    monitor.command("report")(report)
    monitor.command("watch")(watch)
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
    set_: Set = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say in one page whether something is wrong, what has changed, and what to do next."""
    from copydesk.cli import console
    from copydesk.cli.monitor_table import monitor_table
    from copydesk.errors import MissingExtra
    from copydesk.files import new_folder, next_free, refuse_existing, write_json, write_text
    from copydesk.monitor.log import open_log
    from copydesk.monitor.times import moment
    from copydesk.registry.references import opened

    try:
        from copydesk.monitor.page import render_monitor
        from copydesk.monitor.report import Span, report_of
        from copydesk.monitor.report_json import to_json
        from copydesk.monitor.subject import subject_of
    except ModuleNotFoundError as missing:
        raise MissingExtra("Monitoring", "monitor", missing.name or "polars") from None

    if out is not None:
        refuse_existing(out)
    now = datetime.now(UTC)
    span = Span(moment(since, now), moment(until, now) if until else now, every)
    place = open_log(log)
    subject = subject_of(opened(model), overrides_of(set_, None, None))
    console.listener(quiet=quiet or json).say(f"reading {log} from {span.since:%Y-%m-%d %H:%M} on")
    values = to_json(report_of(subject, place, span, now=now))
    target = out or next_free(Path("monitoring"), subject.name)
    with new_folder(target) as folder:
        write_json(folder / "monitor.json", values)
        write_text(folder / "monitor.html", render_monitor(values))
    if json:
        console.print_json({"report": str(target), **values})
        return
    if not quiet:
        console.out.print(monitor_table(values))
    console.out.print(f"report: {target}", markup=False)


def watch(
    model: WatchedModel,
    log: LogAddress,
    window: Annotated[
        str, typer.Option("--window", metavar="N|TIME", help="What is judged at a time: 1000 measured texts, or 1h.")
    ] = "1000",
    every: Annotated[float, typer.Option("--every", min=0.1, metavar="SECONDS", help="How often to look.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Look once; exit with 1 if something alarms.")] = False,
    host: Annotated[str, typer.Option(help="Where gauges are served: 0.0.0.0 for every network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free port.")] = 9_464,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", envvar="COPYDESK_WEBHOOK", metavar="URL", help="Who is told of alarms by POST."),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="How far back feedback is looked at, e.g. 7d.")
    ] = "7d",
    state: Annotated[Path, typer.Option(metavar="DIR", help="Where alarms that have begun are kept.")] = Path(
        "monitoring"
    ),
    wait: Wait = False,
    set_: Set = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Judge each new window of the log, serve gauges for Prometheus, tell a webhook of alarms; SIGTERM ends it."""
    from copydesk.cli import console
    from copydesk.errors import MissingExtra

    try:
        from copydesk.cli.monitor_watch import Options, watch_model
    except ModuleNotFoundError as missing:
        raise MissingExtra("Watching", "monitor", missing.name or "prometheus-client") from None
    options = Options(model, log, window, since, state, webhook, overrides_of(set_, None, None))
    if wait:
        from copydesk.runtime.wait import wait_for_model

        wait_for_model(model, console.listener(quiet=quiet or json).warn)
    if once:
        _look_once(options, json=json, quiet=quiet)
        return

    def bound(address: str) -> None:
        if json:
            console.print_json({"model": model, "url": address})
        elif not quiet:
            console.out.print(f"gauges: {address}", markup=False)

    watch_model(options, host=host, port=port, every_s=every, bound=bound)


def _look_once(options: Options, *, json: bool, quiet: bool) -> None:
    """Print what alarms, and exit with 1 if something does."""
    from copydesk.cli import console
    from copydesk.cli.monitor_watch import look_once

    seen = look_once(options)
    if json:
        console.print_json(seen)
    elif not quiet:
        for note in seen["notes"]:
            console.listener(quiet=False).warn(note)
        for alarm in seen["alarms"]:
            console.out.print(f"alarm: {alarm['what']}. {alarm['remedy']}", markup=False)
        if not seen["alarms"]:
            console.out.print("nothing alarms")
    if seen["alarms"]:
        raise typer.Exit(1)
