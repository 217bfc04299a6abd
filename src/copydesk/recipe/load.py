"""Recipes from files and plain values, overrides, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from copydesk.errors import RecipeError
from copydesk.recipe.mistakes import parsed
from copydesk.recipe.recipe import Recipe
from copydesk.recipe.source import SourceFile
from copydesk.recipe.strict_yaml import parse_yaml, read_yaml
from copydesk.shipped import shipped


def load_recipe(path: str | PathLike[str], overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe file, apply dotted overrides, and validate the result.

    Relative paths are taken from the recipe's folder. Raises `RecipeError`.
    """
    if not Path(path).exists():
        raise RecipeError(f"Recipe '{path}' does not exist. {_recipes_beside(Path(path))}")
    return _with_absolute_paths(read_recipe(Path(path), str(path), overrides), Path(path).resolve().parent)


def read_recipe(
    path: Path, name: str, overrides: Mapping[str, Any] | None = None, *, references: bool = True
) -> Recipe:
    """Read a recipe file that people know as `name`, its paths as they are written. Raises `RecipeError`.

    Without `references` it may hold none (*name), as a file that somebody else may have written.
    """
    values = read_yaml(path, "Recipe", references=references)
    if not isinstance(values, dict):
        raise RecipeError(f"Recipe '{name}' holds {type(values).__name__}, not a mapping of keys such as 'name: …'.")
    return parse_recipe(values, where=f"Recipe '{name}'", overrides=overrides)


def parse_recipe(
    values: Mapping[str, Any], *, where: str = "Recipe", overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """Validate plain values as a recipe. Raises `RecipeError`, one line per mistake."""
    return parsed(Recipe, overridden(values, overrides), where)


def override(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe with dotted keys replaced, validated again."""
    return parse_recipe(recipe.model_dump(mode="json"), overrides=overrides) if overrides else recipe


def parse_setting(setting: str) -> tuple[str, Any]:
    """Split `train.epochs=3` into the key and the value as YAML reads it. Raises `RecipeError`."""
    key, equals, value = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {setting!r} is not KEY=VALUE, e.g. --set train.epochs=3.")
    try:
        return key.strip(), parse_yaml(value)
    except yaml.YAMLError:
        return key.strip(), value


def dump_recipe(recipe: Recipe) -> str:
    """Return the whole recipe as YAML, defaults included, as a bundle stores it."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema that editors complete and check recipes with."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}


def shipped_recipe(name: str) -> Path:
    """Return the path of a recipe that comes with Copydesk. Raises `RecipeError` naming those there are."""
    folder = shipped("recipes")
    path = folder / f"{name}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise RecipeError(f"There is no recipe {name!r} in Copydesk. Shipped: {names}.")
    return path


def overridden(values: Mapping[str, Any], overrides: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return plain values with dotted keys replaced. Raises `RecipeError`."""
    merged: dict[str, Any] = json.loads(json.dumps(values, default=str))
    for key, value in (overrides or {}).items():
        _set_key(merged, key, value)
    return merged


def _set_key(values: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 (any YAML value)
    """Replace the value at a dotted key; a number leads into a list: `source.0.url`."""
    *parents, last = key.split(".")
    place: Any = values
    for parent in parents:
        place = place[_index(place, parent, key)] if isinstance(place, list) else place.setdefault(parent, {})
        if not isinstance(place, dict | list):
            raise RecipeError(f"--set {key}: {parent!r} is not a section.")
    place[_index(place, last, key) if isinstance(place, list) else last] = value


def _index(values: list[Any], part: str, key: str) -> int:
    if not part.isdecimal() or int(part) >= len(values):
        raise RecipeError(f"--set {key}: {part!r} is none of the list's {len(values)} entries, counted from 0.")
    return int(part)


def with_files(recipe: Recipe, of_file: Callable[[str], str], of_source: Callable[[str], str]) -> Recipe:
    """Return the recipe with every file it names replaced: those it is read with, and those with texts."""

    def placed(source: SourceFile) -> SourceFile:
        return source.model_copy(update={"url": of_source(source.url)})

    def each(paths: list[str]) -> list[str]:
        return [of_file(path) for path in paths]

    sources = [placed(source) if isinstance(source, SourceFile) else source for source in recipe.source]
    keywords = of_file(recipe.model.keywords) if recipe.model.keywords else None
    distil = recipe.model.distil.model_copy(update={"texts": [placed(file) for file in recipe.model.distil.texts]})
    lists = {key: each(getattr(recipe.prepare, key)) for key in ("reviewed", "lessons", "corrections")}
    changed = {
        "source": sources,
        "aliases": of_file(recipe.aliases) if recipe.aliases else None,
        "behaviours": of_file(recipe.behaviours) if recipe.behaviours else None,
        "model": recipe.model.model_copy(update={"keywords": keywords, "distil": distil}),
        "train": recipe.train.model_copy(update={"traffic": [placed(file) for file in recipe.train.traffic]}),
        "weak": recipe.weak.model_copy(update={"functions": each(recipe.weak.functions)}),
        "prepare": recipe.prepare.model_copy(update=lists),
        "evaluate": recipe.evaluate.model_copy(update={"functions": each(recipe.evaluate.functions)}),
    }
    return recipe.model_copy(update=changed)


def _with_absolute_paths(recipe: Recipe, folder: Path) -> Recipe:
    def absolute(path: str) -> str:
        return path if "://" in path or Path(path).is_absolute() else str(folder / path)

    return with_files(recipe, absolute, absolute)


def _recipes_beside(path: Path) -> str:
    found = sorted(
        str(file) for file in (path.parent, Path("recipes")) if file.is_dir() for file in file.glob("[!.]*.yaml")
    )
    return f"Recipes at hand: {', '.join(dict.fromkeys(found))}." if found else "Give the path of a recipe file (YAML)."
