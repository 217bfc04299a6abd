"""The `copydesk` command: one place that turns errors into a line and an exit code.

0: done; 1: the work failed; 2: wrong usage; 130: interrupted; 143: terminated. Importing this loads no
model library; each command imports what it needs when it runs.
"""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from copydesk import __version__
from copydesk.cli import (
    archive,
    cascade,
    check,
    collect,
    compare,
    demo,
    deploy,
    describe,
    evaluate,
    export,
    init,
    label,
    models,
    monitor,
    predict,
    prepare,
    promote,
    register,
    retrain,
    review,
    rollback,
    run,
    score,
    serve,
    sign,
    signals,
    train,
    tune,
    worker,
)
from copydesk.errors import CopydeskError, MissingExtra
from copydesk.extras import missing_extra, whole

app = typer.Typer(
    name="copydesk",
    help="From raw text to a monitored text classifier: one recipe file, one command per stage.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"copydesk {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


_INTERRUPTED = (
    "Interrupted. Nothing half-written was left behind. A collection and a scoring continue with the same command, a "
    "training that saved a checkpoint with --resume."
)


def _explained(name: str, command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with its errors printed in a line or two; with --debug they are raised as they are."""

    @functools.wraps(command)
    def run(*args: Any, debug: bool = False, **options: Any) -> None:  # noqa: ANN401 (whatever the command takes)
        signal.signal(signal.SIGTERM, _terminate)
        try:
            command(*args, debug=debug, **options)
        except MissingExtra as error:
            _fail(str(whole(name, error)), error.exit_code, debug)
        except CopydeskError as error:
            _fail(str(error), error.exit_code, debug)
        except ModuleNotFoundError as error:
            missing = missing_extra(name, error.name or "")
            if missing is None:
                raise
            _fail(str(missing), missing.exit_code, debug)
        except KeyboardInterrupt:
            _fail(_INTERRUPTED, 130, debug)
        except MemoryError:
            _fail("Out of memory. Lower train.batch_tokens or model.max_tokens, or use a larger machine.", 1, debug)

    return run


def _terminate(number: int, frame: object) -> None:
    """Leave as on Ctrl-C, through every clean-up, with the exit code that tells of SIGTERM."""
    sys.exit(128 + number)


def _fail(message: str, code: int, debug: bool) -> None:
    if debug:
        raise
    typer.echo(f"copydesk: {message}", err=True)
    sys.exit(code)


for stage in (
    init,
    demo,
    run,
    collect,
    describe,
    label,
    review,
    prepare,
    train,
    tune,
    compare,
    cascade,
    evaluate,
    check,
    predict,
    export,
    score,
    register,
    models,
    promote,
    rollback,
    serve,
    worker,
    sign,
    archive,
    monitor,
    retrain,
    signals,
    deploy,
):
    stage.register(app)
groups = [(f"{group.name} ", group.typer_instance) for group in app.registered_groups]
for before, part in [("", app), *groups]:
    for registered in part.registered_commands if part is not None else []:
        if registered.callback is not None:
            registered.callback = _explained(f"{before}{registered.name}", registered.callback)


def main() -> None:
    """Run the command line and exit."""
    app()
