"""YAML and JSON of the documents, held against whatever in Copydesk or elsewhere would read it.

YAML is recognised by its keys; a fragment of a recipe is tried in a recipe that is valid. What nothing recognises is a
mistake: then its reader belongs into `KINDS`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from copydesk.behaviour.file import read_suite_file
from copydesk.checks.settings import load_settings
from copydesk.checks.table import CHECKS
from copydesk.data.aliases import load_aliases
from copydesk.deployment.load import load_settings as load_deployment
from copydesk.deployment.settings import Settings
from copydesk.labelling.file import LabellingFile
from copydesk.models.keyword_file import Vocabulary, read_keywords
from copydesk.recipe import Recipe, load_recipe

Values = dict[str, Any]


class Kind(NamedTuple):
    """A kind of YAML: whether keys are its, and what reads a file of it, raising for mistakes."""

    is_it: Callable[[Values], bool]
    read: Callable[[Path, Values], object]


def kind_of(values: object) -> str | None:
    """Return which kind of YAML this is, or None."""
    if not isinstance(values, dict):
        return None
    return next((name for name, kind in KINDS.items() if kind.is_it(values)), None)


def check_yaml(text: str, folder: Path) -> str:
    """Read YAML as its kind is read, and return the kind. Raises whatever its reader raises."""
    values = yaml.safe_load(text)
    kind = kind_of(values)
    assert kind is not None, f"nothing is known that reads the keys {', '.join(values)}: see documents/written.py"
    path = folder / "block.yaml"
    path.write_text(text, "utf-8")
    KINDS[kind].read(path, values)
    return kind


def json_values(text: str) -> list[Any]:
    """Return a block's values: one, or one a line. Raises `ValueError`."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines()]


def _only(*keys: str, one_of: tuple[str, ...] = ()) -> Callable[[Values], bool]:
    return lambda values: set(values) <= set(keys) and (not one_of or any(key in values for key in one_of))


def _recipe(path: Path, values: Values) -> Recipe:
    """Load a fragment as a recipe; what is not said is as in a recipe for headlines."""
    whole = {"name": "fragment", "source": {"url": "rows.csv"}, **values}
    if "gdelt" in (whole["source"] if isinstance(whole["source"], dict) else {}):
        whole["source"] = [whole["source"]]
    path.write_text(yaml.safe_dump(whole, allow_unicode=True), "utf-8")
    return load_recipe(path)


def _keywords(path: Path, values: Values) -> object:
    categories: dict[str, list[str]] = {}
    for groups in values.values():
        for name, group in groups.items():
            categories.setdefault(name, []).extend(group.get("tags", {}) if isinstance(group, dict) else [])
    return read_keywords(path, Vocabulary("signals", list(categories), categories))


def _labelling(path: Path, values: Values) -> object:
    return LabellingFile.read(str(path))


def _settings(path: Path, values: Values) -> object:
    return load_settings(path, known=list(CHECKS), today=datetime.date(2026, 11, 22))


def _compose(path: Path, values: Values) -> None:
    for file in values.get("include", []):
        assert list(DEPLOY.glob(Path(file).name)), f"there is no deploy/{file}"


def _is_deployment(values: Values) -> bool:
    """Tell whether these are settings of a deployment, of which a recipe has some keys too."""
    own = set(Settings.model_fields) - set(Recipe.model_fields)
    return set(values) <= set(Settings.model_fields) and (
        bool(own & set(values)) or "machine" in values.get("train", {})
    )


def _deployment(path: Path, values: Values) -> object:
    """Load a fragment as settings; what is not said is as in the example that comes with Copydesk."""
    example = yaml.safe_load((DEPLOY / "deploy.yaml").read_text("utf-8"))
    merged = {**example, **values}
    path.write_text(yaml.safe_dump(merged), "utf-8")
    return load_deployment(path)


def _has(value: Mapping[str, Any], *keys: str) -> bool:
    return all(key in value for key in keys)


def _is_language(key: object) -> bool:
    return isinstance(key, str) and len(key) == 2


DEPLOY = Path(__file__).parent.parent.parent / "deploy"
KINDS: dict[str, Kind] = {
    "compose": Kind(_only("include", "services", "volumes", "networks", "secrets"), _compose),
    "suite": Kind(
        lambda values: _has(values, "behaviours") and isinstance(values["behaviours"], dict),
        lambda path, _: read_suite_file(path),
    ),
    "suite's Python": Kind(_only("python"), lambda path, _: read_suite_file(path)),
    "labelling": Kind(
        _only("negation", "functions", "severity", "polarity", "similar", one_of=("functions", "severity")), _labelling
    ),
    "checks": Kind(_only("forbidden_columns", "max_age_days", "notes"), _settings),
    "keywords": Kind(
        lambda values: all(_is_language(key) and isinstance(value, dict) for key, value in values.items()), _keywords
    ),
    "deployment": Kind(_is_deployment, _deployment),
    "recipe": Kind(_only(*Recipe.model_fields), _recipe),
    "aliases": Kind(
        lambda values: all(isinstance(value, str) for value in values.values()), lambda path, _: load_aliases(str(path))
    ),
}
