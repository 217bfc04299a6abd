"""Fetched bundles on this disk: who has one open, and which may go.

    models/DIGEST/           a bundle
    models/.DIGEST.passing   it was fetched in passing, by a process that follows an alias; in it is the model's name

Whoever opens a bundle that is here holds a shared lock on its manifest as long as it is in use; the lock dies with the
process. Removed is only what was fetched in passing, and only by who gets that lock alone: it is renamed in one step,
so that nobody finds half of it, and then deleted. What a person's command has fetched or opened stays for good.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from io import FileIO
from pathlib import Path

from copydesk.bundle import Layout
from copydesk.files import cache_folder

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such locks: nothing is removed there
    fcntl = None  # type: ignore[assignment]

_PASSING, _REMOVED = ".passing", ".removed"


class Hold:
    """While this lives, a bundle in the cache stays where it is."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def __del__(self) -> None:
        self._file.close()


def bundles_folder() -> Path:
    """Return where fetched bundles are kept."""
    return cache_folder() / "models"


def hold(folder: Path) -> Hold | None:
    """Return a hold on a bundle's folder; None where there is none, or none any more."""
    manifest = Layout(folder).manifest
    try:
        held = Hold(file := FileIO(manifest))
        if fcntl is not None:
            with suppress(OSError):  # a disk without locks: nothing is removed from it either
                fcntl.flock(file, fcntl.LOCK_SH)
        return held if _is_at(file, manifest) else None
    except OSError:
        return None


def note_passing(folder: Path, name: str) -> None:
    """Note that a model's version is fetched in passing."""
    _note_of(folder).write_text(name, "utf-8")


def keep(folder: Path) -> None:
    """Let nobody remove a version any more; of a cache that may not be written nobody does."""
    with suppress(OSError):
        _note_of(folder).unlink(missing_ok=True)


def discard(name: str) -> int:
    """Remove the versions of a model that were fetched in passing and that nobody has open; return how many."""
    if fcntl is None:
        return 0
    for left in bundles_folder().glob(f".*{_REMOVED}/"):
        shutil.rmtree(left, ignore_errors=True)  # by one that was killed
    return sum(_discarded(note, name) for note in bundles_folder().glob(f".*{_PASSING}"))


def _discarded(note: Path, name: str) -> bool:
    digest = note.name.removeprefix(".").removesuffix(_PASSING)
    folder, removed = note.with_name(digest), note.with_name(f".{digest}.{secrets.token_hex(4)}{_REMOVED}")
    manifest = Layout(folder).manifest
    try:
        if note.read_bytes() != name.encode():
            return False
        with FileIO(manifest, "r+") as file:  # to be written: else a network's disk gives no lock of one's own
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(file, manifest):
                return False
            note.unlink()  # raises if a command has opened it meanwhile
            folder.rename(removed)
    except OSError:  # in use, being fetched, gone, or not ours to remove
        return False
    shutil.rmtree(removed, ignore_errors=True)
    return True


def _note_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{_PASSING}")


def _is_at(file: FileIO, path: Path) -> bool:
    """Tell whether a path still leads to the file that was opened by it."""
    return os.path.samestat(os.fstat(file.fileno()), path.stat())
