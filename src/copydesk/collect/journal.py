"""A collection that is under way, in a folder beside the file it will become.

    asked.json      the sources it was begun with: only the same ones are continued
    journal.jsonl   a line per finished window with all its articles; a line counts when its end is there
    lock            held by the process that collects

A process that is killed leaves at most the torn beginning of a line, which the next one removes. It knows windows and
records, not GDELT.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from copydesk.collect.windows import Window
from copydesk.errors import CopydeskError
from copydesk.files import write_json

ASKED_FILE = "asked.json"
JOURNAL_FILE = "journal.jsonl"
LOCK_FILE = "lock"
SUFFIX = ".collecting"

State = Literal["whole", "halved", "cut"]
"""A window is `whole`, or it held too much and was `halved`, or it was `cut` because it cannot be halved."""


class Noted(NamedTuple):
    """What became of a window."""

    state: State
    articles: int


Windows = dict[tuple[int, str], Noted]
"""By the number of the source and the window's key."""


@dataclass(frozen=True)
class Journal:
    """The folder of one collection."""

    root: Path

    @classmethod
    def beside(cls, out: Path) -> Journal:
        """Return the journal of a raw file to be."""
        return cls(out.parent / f".{out.name}{SUFFIX}")

    @property
    def out(self) -> Path:
        """The file it will become."""
        return self.root.parent / self.root.name.removeprefix(".").removesuffix(SUFFIX)

    @property
    def lock_file(self) -> Path:
        """What the process that collects holds a lock on."""
        return self.root / LOCK_FILE

    @property
    def file(self) -> Path:
        """What it has so far."""
        return self.root / JOURNAL_FILE

    def begin(self, asked: list[dict[str, Any]]) -> None:
        """Note what is collected."""
        temporary = self.root / f"{ASKED_FILE}.new"
        write_json(temporary, asked)
        temporary.replace(self.root / ASKED_FILE)

    def has_windows(self) -> bool:
        """Tell whether there is anything to continue."""
        return self.file.exists() and self.file.stat().st_size > 0

    def asked(self) -> list[dict[str, Any]] | None:
        """Return what it was begun for; None if there is no readable note of it."""
        try:
            asked = json.loads((self.root / ASKED_FILE).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return asked if isinstance(asked, list) else None

    def windows(self) -> Windows:
        """Return what became of every window so far, and remove a torn end."""
        windows: Windows = {}
        whole = 0
        for line, entry in self._lines():
            whole += len(line)
            windows[entry["source"], entry["window"]] = Noted(entry["state"], len(entry["articles"]))
        if self.file.exists() and self.file.stat().st_size > whole:
            os.truncate(self.file, whole)
        return windows

    def add(self, source: int, window: Window, state: State, articles: Sequence[dict[str, str]]) -> None:
        """Note a window with its articles, flushed to the disk. Raises `CopydeskError` if the disk refuses."""
        entry = {"source": source, "window": window.key, "state": state, "articles": articles}
        try:
            with self.file.open("ab") as file:
                file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CopydeskError(
                f"'{self.file}' cannot be written: {error.strerror}. What was collected before is kept; make room, and "
                "give the same command again."
            ) from error

    def records(self, source: int) -> Iterator[dict[str, str]]:
        """Yield the articles of a source, window by window in the order they were asked for."""
        for _, entry in self._lines():
            if entry["source"] == source:
                yield from entry["articles"]

    def remove(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _lines(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield every whole line and what it says, up to the first that is not whole."""
        if not self.file.exists():
            return
        with self.file.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    entry = None
                if entry is None:
                    return
                yield line, entry
