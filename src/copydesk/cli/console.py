"""What people see: results on standard output, progress and warnings on standard error.

Bars with rate and time left in a terminal; plain lines every few seconds elsewhere.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from copydesk.progress import Advance, Progress, Silent

_PLAIN_INTERVAL_S = 10.0

out = Console(highlight=False, soft_wrap=True)


def listener(*, quiet: bool) -> Progress:
    """Return who listens to long work: nobody, a terminal, or a log."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    if quiet:
        return _WarningsOnly(errors)
    return _Terminal(errors) if errors.is_terminal else _Lines(errors)


def print_json(value: Any) -> None:  # noqa: ANN401 (any JSON value)
    """Print one JSON value on one line; NaN is refused."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def _rate(speed: float) -> str:
    """Return a number per second; slow work is not nothing."""
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"


class _Lines:
    """A log: one line per event, and one about long work every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        self._console.print(line, style="dim", markup=False)

    def warn(self, line: str) -> None:
        self._console.print(f"WARNING: {line}", style="bold yellow", markup=False)

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        started = told = time.monotonic()
        done = 0

        def advance(amount: int, note: str = "") -> None:
            nonlocal done, told
            done += amount
            now = time.monotonic()
            if now - told >= _PLAIN_INTERVAL_S:
                told = now
                rate = done / (now - started)
                left = f", {(total - done) / rate:,.0f} s left" if total and rate else ""
                speed = f", {_rate(rate)}/s{left}" if rate else ""
                of = f"/{total:,}" if total else ""
                self.say(f"{what}: {done:,}{of} {unit}{speed}  {note}".rstrip())

        yield advance
        self.say(f"{what}: {done:,} {unit} in {time.monotonic() - started:,.1f} s")


class _Terminal(_Lines):
    """A terminal: a bar with rate and time left."""

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
        )
        with Bars(*columns, console=self._console) as bars:
            task = bars.add_task(what, total=total or None, note="", rate="")

            def advance(amount: int, note: str = "") -> None:
                bars.advance(task, amount)
                speed = bars.tasks[0].speed
                bars.update(
                    task, rate=f"{_rate(speed)} {unit}/s" if speed else "", note=note or bars.tasks[0].fields["note"]
                )

            yield advance


class _WarningsOnly(Silent):
    def __init__(self, console: Console) -> None:
        self._lines = _Lines(console)

    def warn(self, line: str) -> None:
        self._lines.warn(line)
