"""Several kinds of model on one Dataset: a leaderboard of quality, speed, size and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from copydesk.bundle import BUNDLES, Bundle
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import CascadeRefused, RecipeError
from copydesk.files import next_free, refuse_existing
from copydesk.fitting import NO_KEYWORDS, Run
from copydesk.pair import put_before
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe, override
from copydesk.runtime.engine import Classifier
from copydesk.training import train_on
from copydesk.types import Report


@dataclass(frozen=True)
class Entry:
    """One row of the leaderboard."""

    kind: str
    bundle: Bundle
    report: Report


def compare_models(
    recipe: Recipe,
    kinds: Sequence[str],
    *,
    data: str | PathLike[str] | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> list[Entry]:
    """Train each kind on the same Dataset, write its bundle to `out/KIND`, and return them, the best first."""
    progress = progress or Silent()
    folder = out or next_free(BUNDLES, f"{recipe.name}-compare")
    refuse_existing(folder)
    _recipes(recipe, kinds)  # what is wrong with a kind is said before anything is trained
    dataset = prepare_dataset(recipe, data, progress=progress)
    return compare_on(recipe, kinds, dataset, folder, progress=progress)


def compare_on(
    recipe: Recipe, kinds: Sequence[str], dataset: Dataset, folder: Path, *, progress: Progress
) -> list[Entry]:
    """Train each kind on a prepared Dataset; see `compare_models`.

    A cascade is made last, with the encoder that was trained already; one that is not worth making is left out.
    """
    entries: dict[str, Entry] = {}
    for kind, changed in sorted(_recipes(recipe, kinds).items(), key=lambda item: item[0] == "cascade"):
        try:
            if kind == "cascade" and "encoder" in entries:
                encoder = Classifier.of(entries["encoder"].bundle)
                bundle = put_before(changed, dataset, None, encoder, folder / kind, progress=progress)
            else:
                bundle = train_on(changed, dataset, folder / kind, run=Run(progress))
        except CascadeRefused as refused:
            progress.warn(str(refused))
            continue
        entries[kind] = Entry(kind, bundle, bundle.report)
    return sorted(entries.values(), key=lambda entry: -entry.report.metrics[entry.report.headline])


def _recipes(recipe: Recipe, kinds: Sequence[str]) -> dict[str, Recipe]:
    """Return the recipe for each kind of model. Raises `UsageError` for one that it cannot make."""
    if "keywords" in kinds and recipe.model.keywords is None:
        raise RecipeError(NO_KEYWORDS)
    return {kind: override(recipe, {"model.kind": kind}) for kind in kinds}
