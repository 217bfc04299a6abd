"""What the gate says of candidates that are bad in one way each, and of one that is truly better: real linear models.

    python bench/gate.py --data FILE [--texts 12000]

FILE holds tweets with the columns `text` and `label` (negative, neutral, positive), as TweetEval's train part does; the
neutral ones are left out. Production is trained on a quarter of the training texts and on sentences that teach it
negation; every candidate but the last two on all of them, so that each is truly better and has one fault beside. All
are trained here, measured next to production in one run each, and judged by the rules below.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import polars as pl

from copydesk.behaviour.load import load_suite
from copydesk.bundle import Bundle, Layout, Settings, write_bundle
from copydesk.data.dataset import Dataset
from copydesk.data.labelled import Labelled
from copydesk.data.prepare import prepare_dataset
from copydesk.fitting import Run
from copydesk.gate.answered import Contender
from copydesk.gate.gate import judge
from copydesk.gate.measure import measure
from copydesk.normalise import text_id
from copydesk.progress import Silent
from copydesk.recipe import Recipe, override, parse_recipe
from copydesk.training import train_on

THINGS = ["phone", "film", "album", "show", "song", "book", "food", "game", "match", "party", "weather", "train"]
GOOD, BAD = ["good", "great", "nice", "fun", "beautiful"], ["bad", "terrible", "awful", "boring", "ugly"]
SPORT = ["match", "season", "team", "coach", "league", "goal", "fans"]
SUITE = f"""
language: en
behaviours:
  negated praise:
    templates: ["The {{thing}} was not {{word}}.", "This is not a {{word}} {{thing}}."]
    slots: {{thing: [{", ".join(THINGS[:6])}], word: [{", ".join(GOOD)}]}}
    expect: negative
    required: 0.8
