"""One request and its repetitions, without any input or output: steps that a driver takes, sync or async.

A generator yields what is to be done (`Request`, `Pause`), is sent what came of it (`Reply`, `NoReply`), and returns
the reply or raises. Clock and chance are passed in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import TypeVar

from copydesk.errors import ServiceError, Unreachable
from copydesk.retry_after import seconds_of

T = TypeVar("T")

_BUSY = (429, 503)
"""The server did nothing yet: to ask again is always safe."""


@dataclass(frozen=True)
class Request:
    """What to send, and how long to wait for the reply.

    `repeatable` says whether twice does no harm: where it does not, only what surely was not done is sent again.
    """

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 0.0
    repeatable: bool = True


@dataclass(frozen=True)
class Reply:
    """What came back; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def retry_after_s(self) -> float:
        """The seconds that the server asks to wait."""
        headers = self.headers
        return seconds_of(headers.get("retry-after", ""), date=headers.get("date", ""), now=datetime.now(UTC))


@dataclass(frozen=True)
class NoReply:
    """Why nothing came back. `was_sent`: the server may have got it."""

    reason: str
    was_sent: bool


@dataclass(frozen=True)
class Pause:
    """To wait."""

    seconds: float


Outcome = Reply | NoReply | None
Steps = Generator[Request | Pause, Outcome, T]


@dataclass(frozen=True)
class Patience:
    """How long to wait: `timeout_s` for one reply, `deadline_s` for a call with all its repetitions and pauses.

    Pauses double from `first_pause_s` to `longest_pause_s`, each shortened by chance by up to a half, so that clients
    that were refused together do not come back together. What a server asks for by Retry-After is waited for, and a
    little more.
    """

    timeout_s: float = 30.0
    deadline_s: float = 60.0
    first_pause_s: float = 0.25
    longest_pause_s: float = 8.0
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def pause_s(self, attempt: int, wanted_s: float) -> float:
        """Return the seconds before the next attempt; `attempt` counts from 0."""
        longest = min(self.longest_pause_s, self.first_pause_s * 2 ** min(attempt, 20))
        drawn = longest * (0.5 + self.chance() / 2)
        return wanted_s + self.first_pause_s * self.chance() if wanted_s else drawn


def send(request: Request, patience: Patience) -> Steps[Reply]:
    """Return the first reply that is not "come again", or the last one when time is over.

    Raises `Unreachable` where nothing came back.
    """
    ends_at = patience.clock() + patience.deadline_s
    for attempt in count():
        left_s = ends_at - patience.clock()
        outcome = yield replace(request, timeout_s=max(min(patience.timeout_s, left_s), 0.001))
        again = _comes_again(outcome, request.repeatable)
        wanted_s = outcome.retry_after_s if isinstance(outcome, Reply) else 0.0
        pause_s = patience.pause_s(attempt, wanted_s)
        if not again or patience.clock() + pause_s >= ends_at:
            if isinstance(outcome, Reply):
                return outcome
            raise _unreachable(outcome, attempt + 1)
        yield Pause(pause_s)
    raise AssertionError("unreachable")


def _comes_again(outcome: Outcome, repeatable: bool) -> bool:
    if isinstance(outcome, Reply):
        return outcome.status in _BUSY
    return isinstance(outcome, NoReply) and (repeatable or not outcome.was_sent)


def _unreachable(outcome: Outcome, attempts: int) -> ServiceError:
    reason = outcome.reason if isinstance(outcome, NoReply) else "nothing was tried"
    tried = "once" if attempts == 1 else f"{attempts} times"
    known = "It may have been done. " if isinstance(outcome, NoReply) and outcome.was_sent else ""
    return Unreachable(f"The server did not answer (asked {tried}): {reason}. {known}Check the address and the server.")
