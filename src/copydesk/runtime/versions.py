"""Which version a model has, and whether what its name leads to has changed.

A bundle's version is the beginning of the SHA-256 of its manifest, which holds every file's SHA-256: equal bundles have
equal versions wherever they lie. One that was fetched from a registry has the number that it has there. Keywords that
stand in for a recipe's bundle have that of recipe and keyword file.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from copydesk.bundle import BUNDLES, Layout
from copydesk.recipe import load_recipe
from copydesk.registry.references import is_reference, resolved
from copydesk.remote.store import is_address
from copydesk.runtime.engine import Classifier
from copydesk.runtime.fallback import bundles_of
from copydesk.types import ModelVersion

_DIGITS = 12


def version_of(classifier: Classifier, model: str | Path) -> ModelVersion:
    """Return the version of what was loaded from `model`: a bundle, a registry's version, or a recipe without one."""
    if classifier.is_bundle and classifier.bundle.registered:
        return classifier.bundle.registered
    if classifier.is_bundle:
        path = classifier.path.resolve()
        name = str(classifier.bundle.manifest["name"])
        return ModelVersion(name, _digest(Layout(path).manifest), str(path))
    recipe = load_recipe(Path(model))
    return ModelVersion(recipe.name, f"keywords-{_keywords_digest(Path(model))}", str(Path(model).resolve()))


def fingerprint(model: str | Path, *, bundles: Path = BUNDLES) -> str:
    """Return a value that changes when `model` leads to something else; it reads manifests, or asks the registry.

    A bundle folder may be a link that is set to another one. Of a recipe the newest complete bundle counts. Raises
    `OSError` while a manifest is not there, `RecipeError`, `RegistryError`.
    """
    path = Path(model)
    if is_address(str(model)):
        return str(model)  # what stands at an address does not change
    if is_reference(model):
        found = resolved(str(model))
        return f"{found.version}-{found.facts.digest[:_DIGITS]}"
    if path.suffix not in (".yaml", ".yml"):
        return _digest(Layout(path).manifest)
    whole = (Layout(found).manifest for found in bundles_of(load_recipe(path), bundles) if Layout(found).is_complete())
    newest = next(whole, None)
    return _keywords_digest(path) if newest is None else _digest(newest)


def _keywords_digest(recipe: Path) -> str:
    keywords = load_recipe(recipe).model.keywords
    return _digest(recipe, *([Path(keywords)] if keywords else []))


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:_DIGITS]
