"""What a user may call a model: a bundle's folder, a registry's reference, or a recipe.

Of a recipe it is the newest trained bundle, or the keywords that stand in until there is one.
"""

from __future__ import annotations

import re
from pathlib import Path

from copydesk.bundle import BUNDLES, Bundle, Settings, open_bundle
from copydesk.errors import BundleError, UsageError
from copydesk.models.keyword_file import labels_in
from copydesk.models.keywords import KeywordsModel
from copydesk.normalise import steps_of
from copydesk.recipe import Recipe, load_recipe
from copydesk.registry.references import is_reference, opened
from copydesk.runtime.engine import Classifier
from copydesk.tasks import make_task


def load_model(model: str | Path, *, bundles: Path = BUNDLES, keep: bool = True) -> Classifier:
    """Load a bundle, a registry's version, or a recipe's newest bundle in `bundles`, else the recipe's keywords.

    What is fetched stays in the cache if it is to `keep`, else until a server has no use for it (`references.opened`).

    Every answer of the keywords, or of an older bundle where the newest is broken, says why it is theirs. Raises
    `UsageError` if there is neither, `BundleError`, `RegistryError`.
    """
    path = Path(model)
    if is_reference(model) or path.suffix not in (".yaml", ".yml"):
        return Classifier.of(opened(model, keep=keep))
    recipe = load_recipe(path)
    newest, broken = _newest_bundle(recipe, bundles)
    if newest is not None:
        return Classifier.of(newest, fallback=f"{newest.path}: {broken}" if broken else None)
    reason = f"no trained bundle of recipe '{recipe.name}' in '{bundles}'" + (f" ({broken})" if broken else "")
    if recipe.model.keywords is None:
        raise UsageError(f"There is {reason}. Train one: copydesk train {path}")
    return keywords_classifier(recipe, fallback=f"keywords: {reason}")


def keywords_classifier(recipe: Recipe, *, fallback: str | None = None) -> Classifier:
    """Return the recipe's keywords as a classifier, untuned. Raises `RecipeError` for a wrong keyword file."""
    file = recipe.model.keywords or ""
    labels = list(recipe.categories) or labels_in(file)
    task = make_task(recipe.task, labels, decision=recipe.decide.decision(), categories=recipe.categories)
    settings = Settings(
        task=recipe.task,
        labels=task.labels,
        model="keywords",
        text=tuple(recipe.text),
        normalise=steps_of(recipe.prepare.normalise),
        categories={category: tuple(tags) for category, tags in recipe.categories.items()},
        decision=task.decision,
    )
    return Classifier(KeywordsModel.from_file(file, task), settings, fallback=fallback)


def bundles_of(recipe: Recipe, bundles: Path = BUNDLES) -> list[Path]:
    """Return the folders where bundles of the recipe are, or were begun, the newest first."""
    ours = re.compile(rf"{re.escape(recipe.name)}-\d+")
    found = [path for path in bundles.glob(f"{recipe.name}-*") if ours.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


def _newest_bundle(recipe: Recipe, bundles: Path) -> tuple[Bundle | None, str]:
    """Return the newest bundle of the recipe that is whole, and what is wrong with a newer one."""
    broken = ""
    for path in bundles_of(recipe, bundles):
        try:
            bundle = open_bundle(path)
            if bundle.manifest.get("name") == recipe.name:
                return bundle, broken
        except BundleError as error:
            broken = broken or str(error)
    return None, broken
