"""Which collection a command works on: a new one, or one begun for the same searches, and nobody else with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from copydesk.collect.journal import SUFFIX, Journal
from copydesk.data.raw import PARQUET, RAW
from copydesk.errors import UsageError
from copydesk.files import locked, next_free, refuse_existing, writing
from copydesk.progress import Progress
from copydesk.recipe import Gdelt


@contextmanager
def claimed(name: str, searches: Sequence[Gdelt], out: Path | None, progress: Progress) -> Iterator[Journal]:
    """Hold the collection to continue, or a new one; its folder goes when it has succeeded, or if it has nothing.

    Raises `UsageError` if `out` exists or was begun for other searches, or if another process holds it.
    """
    with ExitStack() as held:
        journal = _claim(name, _asked(searches), out, progress, held)
        try:
            yield journal
        except BaseException:
            if not journal.has_windows():
                journal.remove()
            raise
        journal.remove()


def _asked(searches: Sequence[Gdelt]) -> list[dict[str, Any]]:
    """Return what makes a collection the same: everything but how fast it goes."""
    return [search.model_dump(mode="json", exclude={"seconds_per_request"}) for search in searches]


def _claim(name: str, asked: list[dict[str, Any]], out: Path | None, progress: Progress, held: ExitStack) -> Journal:
    if out is not None:
        return _claim_for(out, asked, held)
    for journal in _unfinished(name):
        if journal.asked() == asked:
            return _locked_or_refused(journal, held)
        if journal.has_windows():
            progress.say(f"An unfinished collection for other searches is left alone; its folder: {journal.root}")
        elif journal.asked() is None and _locked(journal, held):  # killed before it knew what it was for
            journal.begin(asked)
            return journal
    while not _locked(journal := Journal.beside(next_free(RAW, name, PARQUET)), held):
        pass  # another process took the name in this moment; it is not free any more
    journal.begin(asked)
    return journal


def _claim_for(out: Path, asked: list[dict[str, Any]], held: ExitStack) -> Journal:
    journal = Journal.beside(out)
    begun = journal.asked()
    if begun != asked:
        refuse_existing(out)
    _locked_or_refused(journal, held)
    if begun is not None and begun != asked:
        raise UsageError(
            f"An unfinished collection for '{out}' searches for something else ({_difference(begun, asked)}). Restore "
            f"that to continue it, remove '{journal.root}' to begin anew, or give another --out."
        )
    if begun is None:
        journal.begin(asked)
    return journal


def _difference(begun: list[dict[str, Any]], asked: list[dict[str, Any]]) -> str:
    if len(begun) != len(asked):
        return f"{len(begun)} gdelt sources, now {len(asked)}"
    changed = [key for before, now in zip(begun, asked, strict=True) for key in now if before.get(key) != now[key]]
    return f"{', '.join(dict.fromkeys(changed))} changed"


def _unfinished(name: str) -> list[Journal]:
    """Return what was begun for `raw/NAME-N.parquet` and not finished, newest first."""
    ours = re.compile(rf"\.{re.escape(name)}-\d+\.parquet{re.escape(SUFFIX)}")
    found = [path for path in RAW.glob(f".{name}-*{SUFFIX}") if ours.fullmatch(path.name)]
    return [Journal(path) for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def _locked_or_refused(journal: Journal, held: ExitStack) -> Journal:
    if not _locked(journal, held):
        raise UsageError(f"Another process is collecting '{journal.out}'. Wait for it, or give another --out.")
    return journal


def _locked(journal: Journal, held: ExitStack) -> bool:
    """Hold the collection until `held` is closed or the process ends; tell whether nobody else did."""
    with writing(journal.out):
        return locked(journal.lock_file, held)
