"""What is recorded of a training run, as plain values: recipe, choices and report to names, texts and numbers.

It knows neither MLflow nor W&B. Names are grouped by a slash (`test/accuracy`, `curve/loss`), which both show as
groups of charts. Credentials in addresses are left out: a record may be sent to somebody else's server.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from copydesk.recipe import Recipe
from copydesk.types import Report, Step

Status = Literal["FINISHED", "FAILED", "KILLED"]

_MEASURED = {"metrics": "test", "calibration": "calibration", "latency_ms": "latency_ms", "costs": "cost"}
_LONGEST = 2_000
_PLACES = frozenset({"step", "epoch", "examples"})
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"]+@")
_QUERY = re.compile(r"(://[^?\s\"]+)\?[^\s\"]*")
_NOT_IN_NAMES = re.compile(r"[^\w./ -]")


@dataclass(frozen=True)
class Opening:
    """What is known before training: where the record goes, the recipe's settings, the environment."""

    experiment: str
    name: str
    data: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One point of the curves: values at a training step, and when it was reached (milliseconds since 1970)."""

    step: int
    time_ms: int
    values: dict[str, float]


@dataclass(frozen=True)
class Closing:
    """What is known at the end: the status, what `auto` chose, the report's figures and files."""

    status: Status
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    time_ms: int = 0


def recipe_params(recipe: Recipe) -> dict[str, str]:
    """Return the recipe as dotted keys and texts, without what is still `auto` (see `chosen_params`)."""
    return {key: text for key, text in _flat(recipe.model_dump(mode="json")).items() if text != "auto"}


def chosen_params(recipe: Recipe, training: Mapping[str, Any]) -> dict[str, str]:
    """Return what `auto` became, under the recipe's keys, and which keys those are."""
    given = recipe.train.model_dump(mode="json")
    chosen = {key: value for key, value in training.get("choices", {}).items() if given.get(key, "auto") == "auto"}
    params = {f"train.{key}": _text(value) for key, value in chosen.items()}
    return {**params, "train.chosen": ", ".join(chosen)} if chosen else {}


def report_metrics(report: Report) -> dict[str, float]:
    """Return the report's figures that are numbers: quality, calibration, latency, costs and the baseline's."""
    value = report.to_json()
    groups = {**{group: value.get(key) for key, group in _MEASURED.items()}, "baseline": value.get("baseline")}
    return {
        _name(f"{group}/{name}"): float(number)
        for group, numbers in groups.items()
        if isinstance(numbers, Mapping)
        for name, number in numbers.items()
        if _is_number(number)
    }


def point_of(step: Step, time_ms: int) -> Point:
    """Return the values of a learning curve's step that were measured there."""
    values = {f"curve/{key}": value for key, value in asdict(step).items() if key not in _PLACES and _is_number(value)}
    return Point(step.step, time_ms, {**values, "curve/epoch": step.epoch})


def closing_of(recipe: Recipe, report: Report, files: list[str], time_ms: int) -> Closing:
    """Return the end of a run that worked."""
    kept = ("processor", "origin")
    tags = {key: str(value) for key, value in report.training.items() if key in kept}
    return Closing(
        "FINISHED",
        params=chosen_params(recipe, report.training),
        tags={**tags, "model": report.model, "created": report.created},
        metrics=report_metrics(report),
        files=files,
        time_ms=time_ms,
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{_name(key)}.")
        elif value is not None:
            found[f"{prefix}{_name(key)}"] = _text(value)
    return found


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _QUERY.sub(r"\1", _CREDENTIALS.sub("", text))[:_LONGEST]


def _name(key: str) -> str:
    return _NOT_IN_NAMES.sub("_", key)[:250]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
