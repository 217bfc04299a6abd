"""Two threads beside the main one: one that reads ahead, one that writes behind, each by a few batches at most.

The main thread does the work between them, so that Ctrl-C and SIGTERM end it at once. An error in either thread is
raised in the main one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")

_DEPTH = 2
_LOOK_S = 0.1
"""How often a waiting thread looks whether anybody still wants what it has."""


class _Finished:
    """Stands at the end of a queue; with the error that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def ahead(items: Iterable[T], depth: int = _DEPTH) -> Iterator[Iterator[T]]:
    """Yield an iterator over the items, which a thread takes `depth` ahead; leaving the block ends the thread."""
    queue: Queue[T | _Finished] = Queue(depth)
    unwanted = threading.Event()

    def read() -> None:
        try:
            for item in items:
                if not _offer(queue, item, unwanted):
                    return
            _offer(queue, _Finished(), unwanted)
        except BaseException as error:
            _offer(queue, _Finished(error), unwanted)

    def taken() -> Iterator[T]:
        while not isinstance(item := queue.get(), _Finished):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=read, name="copydesk-read", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        unwanted.set()
        thread.join()


def _offer(queue: Queue[T | _Finished], item: T | _Finished, unwanted: threading.Event) -> bool:
    """Put an item into the queue as soon as there is room; False if nobody wants it any more."""
    while not unwanted.is_set():
        try:
            queue.put(item, timeout=_LOOK_S)
            return True
        except Full:
            continue
    return False


@contextmanager
def behind(write: Callable[[T], None], depth: int = _DEPTH) -> Iterator[Callable[[T], None]]:
    """Yield a function that hands an item to a thread, which writes it; leaving the block waits for what is left.

    What was handed over is written even if the block fails. Raises what the writing raised.
    """
    queue: Queue[T | _Finished] = Queue(depth)
    failed: list[BaseException] = []

    def work() -> None:
        while not isinstance(item := queue.get(), _Finished):
            if failed:
                continue
            try:
                write(item)
            except BaseException as error:
                failed.append(error)

    def hand_over(item: T) -> None:
        if failed:
            raise failed[0]
        queue.put(item)

    thread = threading.Thread(target=work, name="copydesk-write", daemon=True)
    thread.start()
    try:
        yield hand_over
    finally:
        queue.put(_Finished())
        thread.join()
    if failed:
        raise failed[0]
