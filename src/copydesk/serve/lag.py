"""Whether the event loop keeps up: how long one turn of it takes, as the requests themselves find it.

Queues are bounded by what engines get done. But where the engine is fast, reading requests and writing answers is the
work, and what is too much of it waits in sockets, which nobody counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_VALID_S = 1.0
"""So long a finding counts: after a quiet time nobody is refused for an old one."""


class Lag:
    """The duration of the loop's last turn, measured from one request to the next turn."""

    def __init__(self, most_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_s, self._clock = most_s, clock
        self._seconds = 0.0
        self._found_at = self._asked_at = float("-inf")
        self._is_asking = False

    def is_too_long(self) -> bool:
        """Tell whether the loop is behind, and look again. Called by each request at its beginning, in the loop."""
        now = self._clock()
        if not self._is_asking:
            self._is_asking, self._asked_at = True, now
            asyncio.get_running_loop().call_soon(self._turned)
        return self._seconds > self._most_s and now - self._found_at < _VALID_S

    def _turned(self) -> None:
        self._is_asking = False
        self._found_at = self._clock()
        self._seconds = self._found_at - self._asked_at
