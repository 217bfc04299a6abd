"""Drift: which detector finds which planted change after how many texts.

    python bench/drift.py --data FOLDER [--encoder MODEL] [--size 250] [--evidently PYTHON...]

FOLDER holds clickbait/headlines.parquet, news_topics/train.parquet, tweet_sentiment/train.parquet and
gdelt/articles.parquet. A linear model learns 8,000 headlines; 3,000 others and their answers are the reference; the
rest is what comes in, drawn without repeats. MODEL is the folder of a fine-tuned encoder, from whose table of tokens
words' vectors are taken; else they are found in the 8,000 headlines.

Delay: texts come in one stream from the moment of the change, judged in windows by themselves; the median and the worst
number of texts after which the first window alarmed, in 20 streams, for each detector and for all together. PYTHON is
the command of an interpreter in which Evidently is installed: it gets 100 clean windows and the first 500 texts of five
streams, with the label, the confidence, the length and the text as columns and its defaults (each column is judged
alone; the data counts as drifted where half the columns are). False alarms: bench/drift_false_alarms.py.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from copydesk.languages import languages_of
from copydesk.models.linear import LinearModel
from copydesk.models.word_table import word_table_in
from copydesk.monitor.detectors import Window
from copydesk.monitor.drift import Drift
from copydesk.monitor.promise import promise_of
from copydesk.monitor.reference import Answers, Reference, reference_of
from copydesk.monitor.traits import NUMBERS, from_steps, in_steps, traits_of
from copydesk.tasks import make_task

TASK = make_task("single", ["clickbait", "news"])
STREAMS, LONGEST = 20, 1_000
PEER_WINDOWS, PEER_STREAMS, PEER_LONGEST = 100, 5, 500
SHARE = 0.3
"""Of a change in part."""
WAR = re.compile(
    r"\b(kill|war|attack|bomb|troop|polic|soldier|milit|arm(y|ed)|blast|gun|shoot|dead|die)\w*", re.IGNORECASE
)


@dataclass(frozen=True)
class Served:
    """Texts, and what the model answered."""

    texts: list[str]
    labels: list[str]
    confidence: np.ndarray
    stages: list[str] = field(default_factory=list)

    def part(self, places: Sequence[int]) -> Served:
        """Return some of them."""
        labels, stages = ([values[one] for one in places] if values else [] for values in (self.labels, self.stages))
        return Served([self.texts[one] for one in places], labels, self.confidence[places], stages)

    @cached_property
    def languages(self) -> list[str]:
        """The language of each text."""
        return languages_of(self.texts)

    def window(self, reference: Reference) -> Window:
        """Return them as a log would hand them to detectors."""
        traits = traits_of(self.texts, reference.vocabulary)
        numbers = {name: traits.number(name) for name in NUMBERS} | {"confidence": self.confidence}
        kinds = {"labels": self.labels, "languages": self.languages, "stages": self.stages}
        return Window(
            numbers, from_steps(in_steps(traits.vectors)), {name: kinds[name] for name in reference.window.kinds}
        )

    def columns(self) -> pl.DataFrame:
        """Return them as Evidently sees them."""
        words = [len(text.split()) for text in self.texts]
        return pl.DataFrame({"text": self.texts, "label": self.labels, "confidence": self.confidence, "words": words})


@dataclass(frozen=True)
class World:
    """What was learnt, what was held out, and what may come in."""

    model: LinearModel
    held: Served
    reference: Reference
    incoming: Served
    right: list[str]
    """The incoming headlines' true labels."""


