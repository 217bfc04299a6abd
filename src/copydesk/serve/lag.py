"""Whether the event loop keeps up: for how long one turn of it has been reading requests.

Queues are bounded by what engines get done. But where the engine is fast, reading requests and writing answers is the
work, and what is too much of it waits in sockets, which nobody counts. A turn of the loop begins every request that has
come since the last one; those that it would begin too late are better told so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Lag:
    """The time since the first request that this turn of the loop began."""

    def __init__(self, most_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_s, self._clock = most_s, clock
        self._since: float | None = None

    def is_too_long(self) -> bool:
        """Tell whether a request begins too late in its turn of the loop. Asked by each at its beginning, in the loop."""
        now = self._clock()
        if self._since is None:
            self._since = now
            asyncio.get_running_loop().call_soon(self._turned)
        return now - self._since > self._most_s

    def _turned(self) -> None:
        self._since = None
