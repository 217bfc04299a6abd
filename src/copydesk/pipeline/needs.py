"""Which stages a recipe needs, and on what of the recipe each depends. How a stage is done it does not know.

`copydesk run` skips a stage by it, and a project's dvc.yaml is written from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from copydesk.recipe import Recipe, SourceFile

_LABELS = ("task", "text", "label", "separator", "aliases", "categories")
KEYS: dict[str, tuple[str, ...]] = {
    "collect": ("source", "label"),
    "label": (*_LABELS, "weak", "model"),
    "prepare": (*_LABELS, "unlisted", "rules", "prepare", "weak"),
    "train": ("model", "decide", "train", "runtime"),
}
"""The keys of the recipe that a stage's result depends on; the first stage's also on `source`."""


def needed(recipe: Recipe) -> list[str]:
    """Return the names of the stages that the recipe needs, in order."""
    collects = any(not isinstance(source, SourceFile) for source in recipe.source) or bool(recipe.weak.functions)
    wanted = {"collect": collects, "label": bool(recipe.weak.functions), "prepare": True, "train": True}
    return [name for name, is_needed in wanted.items() if is_needed]


def files_of(recipe: Recipe, keys: Iterable[str]) -> Iterator[str]:
    """Yield the files that these parts of the recipe name, as it names them; those of `source` are no part of this."""
    named: dict[str, Sequence[str | None]] = {
        "aliases": [recipe.aliases],
        "weak": recipe.weak.functions,
        "prepare": [*recipe.prepare.reviewed, *recipe.prepare.lessons, *recipe.prepare.corrections],
        "train": [file.url for file in recipe.train.traffic],
        "model": [recipe.model.keywords, *(file.url for file in recipe.model.distil.texts)],
        "evaluate": recipe.evaluate.functions,
        "behaviours": [recipe.behaviours],
    }
    for key in keys:
        yield from (path for path in named.get(key, []) if path)
