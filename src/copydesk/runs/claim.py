"""The run that a training is: begun anew, or gone on with, and held by one process for as long as it is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from copydesk.bundle import BUNDLES
from copydesk.data.dataset import Dataset
from copydesk.errors import UsageError
from copydesk.files import locked, next_free, writing
from copydesk.models import distributed
from copydesk.models.checkpoints import Work, unfinished
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.runs.elsewhere import kept_elsewhere
from copydesk.runs.same import require_same_run, run_key
from copydesk.runs.stored import StoredRun


@contextmanager
def claimed_work(
    recipe: Recipe,
    dataset: Dataset,
    out: Path | None,
    *,
    resume: bool,
    progress: Progress,
    checkpoints: str | None = None,
) -> Iterator[Work]:
    """Hold the run to continue, or a new one, for as long as it is under way; its folder goes when it has succeeded.

    With an address for `checkpoints` it goes on from the newest one of this recipe and data there, and its own are
    uploaded. Of several processes that train together the leader decides and holds. A run that fails before its first
    checkpoint, or after its bundle was written, leaves no folder either: there is nothing to resume. Raises
    `UsageError` if the run to continue is of another recipe or other data, or if another process holds it;
    `CopydeskError` if the address cannot be used.
    """
    stored = StoredRun(checkpoints, recipe.name, run_key(recipe, dataset)) if checkpoints else None
    with ExitStack() as held:
        root = distributed.from_leader(lambda: str(_claim(recipe, dataset, out, resume, progress, held).root))
        work = Work(Path(root))
        try:
            if stored is None:
                yield work
            else:
                with kept_elsewhere(work, stored, recipe, dataset, progress) as kept:
                    yield kept
        except BaseException:
            is_over = work.bundle.exists() or work.last_whole()[0] is None
            if is_over and distributed.is_leader():
                work.remove()
            raise
        if distributed.is_leader():
            work.remove()


def _claim(
    recipe: Recipe, dataset: Dataset, out: Path | None, resume: bool, progress: Progress, held: ExitStack
) -> Work:
    begun = [Work.beside(out)] if out is not None else unfinished(BUNDLES, recipe.name)
    begun = [work for work in begun if work.root.is_dir() and not work.bundle.exists()]
    if begun and (resume or out is not None):
        _lock_or_refuse(begun[0], held)
        if resume:
            require_same_run(begun[0], recipe, dataset)
            progress.say(f"resuming {begun[0].bundle}")
        else:
            progress.warn(f"The unfinished run for '{out}' is given up; --resume would have continued it.")
            begun[0].clear()
        return begun[0]
    if resume:
        progress.say("nothing to resume: a new run")
    if out is not None:
        return _lock_or_refuse(Work.beside(out), held)
    while not _locked(work := Work.beside(next_free(BUNDLES, recipe.name)), held):
        pass  # another process took the name in this moment; it is not free any more
    return work


def _lock_or_refuse(work: Work, held: ExitStack) -> Work:
    if not _locked(work, held):
        raise UsageError(f"Another process is training '{work.bundle}'. Wait for it, or give another --out.")
    return work


def _locked(work: Work, held: ExitStack) -> bool:
    """Hold the run until `held` is closed or the process ends; tell whether nobody else did."""
    with writing(work.root):
        return locked(work.lock_file, held)
