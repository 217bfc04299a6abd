"""A lock of the operating system, on a file: it dies with its process, and holds between processes of one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from copydesk.errors import MissingExtra, RegistryError
from copydesk.files import writing

_PATIENCE_S = 600.0
"""A download of a large bundle takes minutes."""

Check = Callable[[], None]
"""Raises `Stale` if a lock was lost meanwhile."""


@contextmanager
def file_lock(path: Path, *, patience_s: float = _PATIENCE_S) -> Iterator[Check]:
    """Hold the lock of a file, made where it is missing; this lock is never lost."""
    try:
        from filelock import FileLock, Timeout
    except ModuleNotFoundError:
        raise MissingExtra("A registry of models", "registry", "filelock") from None
    lock = FileLock(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=patience_s)
        except Timeout:
            raise RegistryError(
                f"Another process has held '{path}' for {patience_s:g} s. Is it stuck? End it."
            ) from None
    try:
        yield lambda: None
    finally:
        lock.release()
