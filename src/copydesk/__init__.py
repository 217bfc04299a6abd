"""Copydesk: from raw text to a monitored text classifier, with one recipe file and one command per stage.

Importing it loads nothing heavy; what a function needs is imported when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from copydesk.labelling.function import labelling_function
from copydesk.types import Example, Prediction, Report, Signal

if TYPE_CHECKING:
    from os import PathLike

    from copydesk.recipe import Recipe
    from copydesk.runtime.engine import Classifier

__version__ = "0.1.0"

__all__ = ["Example", "Prediction", "Report", "Signal", "__version__", "labelling_function", "load", "train"]


def load(model: str | PathLike[str]) -> Classifier:
    """Open a bundle folder, verify every file's checksum, and return the classifier in it.

    For a reference such as `models:/clickbait@production` it is the registry's version, fetched where it is not
    cached; for a recipe file the recipe's newest bundle in `bundles/`, or its keywords where there is none. Raises
    `BundleError` naming the file if one is missing or changed, `RegistryError`.
    """
    from os import fspath

    from copydesk.runtime.fallback import load_model

    return load_model(fspath(model))


def train(
    recipe: Recipe | str | PathLike[str],
    *,
    data: str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
    overrides: dict[str, Any] | None = None,
) -> Classifier:
    """Train what the recipe describes, write the bundle, and return it loaded.

    `recipe` is a file or its address. `data` replaces its source: a CSV, TSV, JSONL or Parquet file, or a prepared
    Dataset. `out` is the new bundle's folder, here or in a bucket (default: the next free `bundles/NAME-N`).
    `overrides` are dotted recipe keys, e.g. `{"train.epochs": 2}`.
    """
    from os import fspath

    from copydesk.recipe import Recipe, override
    from copydesk.remote.recipes import recipe_at
    from copydesk.training import train_bundle

    described = override(recipe, overrides or {}) if isinstance(recipe, Recipe) else recipe_at(recipe, overrides or {})
    trained = train_bundle(described, data=data, out=None if out is None else fspath(out))
    return load(trained.path)
