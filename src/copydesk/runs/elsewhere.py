"""A run whose disk may vanish: it begins at the newest checkpoint in its bucket, and brings its own there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from copydesk.data.dataset import Dataset
from copydesk.errors import CopydeskError, Terminated
from copydesk.models import distributed
from copydesk.models.checkpoints import RUN_FILE, Work, best_of, is_whole, step_of
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.runs.stored import StoredRun
from copydesk.runs.uploads import Uploads

_LOCK_FILE = ".fetching.lock"


@contextmanager
def kept_elsewhere(
    work: Work, stored: StoredRun, recipe: Recipe, dataset: Dataset, progress: Progress
) -> Iterator[Work]:
    """Begin where bucket or disk are further, upload every checkpoint, and clear the bucket when the run has succeeded.

    A run that ends otherwise first uploads the checkpoint that waits. Of several processes that train together the
    leader decides and uploads; every machine fetches. Raises `CopydeskError` if the bucket cannot be read and written.
    """
    name = distributed.from_leader(lambda: _level(work, stored, recipe, dataset, progress))
    _require(name, work, stored, progress)
    uploads = Uploads(stored, work, progress) if distributed.is_leader() else None
    try:
        yield replace(work, tell=uploads.offer) if uploads else work
    except BaseException as error:
        if uploads:
            uploads.close(finish=True)
        if isinstance(error, Terminated):
            distributed.wait_for_all()  # else torchrun would end the leader, since others have ended
        raise
    if uploads:
        uploads.close(finish=False)
        _clear(stored, progress)


def _level(work: Work, stored: StoredRun, recipe: Recipe, dataset: Dataset, progress: Progress) -> str:
    """Bring bucket and disk to the newest checkpoint that either has; return its name, or "" if there is none."""
    stored.begin({"recipe": recipe.name, "data": dataset.content_hash(), "begun": datetime.now(UTC).isoformat()})
    here = work.last_whole()[0]
    there = stored.whole()
    if not there and here is None:
        others = stored.others()
        of_others = f" (of {others} other run{'s' if others > 1 else ''} there are, of another recipe or other data)"
        progress.say(f"no checkpoint of this run in {stored.place.url}: a new run{of_others if others else ''}")
    for step in dict.fromkeys(found.step for found in there):
        if here is not None and step_of(here.name) >= step:
            break
        found = stored.fetch(step, work, progress)
        if found is not None:
            _take_up(work, recipe, dataset, found)
            return found.name
    if here is not None:
        uploaded = {found.name for found in there}
        for name in (name for name in dict.fromkeys((*_best(here), here.name)) if name not in uploaded):
            stored.upload(work.root / name)
    return here.name if here is not None else ""


def _best(checkpoint: Path) -> list[str]:
    """Return the best checkpoint that this one names, if it is beside it."""
    best = best_of(checkpoint)
    return [best] if best is not None and is_whole(checkpoint.parent / best) else []


def _take_up(work: Work, recipe: Recipe, dataset: Dataset, fetched: Path) -> None:
    """Note what the run of a fetched checkpoint set out to do, as one of this machine's."""
    facts = json.loads((fetched / RUN_FILE).read_text("utf-8"))
    work.begin({**facts, "recipe": recipe.model_dump(mode="json"), "data": dataset.content_hash()})


def _require(name: str, work: Work, stored: StoredRun, progress: Progress) -> None:
    """Let this process's machine have the checkpoint that the leader begins at, and none that is newer.

    Raises `CopydeskError` if it cannot be had.
    """
    if distributed.is_leader():
        return
    work.root.mkdir(parents=True, exist_ok=True)
    step = step_of(name) if name else 0
    with FileLock(work.root / _LOCK_FILE):  # of several processes on a machine one fetches
        for checkpoint in work.checkpoints():
            if step_of(checkpoint.name) > step:
                shutil.rmtree(checkpoint, ignore_errors=True)
        if name and not is_whole(work.root / name) and stored.fetch(step, work, progress) is None:
            raise CopydeskError(
                f"'{name}', at which the leading process begins, is not whole in {stored.url}. Do all machines have "
                "the same recipe and data?"
            )


def _clear(stored: StoredRun, progress: Progress) -> None:
    try:
        stored.remove()
    except CopydeskError as error:
        progress.warn(f"The run's checkpoints are still in {stored.url}: {error}")
