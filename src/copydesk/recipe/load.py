"""Recipes from files and plain values, overrides, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from copydesk.errors import RecipeError
from copydesk.recipe.mistakes import explain, path_of
from copydesk.recipe.recipe import Recipe


def load_recipe(path: str | PathLike[str], overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe file, apply dotted overrides, and validate the result.

    Relative paths are taken from the recipe's folder. Raises `RecipeError`.
    """
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise RecipeError(f"Recipe '{path}' does not exist. {_recipes_beside(Path(path))}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Recipe '{path}' cannot be read: {error}.") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"Recipe '{path}' is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"Recipe '{path}' holds {type(values).__name__}, not a mapping of keys such as 'name: …'.")
    recipe = parse_recipe(values, where=f"Recipe '{path}'", overrides=overrides)
    return _with_absolute_paths(recipe, Path(path).resolve().parent)


def parse_recipe(
    values: Mapping[str, Any], *, where: str = "Recipe", overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """Validate plain values as a recipe. Raises `RecipeError`, one line per mistake."""
    merged = json.loads(json.dumps(values, default=str))
    for key, value in (overrides or {}).items():
        _set(merged, key, value)
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        places: dict[str, list[Any]] = {}
        for problem in error.errors():
            places.setdefault(".".join(path_of(problem)), []).append(problem)
        lines = [explain(place, problems) for place, problems in places.items()]
        raise RecipeError(f"{where}: " + "\n  ".join(lines)) from None


def override(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe with dotted keys replaced, validated again."""
    return parse_recipe(recipe.model_dump(mode="json"), overrides=overrides) if overrides else recipe


def parse_setting(setting: str) -> tuple[str, Any]:
    """Split `train.epochs=3` into the key and the value as YAML reads it. Raises `RecipeError`."""
    key, equals, value = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {setting!r} is not KEY=VALUE, e.g. --set train.epochs=3.")
    try:
        return key.strip(), yaml.safe_load(value)
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
    here = Path(__file__).parent.parent
    folders = (here / "recipes", here.parent.parent / "recipes")  # installed, or a checkout
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    path = folder / f"{name}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise RecipeError(f"There is no recipe {name!r} in Copydesk. Shipped: {names}.")
    return path


def _set(values: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 (any YAML value)
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {key}: {parent!r} is not a section of the recipe.")
    values[last] = value


def _with_absolute_paths(recipe: Recipe, folder: Path) -> Recipe:
    def absolute(path: str) -> str:
        return path if "://" in path or Path(path).is_absolute() else str(folder / path)

    sources = [source.model_copy(update={"url": absolute(source.url)}) for source in recipe.source]
    aliases = absolute(recipe.aliases) if recipe.aliases else None
    keywords = absolute(recipe.model.keywords) if recipe.model.keywords else None
    model = recipe.model.model_copy(update={"keywords": keywords})
    prepare = recipe.prepare.model_copy(update={"reviewed": [absolute(path) for path in recipe.prepare.reviewed]})
    return recipe.model_copy(update={"source": sources, "aliases": aliases, "model": model, "prepare": prepare})


def _recipes_beside(path: Path) -> str:
    found = sorted(
        str(file) for file in (path.parent, Path("recipes")) if file.is_dir() for file in file.glob("*.yaml")
    )
    return f"Recipes at hand: {', '.join(dict.fromkeys(found))}." if found else "Give the path of a recipe file (YAML)."
