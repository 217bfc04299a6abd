"""How long work tells where it is, without knowing who listens: a terminal, a log, a test or nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Moves a bar on."""

    def __call__(self, amount: int, note: str = "") -> None:
        """Add `amount` to what is done; `note` replaces the text beside the bar."""
        ...


class Progress(Protocol):
    """Somebody who is told how far long work has come."""

    def say(self, line: str) -> None:
        """Tell one thing that happened."""
        ...

    def warn(self, line: str) -> None:
        """Tell something that the user must not miss."""
        ...

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        """Follow a piece of work, of unknown length if `total` is 0; yields the function that moves it on."""
        ...


class Silent:
    """Nobody listens."""

    def say(self, line: str) -> None:
        """Say nothing."""

    def warn(self, line: str) -> None:
        """Say nothing."""

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        """Follow nothing."""

        def advance(amount: int, note: str = "") -> None:
            pass

        yield advance
