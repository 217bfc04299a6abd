"""What a recipe's stages have done so far, in one small file that survives a kill.

A stage is unchanged if it has finished, its inputs have the same hash as then, and its output still has the content it
had. A stage that had begun goes on with the output it had chosen. It does not know what the stages do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from copydesk.errors import UsageError
from copydesk.files import replace_text, sha256_of, writing

STATES = Path("runs")


@dataclass(frozen=True)
class Entry:
    """One stage: the hash of all it depends on, where its output goes, and the output's hash when it has finished."""

    inputs: str
    output: str
    content: str | None = None


class State:
    """The stages of one recipe's run, saved at every step."""

    def __init__(self, path: Path) -> None:
        """Read the file if there is one; one that cannot be read is begun anew: every stage is then done again."""
        self._path = path
        self._entries: dict[str, Entry] = {}
        if path.is_file():
            try:
                stored = json.loads(path.read_text("utf-8"))
                self._entries = {stage: Entry(**entry) for stage, entry in stored.items()}
            except (ValueError, TypeError, AttributeError):
                self._entries = {}

    def finished(self, stage: str, inputs: str) -> Path | None:
        """Return the stage's output if it is what doing the stage again would give."""
        entry = self._entries.get(stage)
        if entry is None or entry.inputs != inputs or entry.content is None:
            return None
        output = Path(entry.output)
        return output if content_of(output) == entry.content else None

    def begun(self, stage: str, inputs: str) -> Path | None:
        """Return the output of a stage that began with the same inputs and did not finish."""
        entry = self._entries.get(stage)
        return Path(entry.output) if entry and entry.inputs == inputs and entry.content is None else None

    def begin(self, stage: str, inputs: str, output: Path) -> None:
        """Note that the stage begins."""
        self._save(stage, Entry(inputs, str(output)))

    def finish(self, stage: str) -> None:
        """Note that the stage's output is whole."""
        entry = self._entries[stage]
        self._save(stage, Entry(entry.inputs, entry.output, content_of(Path(entry.output))))

    def _save(self, stage: str, entry: Entry) -> None:
        self._entries[stage] = entry
        stored = {name: asdict(value) for name, value in self._entries.items()}
        replace_text(self._path, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def held_state(name: str) -> Iterator[State]:
    """Hold a recipe's state; `UsageError` if another process is running the same recipe here."""
    with held(STATES, name, doing=f"running recipe '{name}'"):
        yield State(STATES / f"{name}.json")


@contextmanager
def held(folder: Path, name: str, *, doing: str) -> Iterator[None]:
    """Hold a name in a folder, which is made where it is not there. Raises `UsageError` if another process does."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(f"Another process is {doing} here. Wait for it to end.") from None
    try:
        yield
    finally:
        lock.release()


def content_of(output: Path) -> str | None:
    """Return a file's SHA-256, or that of a folder's manifest; None if the output is not whole."""
    file = output / "manifest.json" if output.is_dir() else output
    return sha256_of(file) if file.is_file() else None


def digest(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """Return the SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True, default=str).encode()).hexdigest()
