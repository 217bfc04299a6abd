"""Settings from `deploy.yaml`, overridden, validated, and as a JSON Schema for editors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from copydesk.deployment.settings import Settings
from copydesk.errors import RecipeError
from copydesk.recipe.load import overridden
from copydesk.recipe.mistakes import parsed
from copydesk.recipe.strict_yaml import read_yaml


def load_settings(path: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read a settings file, apply dotted overrides, and validate the result. Raises `RecipeError`."""
    if not path.exists():
        raise RecipeError(
            f"The settings '{path}' do not exist. `copydesk init` writes a deploy.yaml; --settings FILE names another."
        )
    values = read_yaml(path, "The settings file")
    if not isinstance(values, dict):
        raise RecipeError(f"The settings '{path}' hold {type(values).__name__}, not a mapping of keys such as 'name:'.")
    return parse_settings(values, where=f"Settings '{path}'", overrides=overrides)


def parse_settings(
    values: Mapping[str, Any], *, where: str = "Settings", overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Validate plain values as settings. Raises `RecipeError`, one line per mistake."""
    return parsed(Settings, overridden(values, overrides), where)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema that editors complete and check settings with."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
