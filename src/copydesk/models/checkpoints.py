"""A training run's own folder: what it set out to do, and checkpoints that are whole or do not count.

    run.json           recipe, data and choices: what a resumed run must share
    lock               held by the process that trains
    checkpoint-N/      Trainer's files after N updates, and run.json; complete.json, written last, lists their checksums

It knows files, not models.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copydesk.files import sha256_of, write_json, write_text

RUN_FILE = "run.json"
COMPLETE_FILE = "complete.json"
LOCK_FILE = "lock"
_SUFFIX = ".training"
STATE_FILE = "trainer_state.json"
_BEST = "best_model_checkpoint"


def _nobody(checkpoint: Path) -> None:
    """Tell nobody of a checkpoint."""


@dataclass(frozen=True)
class Work:
    """The folder of a run that is under way; it stands beside the bundle it will become.

    One that is not `kept` vanishes with its process: there is nothing to resume. `tell` is told of every checkpoint
    that has become whole.
    """

    root: Path
    kept: bool = True
    tell: Callable[[Path], None] = _nobody

    @classmethod
    def beside(cls, bundle: Path) -> Work:
        """Return the work folder of a bundle to be."""
        return cls(bundle.parent / f".{bundle.name}{_SUFFIX}")

    @property
    def bundle(self) -> Path:
        """The bundle it will become."""
        return self.root.parent / self.root.name.removeprefix(".").removesuffix(_SUFFIX)

    def begin(self, facts: dict[str, Any]) -> None:
        """Make the folder and note what the run sets out to do."""
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.root / f"{RUN_FILE}.new"
        write_json(temporary, facts)
        temporary.replace(self.root / RUN_FILE)

    def facts(self) -> dict[str, Any] | None:
        """Return what the run set out to do; None if there is no readable note of it."""
        try:
            facts = json.loads((self.root / RUN_FILE).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return facts if isinstance(facts, dict) else None

    def seal(self, checkpoint: Path) -> None:
        """Make a checkpoint count as whole, with what the run set out to do in it, and tell of it."""
        if (self.root / RUN_FILE).is_file():
            shutil.copyfile(self.root / RUN_FILE, checkpoint / RUN_FILE)
        seal(checkpoint)
        self.tell(checkpoint)

    def checkpoints(self) -> list[Path]:
        """Return the folders of checkpoints, whole or not, newest first."""
        found = [path for path in self.root.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
        return sorted(found, key=lambda path: step_of(path.name), reverse=True)

    def last_whole(self) -> tuple[Path | None, list[Path]]:
        """Return the newest checkpoint that is whole, and the newer ones that are not."""
        damaged: list[Path] = []
        for checkpoint in self.checkpoints():
            if is_whole(checkpoint):
                return checkpoint, damaged
            damaged.append(checkpoint)
        return None, damaged

    @property
    def lock_file(self) -> Path:
        """What the process that trains holds a lock on."""
        return self.root / LOCK_FILE

    def clear(self) -> None:
        """Remove what a run left, but not the lock."""
        for path in self.root.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self.lock_file:
                path.unlink()

    def remove(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.root, ignore_errors=True)


def seal(checkpoint: Path) -> None:
    """Note every file's checksum: from now on the checkpoint counts as whole."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != COMPLETE_FILE)
    temporary = checkpoint / f"{COMPLETE_FILE}.new"
    write_json(temporary, {path.relative_to(checkpoint).as_posix(): sha256_of(path) for path in files})
    temporary.replace(checkpoint / COMPLETE_FILE)


def is_whole(checkpoint: Path) -> bool:
    """Tell whether every file of a checkpoint is the one that was written."""
    try:
        sums = json.loads((checkpoint / COMPLETE_FILE).read_text("utf-8"))
        return all(sha256_of(checkpoint / name) == sum_ for name, sum_ in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def step_of(name: str) -> int:
    """Return the number of updates that a checkpoint's name tells of."""
    return int(name.rpartition("-")[2])


def best_of(checkpoint: Path) -> str | None:
    """Return the name of the checkpoint that was the best one by then, which the end of the training may need."""
    return best_in(_text(checkpoint / STATE_FILE))


def best_in(state: str) -> str | None:
    """Return the same from the text of Trainer's state."""
    best = _parsed(state).get(_BEST)
    return Path(best).name if isinstance(best, str) else None


def settle(checkpoint: Path) -> None:
    """Let a checkpoint from another folder name its best one in this folder, and seal it anew."""
    state, best = _parsed(_text(checkpoint / STATE_FILE)), best_of(checkpoint)
    if best is not None:
        moved = {**state, _BEST: str(checkpoint.parent / best)}
        write_text(checkpoint / STATE_FILE, json.dumps(moved, indent=2))  # as Trainer does: a gradient may be NaN
        seal(checkpoint)


def _text(file: Path) -> str:
    return file.read_text("utf-8") if file.is_file() else ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def unfinished(folder: Path, name: str) -> list[Work]:
    """Return the runs in `folder` for bundles `NAME-N` that were begun and not finished, newest first."""
    ours = re.compile(rf"\.{re.escape(name)}-\d+{re.escape(_SUFFIX)}")  # not those of a recipe `NAME-other`
    found = [Work(path) for path in folder.glob(f".{name}-*{_SUFFIX}") if path.is_dir() and ours.fullmatch(path.name)]
    return sorted(found, key=lambda work: work.root.stat().st_mtime, reverse=True)
