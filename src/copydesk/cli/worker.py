"""`copydesk worker`: answers the texts of jobs."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Quiet, Trust

_TOO_LONG = 75


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("worker")(worker)


def worker(
    jobs: Annotated[
        str,
        typer.Option(
            "--jobs",
            envvar="COPYDESK_JOBS",
            metavar="URL",
            help="sqlite:///PATH on one machine, redis://HOST:PORT/0 on many.",
        ),
    ],
    log: Annotated[
        str, typer.Option("--log", envvar="COPYDESK_LOG", metavar="DIR|URL", help="Where answers are logged.")
    ] = "",
    processes: Annotated[int, typer.Option("--processes", min=1, help="Chunks at a time (redis only).")] = 1,
    nice: Annotated[int, typer.Option("--nice", min=0, max=19, help="Give way to others: 0 (no) to 19.")] = 0,
    parent: Annotated[int, typer.Option("--parent", metavar="PID", help="End when this parent is gone.")] = 0,
    alive: Annotated[
        Path | None, typer.Option("--alive", metavar="FILE", help="Touched each second while all is well (redis only).")
    ] = None,
    trust: Trust = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Work on jobs until SIGTERM; the chunk in hand is finished first."""
    from copydesk.errors import UsageError
    from copydesk.serve.open_jobs import REDIS, SQLITE
    from copydesk.serve.parent import end_with

    if not jobs.startswith((SQLITE, *REDIS)):
        raise UsageError(f"--jobs {jobs!r} is no job store. Expected: sqlite:///PATH or redis://HOST:PORT/0.")
    if processes > 1 and jobs.startswith(SQLITE):
        raise UsageError(f"--processes {processes} is for redis. Start the command once more for another worker.")
    if alive and jobs.startswith(SQLITE):
        raise UsageError("--alive is for redis. A worker of a file is watched by the server that started it.")
    os.nice(max(nice - os.nice(0), 0))  # a worker that begins anew is nice already
    if parent:
        end_with(parent)
    if jobs.startswith(SQLITE):
        _embedded(jobs, log, quiet=quiet)
        return
    from copydesk.serve.celery_jobs import run_worker

    _say_ready(quiet=quiet)
    raise typer.Exit(run_worker(jobs, processes, log=log, alive=alive))


def _embedded(jobs: str, log: str, *, quiet: bool) -> None:
    from copydesk.cli import console
    from copydesk.registry.cache import discard
    from copydesk.serve.answer_log import AnswerLog
    from copydesk.serve.job_worker import Models, load_version, work
    from copydesk.serve.open_jobs import sqlite_path
    from copydesk.serve.sqlite_jobs import SqliteJobs

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    progress = console.listener(quiet=quiet)

    def too_long() -> None:
        progress.warn("A chunk takes longer than it may: this worker ends, another takes the chunk.")
        os._exit(_TOO_LONG)  # whatever hangs cannot be stopped otherwise

    store = SqliteJobs(sqlite_path(jobs))
    _say_ready(quiet=quiet)
    answers = AnswerLog.open(log) if log else None  # days are dropped by the server
    work(store, Models(load_version, discard=discard), stop, progress=progress, too_long=too_long, log=answers)
    store.close()
    if answers is not None:
        answers.close()


def _say_ready(*, quiet: bool) -> None:
    from copydesk.cli import console

    console.listener(quiet=quiet).say(f"Worker {os.getpid()} is ready for jobs.")
