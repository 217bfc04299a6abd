"""All windows of one GDELT source, each asked for until it is whole, and noted in the journal.

A window with as many articles as an answer can hold is halved, for there may be more in it. What is in the journal is
not asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from copydesk.collect.answers import MOST_ARTICLES, Record
from copydesk.collect.client import TooNarrow
from copydesk.collect.journal import Journal, Noted, State, Windows
from copydesk.collect.windows import Window, windows_between
from copydesk.errors import SourceError
from copydesk.recipe import Gdelt


class Asks(Protocol):
    """Whoever knows the articles of a window."""

    def articles(self, gdelt: Gdelt, window: Window) -> tuple[Record, ...]:
        """Return them, or raise `TooNarrow`."""
        ...


def collect_source(
    number: int,
    gdelt: Gdelt,
    *,
    client: Asks,
    journal: Journal,
    known: Windows,
    done: Callable[[Window, int], None],
) -> None:
    """Ask for every window of source `number` that is not `known` yet, and make it so.

    `done` is told every window that is finished, with how many articles it has.
    """
    pending: list[tuple[Window, Window | None]] = [(window, None) for window in reversed(windows_of(gdelt))]

    def note(window: Window, state: State, articles: Sequence[Record]) -> None:
        journal.add(number, window, state, articles)
        known[number, window.key] = Noted(state, len(articles))
        if state != "halved":
            done(window, len(articles))

    while pending:
        window, parent = pending.pop()
        if (number, window.key) not in known:
            try:
                articles = client.articles(gdelt, window)
            except TooNarrow:
                if parent is None:
                    raise SourceError(f"GDELT does not search so short a time: {window}. Raise window_hours.") from None
                pending = [item for item in pending if item[1] != parent]
                note(parent, "cut", client.articles(gdelt, parent))  # it is as fine as it gets
                continue
            state = _state(window, articles)
            note(window, state, () if state == "halved" else articles)
        if known[number, window.key].state == "halved":
            pending.extend((half, window) for half in reversed(window.halves() or ()))


def windows_of(gdelt: Gdelt) -> list[Window]:
    """Return the windows that a source begins with."""
    return windows_between(gdelt.since, gdelt.until, gdelt.window_hours)


def windows_left(number: int, gdelt: Gdelt, known: Windows) -> list[Window]:
    """Return the windows that are still to be asked for, as far as is known."""
    left, pending = [], windows_of(gdelt)
    while pending:
        window = pending.pop()
        noted = known.get((number, window.key))
        if noted is None:
            left.append(window)
        elif noted.state == "halved":
            pending.extend(window.halves() or ())
    return left


def _state(window: Window, articles: Sequence[Record]) -> State:
    if len(articles) < MOST_ARTICLES:
        return "whole"
    return "halved" if window.halves() else "cut"
