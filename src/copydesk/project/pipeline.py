"""A recipe's stages as DVC's dvc.yaml: commands, what each reads, what it writes, figures and curves.

What a stage depends on is `pipeline/needs.py`'s to say, for `copydesk run` and for this alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from copydesk.pipeline.needs import KEYS, files_of, needed
from copydesk.recipe import Recipe, SourceFile

RECIPE = "recipe.yaml"
BUNDLE = "bundle"
_OUTPUTS = {
    "collect": "data/raw.parquet",
    "label": "data/labelled.parquet",
    "prepare": "data/prepared",
    "train": BUNDLE,
}
_IN_THE_BUNDLE = ("name", "serve", "monitor")
"""What the bundle keeps of the recipe for those who use it later: it is written anew when that changes."""
_CHECKED = ("behaviours", "evaluate", "gate", "rules")
_MEASURED = ("evaluate",)
_JUDGED = ("behaviours", "evaluate", "gate")
EVALUATION, CHECKS = "reports/evaluation", "reports/checks"


def pipeline(recipe: Recipe) -> dict[str, Any]:
    """Return what dvc.yaml says for a recipe whose files are named relative to the project's folder."""
    return {
        "vars": [f"{RECIPE}:name"],
        "stages": {**dict(_making(recipe)), **_judging(recipe)},
        "metrics": [f"{EVALUATION}/report.json", f"{CHECKS}/checks.json"],
        "plots": list(_plots(recipe)),
    }


def keys_of(recipe: Recipe) -> list[str]:
    """Return every key of the recipe that some stage depends on, each of which recipe.yaml must hold."""
    stages = pipeline(recipe)["stages"].values()
    return list(dict.fromkeys(key for stage in stages for key in stage["params"][0][RECIPE]))


def _making(recipe: Recipe) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the stages that `copydesk run` does too, each reading what the one before it wrote."""
    before: str | None = None
    for name in needed(recipe):
        keys = [*(["source"] if before is None else []), *KEYS[name], *(_IN_THE_BUNDLE if name == "train" else [])]
        reads = [before] if before else _sources(recipe)
        out = _OUTPUTS[name]
        yield name, _stage(_command(name, before, out), [*reads, *files_of(recipe, KEYS[name])], keys, out)
        before = out


def _command(name: str, before: str | None, out: str) -> str:
    given = "" if before is None else f" {before}" if name == "label" else f" --data {before}"
    return f"copydesk {name} {RECIPE}{given} --out {out}"


def _judging(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return the stages that look at the bundle; the recipe's own rules count, not those in the bundle."""
    prepared, stages = _OUTPUTS["prepare"], needed(recipe)
    table = _OUTPUTS[stages[stages.index("prepare") - 1]] if stages[0] != "prepare" else None
    raw = [table] if table else _sources(recipe)
    given = f" --data {table}" if table else ""
    return {
        "check": _stage(
            f"copydesk check {BUNDLE}{given} --recipe {RECIPE} --report {CHECKS}",
            [BUNDLE, *raw, *files_of(recipe, _CHECKED)],
            _CHECKED,
            {CHECKS: {"cache": False}},
        ),
        "evaluate": _stage(
            f"copydesk evaluate {BUNDLE} {prepared} --recipe {RECIPE} --report {EVALUATION}",
            [BUNDLE, prepared, *files_of(recipe, _MEASURED)],
            _MEASURED,
            {EVALUATION: {"cache": False}},
        ),
        "promote": _stage(
            [
                f"copydesk register {BUNDLE} --alias staging",
                f"copydesk promote ${{name}} --recipe {RECIPE} --data {prepared} --if-new",
            ],
            [BUNDLE, prepared, *files_of(recipe, _JUDGED)],
            ("name", *_JUDGED),
        ),
    }


def _stage(command: str | list[str], reads: Iterable[str], keys: Iterable[str], *outs: Any) -> dict[str, Any]:  # noqa: ANN401 (a path, or a path with its options)
    stage = {
        "cmd": command,
        "deps": list(dict.fromkeys(reads)),
        "params": [{RECIPE: list(dict.fromkeys(keys))}],
        "outs": list(outs),
    }
    return {key: value for key, value in stage.items() if value}


def _sources(recipe: Recipe) -> list[str]:
    """Return the source's files in this folder. Of an address DVC sees only the recipe, where its SHA-256 may stand."""
    return [source.url for source in recipe.source if isinstance(source, SourceFile) and "://" not in source.url]


def _plots(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Yield curves and bars; a linear model has no epochs, and signals no scores that could be calibrated."""
    if recipe.model.kind not in ("linear", "keywords"):
        losses = {f"{BUNDLE}/history.json": ["loss", "validation_loss"]}
        yield {"learning curve": {"x": "step", "y": losses, "y_label": "loss"}}
    labels, bins = f"{EVALUATION}/labels.csv", f"{EVALUATION}/calibration.csv"
    yield {"f1 by label": {"x": {labels: "f1"}, "y": {labels: "label"}, "template": "bar_horizontal"}}
    if recipe.task != "signals":
        yield {"calibration": {"x": {bins: "score"}, "y": {bins: "accuracy"}, "template": "scatter"}}
