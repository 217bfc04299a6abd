"""The recipe: one YAML file that says what a classifier is made of.

Unknown keys are refused with the nearest known one; `python -m copydesk.recipe` prints the JSON Schema for editors.
It does not know whether the columns or files it names exist: the stages say so when they look.
"""

from copydesk.recipe.evaluate import Evaluate, SliceRule
from copydesk.recipe.gate import AgainstProduction, Gate, MaxDrops, MaxLeaks, MaxRatios
from copydesk.recipe.load import (
    dump_recipe,
    json_schema,
    load_recipe,
    override,
    parse_recipe,
    parse_setting,
    read_recipe,
    shipped_recipe,
    with_files,
)
from copydesk.recipe.model import DEFAULT_ENCODER, Model, ModelKind, Train
from copydesk.recipe.monitor import Monitor
from copydesk.recipe.prepare import Prepare
from copydesk.recipe.recipe import NAME, Recipe
from copydesk.recipe.rules import Rules
from copydesk.recipe.runtime import Runtime
from copydesk.recipe.serve import Serve
from copydesk.recipe.source import Gdelt, GdeltSource, SourceFile
from copydesk.recipe.strict_yaml import parse_yaml_without_aliases
from copydesk.recipe.weak import Weak

__all__ = [
    "DEFAULT_ENCODER",
    "NAME",
    "AgainstProduction",
    "Evaluate",
    "Gate",
    "Gdelt",
    "GdeltSource",
    "MaxDrops",
    "MaxLeaks",
    "MaxRatios",
    "Model",
    "ModelKind",
    "Monitor",
    "Prepare",
    "Recipe",
    "Rules",
    "Runtime",
    "Serve",
    "SliceRule",
    "SourceFile",
    "Train",
    "Weak",
    "dump_recipe",
    "json_schema",
    "load_recipe",
    "override",
    "parse_recipe",
    "parse_setting",
    "parse_yaml_without_aliases",
    "read_recipe",
    "shipped_recipe",
    "with_files",
]
