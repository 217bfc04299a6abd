"""Bundles of one name that are trained in seconds and differ in what they have learnt, for the gate to compare."""

from __future__ import annotations

from pathlib import Path

from copydesk.data.prepare import prepare_dataset
from copydesk.fitting import Run
from copydesk.progress import Silent
from copydesk.recipe import Recipe, parse_recipe
from copydesk.training import train_on
from fakes import noisy, toy_rows, write_csv


def gated_recipe(folder: Path, *, accuracy: float) -> Recipe:
    """Return a recipe of 900 texts in the folder, of which enough are in the test part to tell bundles apart."""
    rows = write_csv(folder / "rows.csv", toy_rows(900))
    return parse_recipe(
        {
            "name": "toy",
            "source": {"url": str(rows), "format": "csv"},
            "prepare": {"split": {"validation": 0.1, "test": 0.4}, "dedupe": "exact"},
            "model": {"kind": "linear"},
            "gate": {"max_leaks": {"near": 0.5}, "floors": {"accuracy": accuracy}},
        }
    )


def weak_and_good(folder: Path) -> dict[str, Path]:
    """Return two bundles: one that has learnt little and passes the gate alone, and a better one."""
    recipe = gated_recipe(folder, accuracy=0.5)
    dataset = prepare_dataset(recipe)
    dataset.save(folder / "dataset")
    learnt = {"weak": noisy(dataset, 0.85), "good": dataset}
    return {name: train_on(recipe, of, folder / name, run=Run(Silent())).path for name, of in learnt.items()}
