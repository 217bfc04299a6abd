"""Checkpoints on their way into a bucket while the training goes on.

One thread uploads one checkpoint at a time; of those that become whole meanwhile only the newest waits. What waits is
hard links to its files, so it costs no room until Trainer prunes the checkpoint itself. A bucket that does not answer
is told of once and tried again; training never waits for it.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from copydesk.errors import CopydeskError
from copydesk.models.checkpoints import Work, best_of, is_whole
from copydesk.progress import Progress
from copydesk.runs.stored import StoredRun

_AGAIN_S = 30.0
_WAITING = ".uploading-"


class Uploads:
    """The uploads of one run. `offer` takes a checkpoint, `close` ends them."""

    def __init__(self, stored: StoredRun, work: Work, progress: Progress, *, again_s: float = _AGAIN_S) -> None:
        self._stored, self._work, self._progress, self._again_s = stored, work, progress, again_s
        self._changed = threading.Condition()
        self._waiting: Path | None = None
        self._closing = self._given_up = self._busy = False
        self._there = {checkpoint.name for checkpoint in stored.whole()}
        self.failures, self.last = 0, ""
        for left in work.root.glob(f"{_WAITING}*"):
            shutil.rmtree(left, ignore_errors=True)
        self._thread = threading.Thread(target=self._run, name="checkpoint uploads", daemon=True)
        self._thread.start()

    def offer(self, checkpoint: Path) -> None:
        """Upload this checkpoint when it is its turn; it takes the place of one that still waits."""
        try:
            held = self._held(checkpoint)
        except OSError as error:
            self._failed(error)
            return
        with self._changed:
            before, self._waiting = self._waiting, held
            self._changed.notify()
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)

    def close(self, *, finish: bool) -> None:
        """End the uploads: `finish` the one that waits first, or give up even the one under way."""
        with self._changed:
            self._closing, self._given_up = True, not finish
            self._changed.notify()
            under_way = self._busy or self._waiting is not None
        if finish and under_way:
            self._progress.say(f"uploading the last checkpoint to {self._stored.url}")
        self._thread.join()
        if self.failures:
            newest = f"the newest there is {self.last}" if self.last else "none of this process is there"
            self._progress.warn(f"Uploads of checkpoints to {self._stored.url} that failed: {self.failures}; {newest}.")
        if finish and self.last:
            self._progress.say(
                f"{self.last} is in {self._stored.url}: the same command goes on from it, on any machine"
            )

    def _held(self, checkpoint: Path) -> Path:
        """Return a folder with the checkpoint and the best one it names, of which Trainer's pruning takes nothing."""
        held = self._work.root / f"{_WAITING}{checkpoint.name}"
        shutil.rmtree(held, ignore_errors=True)
        for name in {checkpoint.name, best_of(checkpoint) or checkpoint.name}:
            if (self._work.root / name).is_dir():
                shutil.copytree(self._work.root / name, held / name, copy_function=_linked)
        return held

    def _run(self) -> None:
        while (held := self._next()) is not None:
            try:
                self._upload(held)
            except Exception as error:  # whatever befalls a copy, the training goes on without it
                self._failed(error)
                if self._kept_waiting(held):
                    continue
            shutil.rmtree(held, ignore_errors=True)

    def _next(self) -> Path | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closing)
            held, self._waiting = self._waiting, None
            self._busy = held is not None and not self._given_up
            return held if self._busy else None

    def _upload(self, held: Path) -> None:
        newest = held.name.removeprefix(_WAITING)
        for name in sorted((path.name for path in held.iterdir()), key=lambda name: name == newest):
            if name not in self._there and is_whole(held / name):
                self._stored.upload(held / name, stop=lambda: self._given_up)
                self._there.add(name)
        if not self._given_up:
            self.last = newest
        if not self._closing:
            self._stored.prune()

    def _kept_waiting(self, held: Path) -> bool:
        """Wait before the next try; tell whether it is of what failed, and not of something newer, or of nothing."""
        with self._changed:
            last_try = self._closing
            self._changed.wait_for(lambda: self._closing, timeout=self._again_s)
            if last_try or self._waiting is not None:
                return False
            self._waiting = held
            return True

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            said = str(error) if isinstance(error, CopydeskError) else f"{type(error).__name__}: {error}"
            self._progress.warn(f"A checkpoint was not uploaded: {said} Training goes on; it is tried again.")


def _linked(source: str, target: str) -> None:
    """Make one more name of a file, or a copy where the file system has no such names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
