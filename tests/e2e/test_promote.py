"""Promotions of real bundles, small linear ones, from a registry in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from copydesk.bundle import Bundle
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError, Stale, UsageError
from copydesk.fitting import Run
from copydesk.gate.promote import Decision, Request, Shelf, promote
from copydesk.progress import Silent
from copydesk.recipe import Recipe, override, parse_recipe
from copydesk.registry.base import Change, Facts
from copydesk.registry.moves import Mover
from copydesk.training import train_on
from fakes import MONEY, SPORT, FakeRegistry, Listener, noisy, toy_rows, write_csv
from trained import gated_recipe

pytestmark = pytest.mark.e2e
ADA = Mover("ada", "2026-11-21T10:00:00+00:00")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("promote")


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    return gated_recipe(folder, accuracy=0.6)


@pytest.fixture(scope="module")
def dataset(folder: Path, recipe: Recipe) -> Dataset:
    prepared = prepare_dataset(recipe)
    prepared.save(folder / "dataset")
    return prepared


@pytest.fixture(scope="module")
def weak(folder: Path, recipe: Recipe, dataset: Dataset) -> Bundle:
    return train_on(recipe, noisy(dataset, 0.95), folder / "weak", run=Run(Silent()))


@pytest.fixture(scope="module")
def good(folder: Path, recipe: Recipe, dataset: Dataset) -> Bundle:
    return train_on(recipe, dataset, folder / "good", run=Run(Silent()))


def shelf_of(*bundles: Bundle, production: int | None = None, staging: int | None = None) -> Shelf:
    registry = FakeRegistry()
    for bundle in bundles:
        registry.add(bundle, "toy", Facts(bundle.digest, "", "", "ada", ADA.at))
    registry.aliases = {
        alias: version for alias, version in (("production", production), ("staging", staging)) if version
    }
    return Shelf(registry, registry.open, lambda one: f"models:/toy/{one.version}")


def decide(shelf: Shelf, **request: Any) -> Decision:
    return promote(shelf, "toy", Request(**request), ADA, progress=Silent())


def test_the_first_version_passes_by_its_floors_and_is_what_staging_leads_to(good: Bundle) -> None:
    shelf = shelf_of(good, staging=1)
    decision = decide(shelf)
    assert decision.promoted and decision.why == "the first in production"
    assert shelf.registry.find("toy", "production").version == 1
    assert shelf.registry.history("toy")[0].test == decision.change.test != ""


def test_a_better_model_takes_its_place_and_a_worse_one_does_not(folder: Path, weak: Bundle, good: Bundle) -> None:
    shelf = shelf_of(weak, good, production=1)
    better = decide(shelf, version=2)
    assert better.promoted and better.why == "better" and better.change.before == 1
    worse = decide(shelf, version=1, data=str(folder / "dataset"))
    assert not worse.promoted and "against_production.require" in worse.change.reason
    assert shelf.registry.find("toy", "production").version == 2
    assert worse.decided_before == 1 and [one.action for one in shelf.registry.history("toy")] == [
        "promoted",
        "refused",
    ]


def test_what_is_forced_is_recorded_with_reason_and_failures(folder: Path, weak: Bundle, good: Bundle) -> None:
    shelf = shelf_of(good, weak, production=1)
    decision = decide(shelf, version=2, data=str(folder / "dataset"), overrule="the other one leaks memory")
    assert decision.promoted and decision.change.action == "forced"
    assert decision.change.reason.startswith("the other one leaks memory (overruled: ")


def test_who_comes_second_is_told(weak: Bundle, good: Bundle) -> None:
    shelf = shelf_of(weak, good, good, production=1)

    class Meanwhile(Listener):
        def say(self, line: str) -> None:
            if "timing" in line:
                shelf.registry.point("toy", Change("promoted", 3, "bob", ADA.at, "production", 1))

    with pytest.raises(Stale):
        promote(shelf, "toy", Request(version=2), ADA, progress=Meanwhile())
    assert shelf.registry.find("toy", "production").version == 3


def test_a_model_that_was_trained_on_the_test_texts_is_refused_for_that(
    folder: Path, recipe: Recipe, dataset: Dataset, weak: Bundle
) -> None:
    test = dataset.frame.filter(pl.col("split") == "test")
    copied = Dataset(pl.concat([dataset.frame, test.with_columns(pl.lit("train").alias("split"))]), dataset.manifest)
    cheat = train_on(recipe, copied, folder / "cheat", run=Run(Silent()))
    decision = decide(shelf_of(weak, cheat, production=1), version=2, data=str(folder / "dataset"))
    assert {one.rule for one in decision.verdict.failures} == {"max_leaks.exact"}


def test_texts_that_production_was_trained_on_are_left_out_for_both(
    folder: Path, recipe: Recipe, dataset: Dataset, good: Bundle
) -> None:
    seen = dataset.frame.with_columns(
        pl.when((pl.col("split") == "test") & (pl.int_range(pl.len()) % 2 == 0))
        .then(pl.lit("train"))
        .otherwise(pl.col("split"))
        .alias("split")
    )
    champion = train_on(recipe, noisy(Dataset(seen, dataset.manifest), 0.9), folder / "seen", run=Run(Silent()))
    decision = decide(shelf_of(champion, good, production=1), version=2)
    found = decision.verdict.difference
    assert found is not None and found.texts < 0.7 * decision.texts
    assert any("left out of the comparison" in line for line in decision.warnings)


def test_a_champion_with_other_labels_in_another_order_is_compared_by_name(
    folder: Path, recipe: Recipe, dataset: Dataset, good: Bundle
) -> None:
    words = {"sport": SPORT, "money": MONEY}
    rows = [(f"{text} {words[label][0]}", label) for text, label in toy_rows(300, seed=9)]
    rows += [(f"weather rain {number} sun cloud", "art") for number in range(60)]
    three = override(recipe, {"source": {"url": str(write_csv(folder / "three.csv", rows)), "format": "csv"}})
    champion = train_on(three, prepare_dataset(three), folder / "three", run=Run(Silent()))
    assert champion.settings.labels == ("art", "money", "sport") and good.settings.labels == ("money", "sport")
    decision = decide(shelf_of(champion, good, production=1), version=2)
    assert decision.measured.champion is not None
    assert decision.measured.champion.metrics["accuracy"] > 0.9
    assert any("known to the model in production alone" in line and "art" in line for line in decision.warnings)


def test_a_source_that_gives_other_rows_by_now_is_refused(folder: Path, recipe: Recipe, dataset: Dataset) -> None:
    rows = write_csv(folder / "growing.csv", toy_rows(300, seed=3))
    growing = override(recipe, {"source": {"url": str(rows), "format": "csv"}})
    bundle = train_on(growing, prepare_dataset(growing), folder / "growing", run=Run(Silent()))
    write_csv(rows, toy_rows(320, seed=3))
    with pytest.raises(DataError, match=r"gives another Dataset .* --data PATH"):
        decide(shelf_of(bundle), version=1)


def test_the_raw_file_of_the_training_stands_for_its_test_part(good: Bundle, recipe: Recipe, folder: Path) -> None:
    decision = decide(shelf_of(good), version=1, data=str(folder / "rows.csv"))
    assert decision.promoted and decision.texts < 400


def test_what_cannot_be_compared_is_refused_in_words(folder: Path, good: Bundle) -> None:
    rows = [(text, {"sport": "x", "money": "y"}[label]) for text, label in toy_rows(120)]
    other = parse_recipe(
        {
            "name": "toy",
            "source": {"url": str(write_csv(folder / "xy.csv", rows)), "format": "csv"},
            "model": {"kind": "linear"},
        }
    )
    champion = train_on(other, prepare_dataset(other), folder / "xy", run=Run(Silent()))
    with pytest.raises(UsageError, match="have none in common"):
        decide(shelf_of(champion, good, production=1), version=2)
    with pytest.raises(UsageError, match="is in production already"):
        decide(shelf_of(good, production=1), version=1)


def test_the_same_test_texts_wear_out(good: Bundle) -> None:
    shelf = shelf_of(good, production=None)
    first = decide(shelf, version=1)
    shelf.registry.aliases.clear()  # type: ignore[attr-defined]
    for _ in range(9):
        shelf.registry.note("toy", Change("refused", 1, "ada", ADA.at, test=first.change.test))
    decision = decide(shelf, version=1)
    assert decision.decided_before == 10
    assert any("new test texts" in line and "24%" in line for line in decision.warnings)


def test_an_ml_test_score_counts_only_for_the_very_bundle(good: Bundle, recipe: Recipe, folder: Path) -> None:
    from copydesk.recipe import dump_recipe

    strict = folder / "strict.yaml"
    strict.write_text(dump_recipe(override(recipe, {"gate.floors": {"ml_test_score": 4}})), "utf-8")
    shelf = shelf_of(good)
    version = shelf.registry.find("toy", 1)
    shelf.registry.attach(version, "checks", {"score": 5.0, "digest": "of another"})
    refused = decide(shelf, version=1, recipe=str(strict))
    assert "copydesk check models:/toy/1" in refused.verdict.failures[0].why
    shelf.registry.attach(version, "checks", {"score": 5.0, "digest": good.digest})
    assert decide(shelf, version=1, recipe=str(strict)).promoted
