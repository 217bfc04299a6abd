"""A polite and stubborn client of GDELT: a pause after every answer, growing pauses when there is none.

Eight tries, the longest pause sixty times the usual one: with five seconds per request that is about a quarter of an
hour, which outlasts what GDELT's servers need to take breath. What is asked and where it goes is not its matter.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from copydesk.collect.answers import MOST_ARTICLES, Answer, Record, read_answer
from copydesk.collect.request import NoReply, Reply, request
from copydesk.collect.windows import Window
from copydesk.errors import SourceError
from copydesk.progress import Progress
from copydesk.recipe import Gdelt

_TRIES = 8
_LONGEST = 60  # times the usual pause
_LONGEST_ASKED_S = 900.0  # a server may ask for more, but a wait without end looks like a crash
_TOLD_FROM_S = 8.0

_HINTS = {
    "country": "Write countries by English name, such as Sweden or United Kingdom.",
    "language": "Write languages by English name, such as Swedish or English.",
    "too long": "Shorten the query, or divide countries and languages over several gdelt sources.",
    "phrase": "A single word needs no quotation marks.",
}

Ask = Callable[[str, Mapping[str, str]], Reply]


class TooNarrow(Exception):
    """GDELT does not search so short a time."""


@dataclass
class Client:
    """Asks for one window after the other, and remembers when it last did."""

    progress: Progress
    ask: Ask = request
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    _answered: bool = False
    _last: float | None = field(default=None)

    def articles(self, gdelt: Gdelt, window: Window) -> tuple[Record, ...]:
        """Return what GDELT has for the window, at most `MOST_ARTICLES`.

        Raises `TooNarrow`; `SourceError` if the query is refused, or if there is no usable answer after all tries.
        """
        parameters = parameters_of(gdelt, window)
        for failures in range(1, _TRIES + 1):
            self._keep_pace(gdelt.seconds_per_request)
            answer = self._answer(gdelt, parameters)
            if answer.kind == "articles":
                self._answered = True
                return answer.articles
            if answer.kind == "too_short":
                raise TooNarrow
            if answer.kind == "refused":
                raise SourceError(_refusal(parameters["query"], answer.said))
            if failures < _TRIES:
                self._back_off(gdelt.seconds_per_request, failures, answer)
        raise SourceError(f"'{gdelt.endpoint}' {answer.said}, {_TRIES} times in a row, for {window}.")

    def _answer(self, gdelt: Gdelt, parameters: Mapping[str, str]) -> Answer:
        try:
            return read_answer(self.ask(gdelt.endpoint, parameters))
        except NoReply as error:
            if error.hopeless and not self._answered:
                raise SourceError(
                    f"'{gdelt.endpoint}' cannot be reached: {error}. Check the network, and `endpoint` if it is yours."
                ) from None
            return Answer("broken", said=f"does not answer ({error})")
        finally:
            self._last = self.clock()

    def _keep_pace(self, seconds: float) -> None:
        if self._last is not None:
            self._wait(self._last + seconds - self.clock())

    def _back_off(self, seconds: float, failures: int, answer: Answer) -> None:
        """Wait longer after each failure, by chance up to half as long again, and at least as long as asked."""
        growing = seconds * min(2**failures, _LONGEST) * (1 + self.chance() / 2)
        pause = max(growing, min(answer.wait_s, _LONGEST_ASKED_S))
        if pause >= _TOLD_FROM_S:
            self.progress.say(f"GDELT {answer.said}: try {failures + 1} of {_TRIES} in {pause:,.0f} s")
        self._wait(pause)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.sleep(seconds)


def parameters_of(gdelt: Gdelt, window: Window) -> dict[str, str]:
    """Return the parameters of one request."""
    return {
        "query": query_of(gdelt),
        "mode": "ArtList",
        "format": "json",
        "maxrecords": str(MOST_ARTICLES),
        "sort": "DateAsc",
        **window.parameters,
    }


def query_of(gdelt: Gdelt) -> str:
    """Return the query in GDELT's language: alternatives in parentheses, names in lower case without spaces."""
    words = gdelt.query.strip()
    if re.search(r"\sOR\s", re.sub(r'"[^"]*"|\([^)]*\)', "", words)):
        words = f"({words})"  # GDELT refuses alternatives without
    parts = [words, _either("sourcecountry", gdelt.countries), _either("sourcelang", gdelt.languages)]
    return " ".join(part for part in parts if part)


def _either(operator: str, names: list[str]) -> str:
    """Return `operator:a`, or `(operator:a OR operator:b)`: GDELT refuses parentheses around one thing."""
    terms = [f"{operator}:{''.join(name.lower().split())}" for name in names]
    return terms[0] if len(terms) == 1 else f"({' OR '.join(terms)})" if terms else ""


def _refusal(query: str, said: str) -> str:
    hint = next((hint for word, hint in _HINTS.items() if word in said.lower()), "Correct source.gdelt in the recipe.")
    return f"GDELT refuses the query '{query}': \"{said}\" {hint}"
