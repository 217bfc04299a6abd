"""One writer at a time for each model on an MLflow server, which itself would let the last of two writers win.

It has no lock and no compare-and-swap, but it makes a model of a given name only once. So who writes takes the next
turn by making a model called NAME.turn-N; who is done marks turn N as over, with a tag of the model, and deletes it. N
only grows, and a mark is never taken back, so nobody deletes or ends a later turn than the one he means. A turn that a
waiter sees unchanged for `LEASE_S` by its own clock is taken for a dead one's, and marked as over.

What that guarantees: of any writers that are alive and make each request within the lease, one writes at a time; a
killed one holds the others up for the lease and no longer. What it does not: a writer that was stopped for longer than
that finds its turn over before each of its steps and gives up, but between that look and the step itself it may be
stopped again. Then its step still takes place: an alias it sets is the truth, and the history shows who found it there.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from copydesk.errors import RegistryError, Stale
from copydesk.registry.lock import Check

if TYPE_CHECKING:
    from mlflow import MlflowClient

LEASE_S = 30.0
_PATIENCE_S = 120.0
_LOOK_S = (0.05, 0.2)
_OVER = "copydesk.turn."
_HOLDER = "copydesk.holder"


class Turns:
    """The turns of one model's writers on a server."""

    def __init__(
        self,
        client: MlflowClient,
        name: str,
        *,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._name, self._lease_s = client, name, lease_s
        self._clock, self._sleep = clock, sleep

    @contextmanager
    def mine(self) -> Iterator[Check]:
        """Wait for a turn and hold it. Raises `RegistryError` if none comes."""
        turn = self._taken()

        def check() -> None:
            if self._over() >= turn:
                raise Stale(
                    f"This took so long that another has taken over '{self._name}'. Look again, and decide again."
                )

        try:
            yield check
        finally:
            self._end(turn)

    def _taken(self) -> int:
        started = self._clock()
        watched, since = 0, started
        while True:
            turn = self._over() + 1
            if self._made(turn):
                if self._over() < turn:
                    return turn
                self._remove(turn)  # it was over before we came: its holder had deleted it a moment ago
                continue
            now = self._clock()
            if turn != watched:
                watched, since = turn, now
            elif now - since > self._lease_s:
                self._end(turn)
                continue
            if now - started > max(_PATIENCE_S, 2 * self._lease_s):
                raise RegistryError(
                    f"Others have been moving '{self._name}' for {now - started:.0f} s without a pause. Try later."
                )
            self._sleep(random.uniform(*_LOOK_S))  # unseeded: others must not look at the same time

    def _over(self) -> int:
        """Return the last turn that is over."""
        return max(self._marks(), default=0)

    def _marks(self) -> list[int]:
        tags = self._client.get_registered_model(self._name).tags
        return [int(key.removeprefix(_OVER)) for key in tags if key.startswith(_OVER)]

    def _made(self, turn: int) -> bool:
        """Make the turn's model; tell whether nobody had."""
        from mlflow.exceptions import MlflowException

        holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        try:
            self._client.create_registered_model(self._entry(turn), tags={_HOLDER: holder})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return False
        return True

    def _end(self, turn: int) -> None:
        """Mark a turn as over, and clear it away; done twice, it is the same."""
        from mlflow.exceptions import MlflowException

        earlier = [mark for mark in self._marks() if mark < turn]
        try:
            self._client.set_registered_model_tag(self._name, f"{_OVER}{turn}", "over")
        except MlflowException:
            if self._over() < turn:  # else another marked it in this moment
                raise
        self._remove(turn)
        for mark in earlier:
            with suppress(MlflowException):
                self._client.delete_registered_model_tag(self._name, f"{_OVER}{mark}")

    def _remove(self, turn: int) -> None:
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):
            self._client.delete_registered_model(self._entry(turn))

    def _entry(self, turn: int) -> str:
        return f"{self._name}.turn-{turn}"
