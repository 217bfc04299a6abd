"""`copydesk serve`: a model behind an HTTP API and a web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, Quiet, Trust, Wait, WatchedModel


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    model: WatchedModel,
    host: Annotated[str, typer.Option(help="0.0.0.0 for every network this machine is in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free port.")] = 8_000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port and the cores.")] = 1,
    state: Annotated[Path, typer.Option(help="Where jobs and feedback are kept.")] = Path("serving"),
    jobs: Annotated[
        str,
        typer.Option(
            envvar="COPYDESK_JOBS",
            metavar="URL",
            help="Where jobs are kept: redis://HOST:PORT/0, sqlite:///PATH, or off.",
        ),
    ] = "",
    log: Annotated[
        str,
        typer.Option(
            envvar="COPYDESK_LOG",
            metavar="DIR|URL",
            help="Where answers are logged for monitoring: a folder, or postgresql://HOST/DATABASE.",
        ),
    ] = "",
    keep_results: Annotated[
        float, typer.Option(min=0.01, metavar="HOURS", help="How long the results of jobs are kept.")
    ] = 24.0,
    api_keys: Annotated[
        Path | None, typer.Option(help="A file of API keys, a line each: KEY, or NAME KEY. Also: COPYDESK_API_KEYS.")
    ] = None,
    cors: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Web pages that may ask; none unless set.")
    ] = None,
    shadow: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A candidate that answers beside, to nobody.")
    ] = None,
    shadow_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="The share of requests it is given.")] = 0.1,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_texts: Annotated[bool, typer.Option("--log-texts", help="Log texts and answers too.")] = False,
    drain: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Not ready so long before the end.")] = 2.0,
    wait: Wait = False,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Answer over HTTP: /v1/classify, jobs, a page at /, metrics; logs go to stderr as JSON lines."""
    from copydesk.cli import console
    from copydesk.errors import MissingExtra, UsageError

    levels = ("debug", "info", "warning", "error")
    if log_level not in levels:
        raise UsageError(f"--log-level is {log_level!r}; expected is one of: {', '.join(levels)}.")
    try:
        from copydesk.serve.process import Options, check, run
    except ModuleNotFoundError as missing:
        raise MissingExtra("Serving", "serve", missing.name or "fastapi") from None
    options = Options(
        model=model,
        host=host,
        port=port,
        workers=workers,
        state=state,
        jobs=jobs,
        log=log,
        keep_results_hours=keep_results,
        api_keys=api_keys,
        origins=cors or [],
        shadow=(shadow, shadow_share) if shadow else None,
        log_level="warning" if quiet else log_level,
        log_texts=log_texts,
        drain_s=drain,
    )
    if wait:
        from copydesk.runtime.wait import wait_for_model

        wait_for_model(model, console.listener(quiet=quiet or json).warn)
    checked = check(options)
    for note in checked.notes:
        console.listener(quiet=quiet or json).warn(note)

    def bound(address: str) -> None:
        if json:
            console.print_json({"model": model, "url": address})
        elif not quiet:
            console.out.print(f"serving: {address}", markup=False, soft_wrap=True)

    run(checked.options, bound=bound)
