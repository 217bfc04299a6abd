from __future__ import annotations

import numpy as np
import pytest

from copydesk.errors import RecipeError
from copydesk.recipe import parse_recipe
from copydesk.recipe.gate import CALIBRATION, METRICS
from copydesk.tasks import make_task

TAGS = {"crime": ["theft"], "sports": ["football"]}


@pytest.mark.parametrize("task", ["single", "multi", "signals"])
def test_the_recipe_knows_every_metric_of_every_task(task: str) -> None:
    labels = tuple(TAGS)
    made = make_task(task, labels, categories=TAGS)
    targets = np.zeros(2, np.int64) if task == "single" else np.zeros((2, 2 if task == "multi" else 4), np.float32)
    measured = set(made.tallies(targets, np.full((2, made.outputs), 0.4)).figures())
    assert measured == set(METRICS[task]) | (set() if task == "signals" else set(CALIBRATION))


def test_the_keys_of_the_design_are_valid() -> None:
    recipe = parse_recipe(
        {
            "name": "toy",
            "gate": {
                "floors": {"accuracy": 0.985, "worst_slice_accuracy": 0.95, "p95_latency_ms": 50, "bundle_mb": 120},
                "against_production": {"metric": "accuracy", "max_drop": 0.002, "test": "paired_bootstrap"},
            },
        }
    )
    assert recipe.gate.against_production.require == "better_or_cheaper"
    assert recipe.gate.compared("single") == "accuracy"


def test_a_recipe_without_a_comparison_has_the_defaults_of_its_task() -> None:
    recipe = parse_recipe({"name": "toy", "task": "multi", "gate": {"against_production": None}})
    assert recipe.gate.compared("multi") == "micro_f1"


def test_a_floor_that_is_no_metric_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RecipeError, match="did you mean 'accuracy'"):
        parse_recipe({"name": "toy", "gate": {"floors": {"acuracy": 0.9}}})
    with pytest.raises(RecipeError, match=r"gate.against_production.metric 'micro_f1'"):
        parse_recipe({"name": "toy", "gate": {"against_production": {"metric": "micro_f1"}}})


@pytest.mark.parametrize("test", ["exact", "mcnemar"])
def test_a_test_that_does_not_fit_the_metric_is_refused(test: str) -> None:
    with pytest.raises(RecipeError, match="fits accuracy, not macro_f1; write paired_bootstrap or auto"):
        parse_recipe({"name": "toy", "gate": {"against_production": {"metric": "macro_f1", "test": test}}})
