"""Whether a run, or a bundle, is of the same recipe and the same data."""

from __future__ import annotations

from copydesk.bundle import Bundle
from copydesk.data.dataset import Dataset
from copydesk.errors import DataError, UsageError
from copydesk.models.checkpoints import Work
from copydesk.recipe import Recipe


def require_same_run(work: Work, recipe: Recipe, dataset: Dataset) -> None:
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
