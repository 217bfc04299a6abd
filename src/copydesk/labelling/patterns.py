r"""Labelling functions that look for regular expressions, none of which can hang a run.

Expressions go to Polars' engine (Rust's regex), whose time is linear in the text, in columns. What it does not know,
look-around and back-references, goes to the package `regex`, text by text with a time limit; after some time-outs the
function is given up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from copydesk.errors import MissingExtra, RecipeError
from copydesk.labelling.voters import Batch, Faults, Vote

TIMEOUT_S = 0.1
_MOST_TIME_OUTS = 50
"""So many time-outs, some seconds in all, and the function is not asked any more."""


class PatternVoter:
    """One function: a text in which any of its expressions is found gets the vote."""

    def __init__(
        self, vote: Vote, patterns: Sequence[str], column: str | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        """`vote` is what is said of every text found. Raises `RecipeError` for an expression that is none."""
        self._vote, self._column, self._timeout_s = vote, column, timeout_s
        self._linear = [pattern for pattern in patterns if _is_linear(pattern)]
        self._others = [_compiled(pattern, vote.function) for pattern in patterns if pattern not in self._linear]
        self.names = [vote.function]
        self.columns = set() if column is None else {column}
        self.faults = {vote.function: Faults()} if self._others else {}

    def votes(self, batch: Batch) -> Iterator[Vote]:
        """Yield the function's votes."""
        texts = batch.searched(self._column)
        found = pl.Series(texts, dtype=pl.String)
        hits = pl.repeat(False, len(texts), eager=True)
        for pattern in self._linear:
            hits |= found.str.contains(pattern)
        for place, (text, hit) in enumerate(zip(texts, hits, strict=True)):
            if hit or any(self._finds(pattern, text) for pattern in self._others):
                yield self._vote._replace(text=place)

    def _finds(self, pattern: Any, text: str) -> bool:  # noqa: ANN401 (`regex` ships no types)
        faults = self.faults[self._vote.function]
        if faults.given_up:
            return False
        try:
            return pattern.search(text, timeout=self._timeout_s) is not None
        except TimeoutError:
            faults.time_outs += 1
            faults.first = faults.first or f"{pattern.pattern!r} took more than {self._timeout_s:g} s on {text[:60]!r}"
            faults.given_up = faults.time_outs >= _MOST_TIME_OUTS
            return False


def _is_linear(pattern: str) -> bool:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError:
        return False
    return True


def _compiled(pattern: str, function: str) -> Any:  # noqa: ANN401 (`regex` ships no types)
    try:
        import regex
    except ImportError:  # pragma: no cover - shown in an environment without the extra
        raise MissingExtra("Looking around in regular expressions", "data", "regex") from None
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise RecipeError(f"Labelling function '{function}': {pattern!r} is no regular expression: {error}.") from None
