"""Training runs on disk: what to continue, the data they had, and the learning curve they leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from copydesk.bundle import BUNDLES, Bundle
from copydesk.data.dataset import Dataset
from copydesk.errors import DataError, UsageError
from copydesk.files import next_free, writing
from copydesk.models import distributed
from copydesk.models.checkpoints import Work, unfinished
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.types import Step

_CURVE_POINTS = 100


@contextmanager
def claimed_work(
    recipe: Recipe, dataset: Dataset, out: Path | None, *, resume: bool, progress: Progress
) -> Iterator[Work]:
    """Hold the run to continue, or a new one, for as long as it is under way; its folder goes when it has succeeded.

    Of several processes that train together the leader decides and holds. A run that fails before its first checkpoint
    leaves no folder either: there is nothing to resume. Raises `UsageError` if the run to continue is of another
    recipe or other data, or if another process holds it.
    """
    with ExitStack() as held:
        root = distributed.from_leader(lambda: str(_claim(recipe, dataset, out, resume, progress, held).root))
        work = Work(Path(root))
        try:
            yield work
        except BaseException:
            if work.last_whole()[0] is None and distributed.is_leader():
                work.remove()
            raise
        if distributed.is_leader():
            work.remove()


def _claim(
    recipe: Recipe, dataset: Dataset, out: Path | None, resume: bool, progress: Progress, held: ExitStack
) -> Work:
    begun = [Work.beside(out)] if out is not None else unfinished(BUNDLES, recipe.name)
    begun = [work for work in begun if work.root.is_dir()]
    if begun and (resume or out is not None):
        _lock_or_refuse(begun[0], held)
        if resume:
            _require_same(begun[0], recipe, dataset)
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
        work.root.mkdir(parents=True, exist_ok=True)
        try:
            held.enter_context(FileLock(work.lock_file, timeout=0))
        except Timeout:
            return False
    return True


def _require_same(work: Work, recipe: Recipe, dataset: Dataset) -> None:
    """Raise `UsageError` naming what differs from the run that was begun."""
    facts = work.facts() or {}
    before, now = facts.get("recipe", {}), recipe.model_dump(mode="json")
    changed = [key for key in now if facts and before.get(key) != now[key]]
    if facts and facts.get("data") != dataset.content_hash():
        changed.append("the data")
    if changed:
        raise UsageError(
            f"The unfinished run for '{work.bundle}' cannot be resumed: {', '.join(changed)} changed since it began. "
            "Resume with what it began with, or train without --resume."
        )


def require_data_of(bundle: Bundle, dataset: Dataset) -> None:
    """Raise `DataError` if this is not the Dataset that the bundle was made with."""
    found, wanted = dataset.content_hash(), bundle.manifest.get("data", "")
    if found != wanted:
        raise DataError(
            f"This is not the Dataset that '{bundle.path}' was trained on: its content is {found[:12]}, not "
            f"{wanted[:12]}. Give that Dataset, or the files it was prepared from, with --data PATH."
        )


def thinned(history: Sequence[Step], most: int = _CURVE_POINTS) -> list[Step]:
    """Return the learning curve with at most so many training points, each the mean of its stretch of updates."""
    losses = [step for step in history if step.loss is not None]
    size = max(1, -(-len(losses) // most))
    kept = [_mean(losses[start : start + size]) for start in range(0, len(losses), size)]
    return sorted([*kept, *(step for step in history if step.loss is None)], key=lambda step: step.step)


def _mean(steps: Sequence[Step]) -> Step:
    """Return the last of some training points with the mean loss and rate of all."""
    rates = [step.examples_per_second for step in steps if step.examples_per_second]
    loss = sum(step.loss or 0.0 for step in steps) / len(steps)
    return replace(steps[-1], loss=loss, examples_per_second=sum(rates) / len(rates) if rates else None)