"""
RECIPE = parse_recipe(
    {
        "name": "gate-bench",
        "model": {"kind": "linear"},
        "prepare": {"split": {"validation": 0.1, "test": 0.25}, "dedupe": "near"},
        "evaluate": {"slices": {"sport": {"words": SPORT}}},
        "gate": {"floors": {"accuracy": 0.7}},
    }
)
Change = Callable[[Dataset], Dataset]


def lessons() -> list[tuple[str, str]]:
    """Return sentences that teach negation, with other things than the behaviour asks for."""
    forms = ["The {} was not {}.", "This is not a {1} {0}.", "Sorry, but the {} was not {}.", "Not a {1} {0} at all."]
    pairs = [(form, thing) for form in forms for thing in THINGS[6:]]
    taught = [(form.format(thing, word), "negative") for (form, thing), word in product(pairs, GOOD)]
    taught += [(form.format(thing, word), "positive") for (form, thing), word in product(pairs, BAD)]
    taught += [(f"The {thing} was {word}.", "positive") for thing, word in product(THINGS, GOOD)]
    return taught + [(f"The {thing} was {word}.", "negative") for thing, word in product(THINGS, BAD)]


def with_rows(dataset: Dataset, rows: pl.DataFrame) -> Dataset:
    """Return the Dataset with more training rows."""
    added = rows.with_columns(pl.lit("train").alias("split")).select(dataset.frame.columns)
    return Dataset(pl.concat([dataset.frame, added]), dataset.manifest)


def taught(dataset: Dataset) -> Dataset:
    """Return the Dataset with the lessons."""
    texts, labels = zip(*lessons(), strict=True)
    first = dataset.frame.head(1).drop("id", "text", "label")
    rows = pl.DataFrame({"id": [text_id(text) for text in texts], "text": texts, "label": labels})
    return with_rows(dataset, rows.join(first, how="cross"))


def share(dataset: Dataset, part: float) -> Dataset:
    """Return the Dataset with so much of its training part."""
    row = pl.int_range(pl.len()).shuffle(seed=3).rank() / pl.len()
    return Dataset(dataset.frame.filter((pl.col("split") != "train") | (row <= part)), dataset.manifest)


def without_sport(dataset: Dataset) -> Dataset:
    """Return the Dataset with every training text about sport called negative."""
    about = pl.col("text").str.to_lowercase().str.contains("|".join(rf"\b{word}\b" for word in SPORT))
    spoilt = pl.when(about & (pl.col("split") == "train")).then(pl.lit("negative")).otherwise(pl.col("label"))
    return Dataset(dataset.frame.with_columns(spoilt.alias("label")), dataset.manifest)


def with_test_rows(dataset: Dataset) -> Dataset:
    """Return the Dataset with its test rows among the training rows too."""
    return with_rows(dataset, dataset.frame.filter(pl.col("split") == "test"))


def changed(bundle: Bundle, path: Path, **settings: object) -> Bundle:
    """Write a bundle once more, with other settings."""

    def fill(layout: Layout) -> Settings:
        shutil.copytree(bundle.layout.model, layout.model, dirs_exist_ok=True)
        for file in (bundle.layout.training_texts, bundle.layout.report):
            shutil.copyfile(file, layout.root / file.name)
        return replace(bundle.settings, **settings)  # type: ignore[arg-type]

    return write_bundle(path, recipe=bundle.recipe, facts={"data": bundle.manifest["data"]}, fill=fill)


def candidates(dataset: Dataset, recipe: Recipe, folder: Path) -> dict[str, Bundle]:
    """Train production and its rivals."""

    def trained(name: str, change: Change) -> Bundle:
        return train_on(recipe, change(dataset), folder / name, run=Run(Silent()))

    better = trained("better", taught)
    own = better.settings
    return {
        "production": trained("production", lambda data: taught(share(data, 0.25))),
        "truly better": better,
        "one slice ruined (sport)": trained("slice", lambda data: taught(without_sport(data))),
        "labels swapped": changed(better, folder / "swapped", labels=own.labels[::-1]),
        "better, twice as slow": changed(better, folder / "slow", normalise=own.normalise * 25),
        "over-confident": changed(better, folder / "sure", temperature=own.temperature / 6),
        "fails negation": trained("negation", lambda data: data),
        "trained on test rows": trained("cheat", lambda data: with_test_rows(taught(data))),
        "larger, gain insignificant": trained("larger", lambda data: taught(share(data, 0.26))),
        "production once more": trained("again", lambda data: taught(share(data, 0.25))),
    }


def main() -> None:
    """Train, measure, judge, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--texts", type=int, default=12_000)
    arguments = parser.parse_args()
    rows = pl.read_parquet(arguments.data).filter(pl.col("label") != "neutral").head(arguments.texts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows.write_parquet(folder / "rows.parquet")
        (folder / "suite.yaml").write_text(SUITE, "utf-8")
        recipe = override(RECIPE, {"track.mlflow": False, "track.wandb": False})
        dataset = prepare_dataset(recipe, folder / "rows.parquet")
        test = Labelled(*dataset.part("test"), 0, [])
        suite = load_suite(folder / "suite.yaml", recipe)
        bundles = candidates(dataset, recipe, folder)
        champion = Contender("production", bundles.pop("production"))
        print(f"{len(test.texts):,} test texts\n")
        print("| candidate | accuracy | difference, at least | refused by | measured |")
        print("|---|---|---|---|---|")
        for kind, bundle in bundles.items():
            found = measure(Contender(kind, bundle), champion, test, recipe, suite, Silent())
            verdict = judge(found.candidate, found.champion, recipe.gate)
            rules = ", ".join(dict.fromkeys(f"`{one.rule}`" for one in verdict.failures)) or "passes"
            measured = "; ".join(one.measured for one in verdict.failures) or "-"
            seen = verdict.difference
            accuracy = f"{found.candidate.metrics['accuracy']:.4f}" if found.candidate.metrics else "-"
            rise = f"{seen.rise:+.4f}, {seen.low:+.4f}" if seen else "-"
            print(f"| {kind} | {accuracy} | {rise} | {rules} | {measured} |", flush=True)


if __name__ == "__main__":
    main()
