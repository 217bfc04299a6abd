"""A review file that somebody is working on: decisions are saved one by one, and can be taken back.

Every change has a number, and whoever changes an item says which change they saw last: what two windows decide never
overwrites each other unseen. It does not know about pages or HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from copydesk.data.review_file import Decision, Header, Item, StoredLabel, append_decision, read_review, write_review
from copydesk.errors import DataError, MissingExtra, Stale, UsageError
from copydesk.files import writing
from copydesk.review.counts import Tally, tally_of

try:
    from filelock import FileLock, Timeout
except ImportError:  # pragma: no cover - shown in an environment without the extra
    raise MissingExtra("Reviewing", "data", "filelock") from None

UNDECIDED, DECIDED = "undecided", "decided"
"""What can be looked for beside the decisions themselves; a skipped text is neither."""


@dataclass(frozen=True)
class Seen:
    """An item as somebody is shown it: its place from 0, and the number of the change that made it so."""

    place: int
    revision: int
    item: Item


@dataclass(frozen=True)
class _Change:
    """What an item's decision was before."""

    place: int
    decision: Decision | None
    new_label: StoredLabel | None


class Session:
    """The file's items, the decisions taken since it was opened, and who saw what."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.revision = 0
        self._review = read_review(path)
        self._tally = tally_of(self._review.items)
        self._revisions: dict[int, int] = {}
        self._history: list[_Change] = []
        self._busy = threading.Lock()
        self._fold()

    @property
    def header(self) -> Header:
        """The file's header."""
        return self._review.header

    @property
    def items(self) -> tuple[Item, ...]:
        """The items as they are now."""
        return self._review.items

    @property
    def tally(self) -> Tally:
        """How many items there are by reason and decision."""
        return self._tally.copy()

    @property
    def can_undo(self) -> bool:
        """Whether anything was decided since the file was opened."""
        return bool(self._history)

    def seen(self, place: int) -> Seen:
        """Return the item at a place. Raises `DataError` if there is none."""
        revision, items = self._revisions.get(place, 0), self.items
        if not 0 <= place < len(items):
            raise DataError(f"There is no text {place + 1}; the file has {len(items):,}.")
        return Seen(place, revision, items[place])

    def decide(self, place: int, decision: Decision, new_label: StoredLabel | None, *, seen: int) -> Seen:
        """Save a decision; when this returns it is on the disk.

        `seen` is the revision of the item that was decided on. Raises `Stale` if it, or the file, was changed since,
        and `DataError` if the decision cannot be.
        """
        with self._busy:
            before = self.seen(place)
            self._require_own_file()
            if before.revision != seen:
                raise Stale(f"Text {place + 1} was decided in another window meanwhile. Look at it again.")
            self._save(place, decision, new_label)
            self._history.append(_Change(place, before.item.decision, before.item.new_label))
            return self.seen(place)

    def undo(self, *, seen: int) -> Seen:
        """Take the last decision back, and save that. `seen` is the last revision of all; raises as `decide` does."""
        with self._busy:
            self._require_own_file()
            if self.revision != seen:
                raise Stale("Something was decided in another window meanwhile. Look at it before you undo it.")
            if not self._history:
                raise DataError("There is nothing to undo: nothing was decided since the review was opened.")
            last = self._history[-1]
            self._save(last.place, last.decision, last.new_label)
            self._history.pop()
            return self.seen(last.place)

    def places(self, *, reason: str | None = None, state: str = "", search: str = "") -> list[int]:
        """Return the places of the items with this reason and decision whose text holds every word, case aside."""
        words = search.casefold().split()
        return [
            place
            for place, item in enumerate(self.items)
            if reason in (None, item.reason) and _is_in(item, state) and _holds(item, words)
        ]

    def close(self) -> None:
        """Put the decisions into their items, unless another program has changed the file meanwhile."""
        with self._busy:
            if _stamp(self.path) in (self._stamp, None):
                self._fold()

    def _fold(self) -> None:
        write_review(self.path, self._review)
        self._stamp = _stamp(self.path)

    def _save(self, place: int, decision: Decision | None, new_label: StoredLabel | None) -> None:
        review = self._review.decided(place, decision, new_label)
        append_decision(self.path, review, place)
        self._stamp = _stamp(self.path)
        self._tally.subtract([(self.items[place].reason, self.items[place].decision)])
        self._tally.update([(self.items[place].reason, decision)])
        self._review = review
        self.revision += 1
        self._revisions[place] = self.revision

    def _require_own_file(self) -> None:
        """Raise `Stale` if another program has changed the file, and read it again; write it again if it is gone."""
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return
        if stamp is None:
            self._fold()
            return
        self._review = read_review(self.path)
        self._tally = tally_of(self.items)
        self._history.clear()
        self._fold()  # whoever wrote it may have left the last line open
        self.revision += 1
        self._revisions = dict.fromkeys(range(len(self.items)), self.revision)
        raise Stale(f"'{self.path}' was changed by another program and was read again. Look again, then decide.")


@contextmanager
def open_session(path: Path) -> Iterator[Session]:
    """Yield the file as a session that no other process can open; its decisions are folded in at the end.

    Raises `UsageError` if another process holds it, `DataError` if it is no review file.
    """
    path = path.resolve()
    if not path.is_file():
        raise UsageError(f"Review file '{path}' does not exist.")
    with writing(path):
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(f"Another process is reviewing '{path}'. Go on in its page, or end it first.") from None
    try:
        session = Session(path)
        try:
            yield session
        finally:
            session.close()
    finally:
        lock.release()


def _is_in(item: Item, state: str) -> bool:
    if state == DECIDED:
        return item.is_decided
    return not state or (item.decision or UNDECIDED) == state


def _holds(item: Item, words: list[str]) -> bool:
    if not words:
        return True
    text = f"{item.text} {item.where} {item.id}".casefold()
    return all(word in text for word in words)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells whether the file is still the one that was written; None if it is gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
