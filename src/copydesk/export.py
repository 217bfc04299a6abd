"""A trained encoder's bundle once more, in the precision that is fastest on this machine; nothing is trained again.

A bundle never changes, so a new one is written: calibrated and evaluated anew, as `training.py` does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from copydesk.bundle import BUNDLES, Bundle, open_bundle
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import EncoderError, UsageError
from copydesk.files import next_free, refuse_existing
from copydesk.fitting import compiled
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe, override
from copydesk.runs.same import require_data_of
from copydesk.training import task_of, write_fitted

_SECTION = "runtime."
_NOTHING_TO_CHOOSE = {
    "linear": "The linear model has one form and runs anywhere: there is nothing to export.",
    "keywords": "Keywords have one form and run anywhere: there is nothing to export.",
    "cascade": "Export its encoder's own bundle, and make the cascade anew from that and the linear bundle.",
}


def export_bundle(
    bundle: Bundle,
    *,
    data: str | PathLike[str] | None = None,
    out: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Choose an encoder's precision anew and write the bundle to `out` (default: the next free `bundles/NAME-N`).

    `data` is what the bundle was trained on (default: its recipe's source), `settings` override keys of the recipe's
    section `runtime`. Raises `UsageError` for another kind of model, `DataError` for other data, `EncoderError` if no
    exported form answers as the encoder does.
    """
    progress = progress or Silent()
    recipe = _recipe(bundle, settings or {})
    path = out or next_free(BUNDLES, recipe.name)
    refuse_existing(path)
    dataset = prepare_dataset(recipe, data, progress=progress)
    require_data_of(bundle, dataset)

    from copydesk.models.encoder import EncoderModel  # torch: only once it is clear that there is work for it
    from copydesk.models.finetune import Tuned

    before = bundle.report
    training = {name: value for name, value in before.training.items() if name != "runtime"}
    tuned = Tuned(EncoderModel.load(bundle.layout.model), training, bundle.history)
    fitted = compiled(recipe, dataset, task_of(recipe, dataset), tuned, progress=progress)
    if recipe.runtime.precision != "none" and "runtime" not in fitted.training:
        raise EncoderError(
            f"'{bundle.path}' cannot be exported: no form of it answers as its encoder does. Nothing was written."
        )
    write_fitted(recipe, dataset, path, fitted, seconds=before.costs.get("train_seconds", 0.0), progress=progress)
    return open_bundle(path, ours=True)


def _recipe(bundle: Bundle, settings: Mapping[str, Any]) -> Recipe:
    """Return the bundle's recipe with the settings. Raises `UsageError` for what exporting cannot change."""
    kind = bundle.settings.model
    if kind != "encoder":
        raise UsageError(
            f"'{bundle.path}' holds a model of kind '{kind}'. {_NOTHING_TO_CHOOSE.get(kind, 'It has no export.')}"
        )
    other = [key for key in settings if not key.startswith(_SECTION)]
    if other:
        raise UsageError(f"--set {other[0]}: export changes only the section runtime. For the rest, train again.")
    recipe = bundle.recipe
    unexported = {"runtime.precision": "auto"} if recipe.runtime.precision == "none" else {}
    return override(recipe, {**unexported, **settings})
