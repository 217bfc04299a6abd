"""A whole training in a temporary folder: fit, calibrate, evaluate, write, load; tracked nowhere."""

from __future__ import annotations

from pathlib import Path

from copydesk.bundle import open_bundle
from copydesk.data.dataset import Dataset
from copydesk.fitting import FITTERS, Run
from copydesk.progress import Silent
from copydesk.recipe import Recipe
from copydesk.runtime.engine import Classifier
from copydesk.training import task_of, write_fitted


def rehearse(recipe: Recipe, dataset: Dataset, out: Path) -> Classifier:
    """Train on a Dataset, write the bundle to a new folder, and load it from there."""
    fitted = FITTERS[recipe.model.kind](recipe, dataset, task_of(recipe, dataset), Run(Silent()))
    write_fitted(recipe, dataset, out, fitted, seconds=0.0, progress=Silent())
    return Classifier.of(open_bundle(out, ours=True))
