"""Options that several commands share, so that they read and behave alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from copydesk.signing import TRUSTED_KEYS

if TYPE_CHECKING:
    from copydesk.recipe import Recipe
    from copydesk.runtime.engine import Classifier


def _trust(context: typer.Context, file: Path | None) -> Path | None:
    """Let this command, and the processes that it starts, open only bundles that a key of the file has signed."""
    if file is not None and not context.resilient_parsing:
        before = os.environ.get(TRUSTED_KEYS)
        os.environ[TRUSTED_KEYS] = str(file.resolve())

        def restore() -> None:
            os.environ.pop(TRUSTED_KEYS)
            os.environ.update({TRUSTED_KEYS: before} if before is not None else {})

        context.call_on_close(restore)
    return file


RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="The recipe file (YAML), or its address.")]
_MODEL = "A bundle's folder or address, a recipe, or models:/NAME@ALIAS."
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help=_MODEL)]
WatchedModel = Annotated[str, typer.Argument(envvar="COPYDESK_MODEL", metavar="MODEL", help=_MODEL)]
"""MODEL of the commands that run for months: an image is told by its environment."""
Wait = Annotated[bool, typer.Option("--wait", help="Wait for a model that is not there yet, instead of ending.")]
DataPath = Annotated[
    str | None,
    typer.Option("--data", metavar="PATH", help="CSV, TSV, JSONL, Parquet or a prepared Dataset; replaces the source."),
]
JudgedBy = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="RECIPE", help="The recipe that counts instead of the bundle's."),
]
OutPath = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The new folder; must not exist yet.")]
TextColumns = Annotated[
    list[str] | None, typer.Option("--text", metavar="COLUMN", help="A text column (repeat for several).")
]
LabelColumn = Annotated[str | None, typer.Option("--label", metavar="COLUMN", help="The label column.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key, e.g. train.epochs=3 (repeatable)."),
]
Threshold = Annotated[
    list[str] | None,
    typer.Option("--threshold", metavar="[LABEL=]VALUE", help="Another threshold, for a label or all."),
]
Trust = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        envvar=TRUSTED_KEYS,
        metavar="FILE",
        callback=_trust,
        help="Public keys; only bundles that one of them signed are opened.",
    ),
]
"""The command need not look at it: its callback tells everything that opens bundles."""
RegistryAddress = Annotated[
    str,
    typer.Option(
        "--registry",
        envvar="COPYDESK_REGISTRY",
        metavar="REGISTRY",
        help="models:/ (MLflow), hf://OWNER or wandb://ENTITY/PROJECT.",
    ),
]
LogAddress = Annotated[
    str,
    typer.Option(
        "--log", envvar="COPYDESK_LOG", metavar="LOG", help="The prediction log: a folder, or postgresql://HOST/NAME."
    ),
]
Since = Annotated[
    str, typer.Option("--since", metavar="WHEN", help="From when on: 7d, 24h, or a date such as 2026-11-01.")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="WHEN", help="Until when: 1d for a day ago, or a date; default: now.")
]
Texts = Annotated[
    Path | None,
    typer.Option(
        "--texts", metavar="FILE", help="Texts that the log did not keep: known by a column `id`, or by their hash."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]


def overrides_of(settings: list[str] | None, text: list[str] | None, label: str | None) -> dict[str, Any]:
    """Return recipe overrides from --set, --text and --label."""
    from copydesk.recipe import parse_setting

    overrides = dict(parse_setting(setting) for setting in settings or [])
    if text:
        overrides["text"] = text
    if label:
        overrides["label"] = label
    return overrides


def recipe_for(classifier: Classifier, path: Path | None) -> Recipe:
    """Return the recipe that counts: the file's where one is given, else the bundle's. Raises `UsageError`."""
    from copydesk.errors import UsageError
    from copydesk.recipe import load_recipe

    recipe = load_recipe(path) if path else classifier.recipe
    if recipe.task != classifier.settings.task:
        raise UsageError(
            f"Recipe '{recipe.name}' is for task {recipe.task!r}, the model's is {classifier.settings.task!r}."
        )
    return recipe


def thresholds_of(given: list[str] | None, labels: Sequence[str]) -> dict[str, float] | None:
    """Return thresholds by label from `LABEL=VALUE` and `VALUE` (for all). Raises `UsageError`."""
    from copydesk.errors import UsageError

    found: dict[str, float] = {}
    for item in given or []:
        label, _, value = item.rpartition("=")
        try:
            found |= {label: float(value)} if label else dict.fromkeys(labels, float(value))
        except ValueError:
            raise UsageError(f"--threshold {item!r} is not VALUE or LABEL=VALUE, e.g. --threshold 0.4.") from None
    return found or None