def main() -> None:
    """Measure and print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--encoder", type=Path)
    options.add_argument("--size", type=int, default=250)
    options.add_argument("--evidently", nargs="+", metavar="PYTHON")
    given = options.parse_args()
    random = np.random.default_rng(1)
    world = headlines(given.data, given.encoder)
    shifted = {
        name: [answered(world.model, make(random)) for _ in range(STREAMS)]
        for name, make in shifts(given.data, world).items()
    }
    copydesk(world.reference, shifted, given.size)
    if given.evidently:
        pool, size = world.incoming, given.size
        clean = [pool.part(random.choice(len(pool.texts), size, replace=False)) for _ in range(PEER_WINDOWS)]
        peer(given.evidently, world.held, clean, shifted, given.size)


def headlines(data: Path, encoder: Path | None) -> World:
    """Return the model, the reference and what comes in."""
    rows = pl.read_parquet(data / "clickbait/headlines.parquet").unique("text", maintain_order=True)
    rows = rows.sample(fraction=1, shuffle=True, seed=1)
    texts, labels = rows["text"].to_list(), rows["label"].to_list()
    model = LinearModel.fit(texts[:8_000], TASK.encode(labels[:8_000]), TASK)
    held, incoming = answered(model, texts[8_000:11_000]), answered(model, texts[11_000:])
    answers = Answers(held.texts, held.confidence, {"labels": held.labels, "languages": held.languages})
    promise = promise_of(held.confidence, np.array(held.labels) == np.array(labels[8_000:11_000]))
    table = word_table_in(encoder) if encoder else None
    reference = reference_of(answers, texts[:8_000], promise, table=table)
    return World(model, held, reference, incoming, labels[11_000:])


def answered(model: LinearModel, texts: list[str]) -> Served:
    """Return texts with the model's answers."""
    scores = TASK.scores(model.logits(texts))
    labels = [TASK.labels[place] for place in scores.argmax(axis=1)]
    return Served(texts, labels, scores.max(axis=1).astype(np.float32))


Maker = Callable[[np.random.Generator], list[str]]


def shifts(data: Path, world: World) -> dict[str, Maker]:
    """Return for each planted change what makes a stream of texts after it."""
    usual = world.incoming.texts
    tweets = pl.read_parquet(data / "tweet_sentiment/train.parquet")["text"].to_list()
    science = (
        pl.read_parquet(data / "news_topics/train.parquet").filter(pl.col("label") == "Sci/Tech")["title"].to_list()
    )
    gdelt = pl.read_parquet(data / "gdelt/articles.parquet")
    english = gdelt.filter(pl.col("language") == "English")["title"].to_list()
    japanese = gdelt.filter(pl.col("language") == "Japanese")["title"].to_list()
    clickbait, news = (
        [text for text, label in zip(usual, world.right, strict=True) if label == one] for one in TASK.labels
    )
    war = mixture([text for text in news if WAR.search(text)], clickbait, len(news) / len(usual))
    found: dict[str, Maker] = {}
    for name, texts in {
        "a new topic (science titles)": science,
        "tweets instead of headlines": tweets,
        "tokenised GDELT titles": english,
        "another language (Japanese titles)": japanese,
    }.items():
        found[name], found[f"{name}, 30 %"] = mixture(texts, usual, 1), mixture(texts, usual, SHARE)
    return {
        **found,
        "a broken encoding, every headline": mixture(broken(accented(usual)), usual, 1),
        "a broken encoding, those with ’ or –": mixture(broken(curly(usual)), usual, 1),
        "a broken encoding, 30 % of those": mixture(broken(curly(usual)), usual, SHARE),
        "clickbait 50 % → 80 %": mixture(clickbait, news, 0.8),
        "clickbait 50 % → 65 %": mixture(clickbait, news, 0.65),
        "a known topic grows: all news is of war and crime": war,
        "the same, 30 %": lambda random: mixture(war(random), usual, SHARE)(random),
    }


def curly(texts: list[str]) -> list[str]:
    """Return texts with the apostrophes and dashes that newsrooms write."""
    return [text.replace("'", "’").replace(" - ", " – ") for text in texts]


def accented(texts: list[str]) -> list[str]:
    """Return texts in quotation marks, as another newsroom writes them: none is of ASCII alone."""
    return [f"“{text}”" for text in texts]


def broken(texts: list[str]) -> list[str]:
    """Return UTF-8 that was read as cp1252."""
    return [text.encode().decode("cp1252", "replace") for text in texts]


