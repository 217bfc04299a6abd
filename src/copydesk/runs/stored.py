"""A run's checkpoints in a bucket: listed, fetched whole, uploaded, pruned.

    NAME-KEY/run.json                    what the run is of, for people
    NAME-KEY/checkpoint-N-TOKEN/…        Trainer's files; complete.json, uploaded last, lists their checksums

The key stands for recipe, data and version (`same.py`), so another run's checkpoints are never looked at. Every upload
has a folder of its own: two processes that upload the same checkpoint do not mix, and half of one never counts.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from copydesk.errors import UsageError
from copydesk.models.checkpoints import (
    COMPLETE_FILE,
    RUN_FILE,
    STATE_FILE,
    Work,
    best_in,
    best_of,
    is_whole,
    settle,
    step_of,
)
from copydesk.paths import fault_of
from copydesk.progress import Progress
from copydesk.remote.store import Bucket, is_address

_KEPT = 2
"""So many of the newest, and the best ones that they name."""
_FOLDER = re.compile(r"(checkpoint-\d+)-[0-9a-f]{8}")


@dataclass(frozen=True)
class Stored:
    """A checkpoint in the bucket: its name as a run has it, and its folder there."""

    name: str
    folder: str

    @property
    def step(self) -> int:
        """How many updates it comes after."""
        return step_of(self.name)


class StoredRun:
    """The checkpoints of one run, at `url`/NAME-KEY. All raise `CopydeskError` if the bucket does not do its part."""

    def __init__(self, url: str, name: str, key: str) -> None:
        if not is_address(url):
            raise UsageError(
                f"Checkpoints cannot be kept in {url!r}. Expected gs://BUCKET/FOLDER, s3://BUCKET/FOLDER, or "
                "file:///FOLDER for a folder that every machine sees."
            )
        self.place = Bucket(url, "The folder of checkpoints")
        self._name = f"{name}-{key}"
        self._bucket = self.place.within(self._name)
        self._named: dict[str, str | None] = {}
        self.url = self._bucket.url

    def begin(self, facts: dict[str, str]) -> None:
        """Note what the run is of: who may not write finds out before the training, not after."""
        self._bucket.write(RUN_FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")

    def others(self) -> int:
        """Return how many other runs of the same name have something there: of another recipe, other data."""
        ours = self._name.rpartition("-")[0]
        return sum(name.rpartition("-")[0] == ours and name != self._name for name in self.place.names())

    def whole(self) -> list[Stored]:
        """Return the checkpoints that were uploaded to their end, newest first."""
        found = [stored for name in self._bucket.files() if (stored := _stored(name)) is not None]
        return sorted(found, key=lambda stored: stored.step, reverse=True)

    def fetch(self, step: int, work: Work, progress: Progress) -> Path | None:
        """Fetch the checkpoint after so many updates, and the best one it names, into the run's folder; else None.

        What the run set out to do comes with it. The checkpoint counts when it and its best one are there and whole.
        """
        whole = self.whole()
        for stored in (stored for stored in whole if stored.step == step):
            fetched = self._fetch(stored, work, progress)
            if fetched is None:
                continue
            best = best_of(fetched)
            if (
                best is None
                or best == stored.name
                or is_whole(work.root / best)
                or self._fetch_best(best, whole, work, progress)
            ):
                return self._placed(fetched, stored, work)
            progress.warn(f"'{self.url}/{stored.folder}' needs '{best}', which is not there whole; it is left out.")
            shutil.rmtree(fetched)
        return None

    def _fetch_best(self, name: str, whole: list[Stored], work: Work, progress: Progress) -> bool:
        for stored in (stored for stored in whole if stored.name == name):
            fetched = self._fetch(stored, work, progress)
            if fetched is not None:
                self._placed(fetched, stored, work)
                return True
        return False

    def _fetch(self, stored: Stored, work: Work, progress: Progress) -> Path | None:
        """Return a folder with the files of a checkpoint, every checksum verified; None if one differs."""
        folder = work.root / f".fetching-{stored.folder}"
        shutil.rmtree(folder, ignore_errors=True)
        progress.say(f"fetching {stored.name} from {self.url}")
        inside = self._bucket.within(stored.folder)
        for name in inside.files():
            if not fault_of(name):
                inside.download(name, folder / name)
        if is_whole(folder):
            return folder
        progress.warn(f"'{inside.url}' is not what was written; it is left out.")
        shutil.rmtree(folder, ignore_errors=True)
        return None

    def _placed(self, fetched: Path, stored: Stored, work: Work) -> Path:
        place = work.root / stored.name
        shutil.rmtree(place, ignore_errors=True)
        fetched.rename(place)
        settle(place)
        return place

    def upload(self, checkpoint: Path, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Upload a whole checkpoint, its list of checksums last; when `stop` says so, end after a file."""
        folder = self._bucket.within(f"{checkpoint.name}-{secrets.token_hex(4)}")
        names = sorted(path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file())
        for name in [name for name in names if name != COMPLETE_FILE] + [COMPLETE_FILE]:
            if stop():
                return
            folder.upload(checkpoint / name, name)

    def prune(self) -> None:
        """Remove what is older than the newest checkpoints and not the best one that one of them names.

        Of what was never finished, only what is older than the newest whole one goes: newer may be on its way.
        """
        whole = self.whole()
        if not whole:
            return
        kept = {stored.name for stored in whole[:_KEPT]} | {self._best_of(stored) for stored in whole[:_KEPT]}
        for folder in sorted({name.partition("/")[0] for name in self._bucket.files()}):
            found = _FOLDER.fullmatch(folder)
            if found is not None and found[1] not in kept and step_of(found[1]) < whole[0].step:
                self._remove(folder)

    def _best_of(self, stored: Stored) -> str | None:
        if stored.folder not in self._named:
            state = self._bucket.within(stored.folder).read(STATE_FILE)
            self._named[stored.folder] = best_in(state or "")
        return self._named[stored.folder]

    def remove(self) -> None:
        """Remove everything of this run."""
        for stored in self.whole():
            self._remove(stored.folder)
        self._bucket.remove()

    def _remove(self, folder: str) -> None:
        """Remove a checkpoint, first what makes it count."""
        inside = self._bucket.within(folder)
        inside.drop(COMPLETE_FILE)
        inside.remove()


def _stored(name: str) -> Stored | None:
    folder, _, file = name.partition("/")
    found = _FOLDER.fullmatch(folder)
    return Stored(found[1], folder) if found is not None and file == COMPLETE_FILE else None
