"""The first five minutes: the clickbait recipe on its real source, or on the built-in sample out of its reach.

It trains both kinds of model on few enough texts for a coffee break; `copydesk train` is the real thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from copydesk.bundle import BUNDLES
from copydesk.compare import Entry, compare_on
from copydesk.data.prepare import prepare_table, read_raw
from copydesk.data.sample import write_sample
from copydesk.data.sources import RawTable
from copydesk.errors import UsageError
from copydesk.files import next_free
from copydesk.progress import Progress
from copydesk.recipe import Recipe, SourceFile
from copydesk.remote.fetch import is_reachable
from copydesk.runtime.engine import Classifier
from copydesk.types import Prediction

MOST_ROWS = 8_000
HEADLINES = (
    "Parliament passes budget after marathon overnight session",
    "You Won't Believe What This Baker Found Inside Her Oven",
    "17 people rescued from flooded mine in northern Chile",
    "17 Things Only People Who Grew Up By The Sea Will Understand",
    "Central bank raises interest rates for third time this year",
    "This one habit could be why you are always tired",
)


@dataclass(frozen=True)
class Demo:
    """What the demo made: where the texts came from, both models best first, and some answers."""

    texts_from: str
    entries: list[Entry]
    answers: list[tuple[str, Prediction]]


def run_demo(recipe: Recipe, *, sample: bool, progress: Progress, bundles: Path = BUNDLES) -> Demo:
    """Train linear and encoder, and classify a few headlines; with `sample` the source is not even tried.

    Raises `UsageError` unless the recipe's task is `single`.
    """
    if recipe.task != "single":
        raise UsageError(f"The demo is about headlines with one label each; recipe '{recipe.name}' is '{recipe.task}'.")
    folder = next_free(bundles, "demo")
    folder.mkdir(parents=True)
    if sample or not all(isinstance(source, SourceFile) and is_reachable(source.url) for source in recipe.source):
        file = folder / "headlines.csv"
        write_sample(file)
        texts_from = f"the built-in sample, written to {file}" + (
            "" if sample else " (the real source is out of reach)"
        )
        raw = read_raw(recipe, file)
    else:
        raw = _some_rows(read_raw(recipe, progress=progress), recipe.train.seed)
        texts_from = f"{raw.frame.height:,} rows of the recipe's real source"
    progress.say(f"texts: {texts_from}")
    dataset = prepare_table(recipe, raw, progress=progress)
    entries = compare_on(recipe, ("linear", "encoder"), dataset, folder, progress=progress)
    best = Classifier.of(entries[0].bundle)
    return Demo(texts_from, entries, list(zip(HEADLINES, best.predict(HEADLINES), strict=True)))


def _some_rows(raw: RawTable, seed: int) -> RawTable:
    rows = min(MOST_ROWS, raw.frame.height)
    return RawTable(raw.frame.sample(rows, seed=seed, shuffle=True), raw.files)
