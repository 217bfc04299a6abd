"""A cascade from two bundles of one Dataset."""

from __future__ import annotations

import time
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from copydesk.bundle import BUNDLES, Bundle, open_bundle
from copydesk.cascade.build import require_enough
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import UsageError
from copydesk.files import next_free, refuse_existing
from copydesk.fitting import Fitted, cascaded
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe
from copydesk.runs.same import require_data_of
from copydesk.runtime.engine import Classifier
from copydesk.training import task_of, write_fitted

FIRST_KIND = "linear"


def pair_bundles(
    recipe: Recipe,
    first: Classifier,
    second: Classifier,
    *,
    data: str | PathLike[str] | None = None,
    out: Path | None = None,
    anew: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Put the first bundle's model before the second's and write the cascade to `out`.

    `recipe` is the second bundle's, with what is to be different. With `anew` the first stage is not the first bundle's
    model but one that learns from the second (`model.distil`). Raises `UsageError` if the bundles do not belong
    together, `DataError` if the data is not what they were trained on, `CascadeRefused`.
    """
    progress = progress or Silent()
    path = out or next_free(BUNDLES, f"{recipe.name}-cascade")
    refuse_existing(path)
    require_alike(first, second)
    dataset = prepare_dataset(recipe, data, progress=progress)
    require_data_of(second.bundle, dataset)
    return put_before(recipe, dataset, None if anew else first, second, path, progress=progress)


def put_before(
    recipe: Recipe, dataset: Dataset, first: Classifier | None, second: Classifier, out: Path, *, progress: Progress
) -> Bundle:
    """Write the cascade of two bundles of the Dataset; without `first`, of one stage that learns from the other."""
    require_enough(dataset, recipe.runtime.max_drop)
    task, started = task_of(recipe, dataset), time.perf_counter()
    known = Fitted(second.model, second.report.training, second.report.history)
    fitted = cascaded(recipe, dataset, task, known, first=first.model if first else None, progress=progress)
    before = sum(one.report.costs.get("train_seconds", 0.0) for one in (first, second) if one)
    seconds = before + time.perf_counter() - started
    write_fitted(recipe, dataset, out, fitted, seconds=seconds, progress=progress)
    return open_bundle(out, ours=True)


def require_alike(first: Classifier, second: Classifier) -> None:
    """Raise `UsageError` naming what keeps the two from standing one behind the other."""
    if first.settings.model != FIRST_KIND or second.settings.model in (FIRST_KIND, "cascade"):
        raise UsageError(
            f"'{first.path}' is of kind {first.settings.model!r} and '{second.path}' of kind {second.settings.model!r}."
            " A cascade is made of a linear bundle and a better one that is not a cascade itself, in this order."
        )
    for what, one, other in _facts(first, second):
        if one != other:
            raise UsageError(
                f"'{first.path}' and '{second.path}' do not belong together: {what} differs ({one} and {other}). Train "
                "both on the same Dataset, e.g. by copydesk compare."
            )


def _facts(first: Classifier, second: Classifier) -> Iterator[tuple[str, object, object]]:
    one, other = first.settings, second.settings
    yield "the task", one.task, other.task
    yield "the set of labels", ", ".join(one.labels), ", ".join(other.labels)
    yield "the text columns", ", ".join(one.text), ", ".join(other.text)
    yield "the normalisation", ", ".join(one.normalise), ", ".join(other.normalise)
    yield "the data", *(bundle.bundle.manifest["data"][:12] for bundle in (first, second))