def mixture(one: list[str], other: list[str], share: float) -> Maker:
    """Return what draws a stream of both."""

    def make(random: np.random.Generator) -> list[str]:
        parts = [
            list(random.choice(np.array(texts, object), count, replace=count > len(texts)))
            for texts, count in ((one, round(LONGEST * share)), (other, LONGEST - round(LONGEST * share)))
        ]
        joined = parts[0] + parts[1]
        return [joined[place] for place in random.permutation(len(joined))]

    return make


def copydesk(reference: Reference, shifted: dict[str, list[Served]], size: int) -> None:
    """Print after how many texts each detector alarms."""
    drift = Drift.since(reference)
    names = [detector.name for detector in drift.detectors]
    print(f"\n## Copydesk, windows of {size} texts: median delay of {STREAMS} streams, the worst in brackets\n")
    print(f"| planted change | together | {' | '.join(names)} |\n|{'---|' * (len(names) + 2)}")
    for change, streams in shifted.items():
        found = [
            [
                {state.detector for state in drift.update(part.window(reference)) if state.drifted}
                for part in parts(stream, size)
            ]
            for stream in streams
        ]
        cells = [shown(found, lambda alarms: bool(alarms), size)]
        cells += [shown(found, lambda alarms, name=name: name in alarms, size) for name in names]
        print(f"| {change} | {' | '.join(cells)} |", flush=True)


def parts(stream: Served, size: int, longest: int = LONGEST) -> list[Served]:
    """Return a stream's windows."""
    return [stream.part(range(start, start + size)) for start in range(0, longest, size)]


def shown(found: Sequence[Sequence[set[str]]], is_alarm: Callable[[set[str]], bool], size: int) -> str:
    """Return the median and worst delay in texts."""
    delays = [
        next((number * size for number, alarms in enumerate(stream, 1) if is_alarm(alarms)), np.inf) for stream in found
    ]
    middle, worst = (f"{delay:,.0f}" if np.isfinite(delay) else "–" for delay in (np.median(delays), max(delays)))
    return middle if middle == worst else f"{middle} ({worst})"


def peer(python: list[str], held: Served, clean: Sequence[Served], shifted: dict[str, list[Served]], size: int) -> None:
    """Print what Evidently calls drifted in the same windows."""
    few = {
        name: [parts(one, size, PEER_LONGEST) for one in streams[:PEER_STREAMS]] for name, streams in shifted.items()
    }
    windows = [*clean, *(window for streams in few.values() for stream in streams for window in stream)]
    alarms = evidently(python, held, windows)
    columns = held.columns().columns
    rules: dict[str, Callable[[set[str]], bool]] = {
        "half of the columns": lambda found: 2 * len(found) >= len(columns),
        "any column": bool,
        **{name: lambda found, name=name: name in found for name in columns},
    }
    print(f"\n## Evidently's defaults, windows of {size} texts: delay up to {PEER_LONGEST}, {PEER_STREAMS} streams\n")
    print(f"| planted change | {' | '.join(rules)} |\n|{'---|' * (len(rules) + 1)}")
    false = [f"{sum(map(is_alarm, alarms[: len(clean)]))} of {len(clean)}" for is_alarm in rules.values()]
    print(f"| **none: false alarms** | {' | '.join(false)} |")
    rest = iter(alarms[len(clean) :])
    for change, streams in few.items():
        found = [[next(rest) for _ in stream] for stream in streams]
        print(f"| {change} | {' | '.join(shown(found, is_alarm, size) for is_alarm in rules.values())} |")


def evidently(python: list[str], held: Served, windows: Sequence[Served]) -> list[set[str]]:
    """Return the columns that Evidently calls drifted in each window, found by another interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        held.columns().write_parquet(Path(folder) / "reference.parquet")
        for number, window in enumerate(windows):
            window.columns().write_parquet(Path(folder) / f"{number:06d}.parquet")
        script = Path(__file__).with_name("drift_evidently.py")
        done = subprocess.run([*python, str(script), folder], stdout=subprocess.PIPE, text=True, check=True)
    return [set(found) for found in json.loads(done.stdout.splitlines()[-1])]


if __name__ == "__main__":
    main()
