"""Drift: how soon planted changes are found, and how often texts without any alarm.

    python bench/drift.py --data FOLDER [--windows 1000] [--evidently PYTHON]

FOLDER holds clickbait/headlines.parquet, news_topics/train.parquet, tweet_sentiment/train.parquet and
gdelt/articles.parquet. A linear model learns 8,000 headlines; 3,000 others and their answers are the reference; the
rest is what comes in, drawn without repeats.

False alarms: so many windows of 250 undrifted headlines. Delay: texts come in one stream from the moment of the change,
judged in windows of 250 by themselves; the median and the worst number of texts after which the first window alarmed,
in 20 streams. PYTHON is an interpreter in which Evidently is installed; it gets the same windows, with the label, the
confidence, the length and the text as columns and its defaults (each column judged alone; the data counts as drifted
where half the columns are), fewer of them because each takes it seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from copydesk.models.linear import LinearModel
from copydesk.monitor.detectors import Window
from copydesk.monitor.drift import Drift
from copydesk.monitor.reference import Reference, reference_of
from copydesk.monitor.traits import NUMBERS, traits_of
from copydesk.tasks import make_task

TASK = make_task("single", ["clickbait", "news"])
SIZE, STREAMS, LONGEST = 250, 20, 1_000
PEER_WINDOWS, PEER_STREAMS = 100, 5


@dataclass(frozen=True)
class Served:
    """Texts, and what the model answered."""

    texts: list[str]
    labels: list[str]
    confidence: np.ndarray

    def part(self, places: Sequence[int]) -> Served:
        """Return some of them."""
        return Served(
            [self.texts[one] for one in places], [self.labels[one] for one in places], self.confidence[places]
        )

    def window(self, reference: Reference) -> Window:
        """Return them as detectors see them."""
        traits = traits_of(self.texts, reference.vocabulary)
        numbers = {name: traits.number(name) for name in NUMBERS} | {"confidence": self.confidence}
        return Window(numbers, traits.vectors, {"labels": self.labels})

    def columns(self) -> pl.DataFrame:
        """Return them as Evidently sees them."""
        words = [len(text.split()) for text in self.texts]
        return pl.DataFrame({"text": self.texts, "label": self.labels, "confidence": self.confidence, "words": words})


def main() -> None:
    """Measure and print both tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--windows", type=int, default=1_000)
    options.add_argument("--evidently", nargs="+", metavar="PYTHON")
    given = options.parse_args()
    random = np.random.default_rng(1)
    headlines = pl.read_parquet(given.data / "clickbait/headlines.parquet").unique("text", maintain_order=True)
    headlines = headlines.sample(fraction=1, shuffle=True, seed=1)
    texts, labels = headlines["text"].to_list(), headlines["label"].to_list()
    model = LinearModel.fit(texts[:8_000], TASK.encode(labels[:8_000]), TASK)
    held, incoming = answered(model, texts[8_000:11_000]), answered(model, texts[11_000:])
    right = np.array(held.labels) == np.array(labels[8_000:11_000])
    reference = reference_of(
        held.texts, texts[:8_000], confidence=held.confidence, right=right, kinds={"labels": held.labels}
    )
    clean = [incoming.part(random.choice(len(incoming.texts), SIZE, replace=False)) for _ in range(given.windows)]
    shifted = {
        name: [answered(model, make(random)) for _ in range(STREAMS)]
        for name, make in shifts(given.data, incoming.texts, labels[11_000:]).items()
    }
    report("Copydesk", alarms_of(reference), clean, shifted)
    if given.evidently:
        few = {name: streams[:PEER_STREAMS] for name, streams in shifted.items()}
        for rule in ("any column", "half of the columns"):
            found = evidently(given.evidently, held, rule)
            report(f"Evidently's defaults, {rule}", found, clean[:PEER_WINDOWS], few)


def answered(model: LinearModel, texts: list[str]) -> Served:
    """Return texts with the model's answers."""
    scores = TASK.scores(model.logits(texts))
    labels = [TASK.labels[place] for place in scores.argmax(axis=1)]
    return Served(texts, labels, scores.max(axis=1).astype(np.float32))


Maker = Callable[[np.random.Generator], list[str]]


def shifts(data: Path, headlines: list[str], labels: list[str]) -> dict[str, Maker]:
    """Return for each planted change what makes a stream of texts after it."""
    tweets = pl.read_parquet(data / "tweet_sentiment/train.parquet")["text"].to_list()
    news = pl.read_parquet(data / "news_topics/train.parquet").filter(pl.col("label") == "Sci/Tech")["title"].to_list()
    gdelt = pl.read_parquet(data / "gdelt/articles.parquet").filter(pl.col("language") == "English")["title"].to_list()
    clickbait = [text for text, label in zip(headlines, labels, strict=True) if label == "clickbait"]
    other = [text for text, label in zip(headlines, labels, strict=True) if label == "news"]
    broken = [text.encode().decode("cp1252", "replace") for text in curly(headlines)]
    return {
        "tweets instead of headlines": mixture(tweets, headlines, 1),
        "tweets, 30 %": mixture(tweets, headlines, 0.3),
        "a new topic (science titles), 100 %": mixture(news, headlines, 1),
        "a new topic, 30 %": mixture(news, headlines, 0.3),
        "tokenised GDELT titles, 100 %": mixture(gdelt, headlines, 1),
        "tokenised GDELT titles, 30 %": mixture(gdelt, headlines, 0.3),
        "a broken encoding (UTF-8 read as cp1252)": mixture(broken, headlines, 1),
        "label shift, clickbait 50 % -> 80 %": mixture(clickbait, other, 0.8),
        "label shift, 50 % -> 65 %": mixture(clickbait, other, 0.65),
    }


def curly(texts: list[str]) -> list[str]:
    """Return texts with the apostrophes that newsrooms write."""
    return [text.replace("'", "’").replace(" - ", " – ") for text in texts]


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


Alarms = Callable[[Sequence[Served]], Iterator[set[str]]]
"""For each window what alarmed."""


def alarms_of(reference: Reference) -> Alarms:
    """Return Copydesk's alarms."""
    drift = Drift.since(reference)

    def alarms(windows: Sequence[Served]) -> Iterator[set[str]]:
        for window in windows:
            yield {state.detector for state in drift.update(window.window(reference)) if state.drifted}

    return alarms


def evidently(python: list[str], reference: Served, rule: str) -> Alarms:
    """Return Evidently's alarms, found by another interpreter."""

    def alarms(windows: Sequence[Served]) -> Iterator[set[str]]:
        with tempfile.TemporaryDirectory() as folder:
            reference.columns().write_parquet(Path(folder) / "reference.parquet")
            for number, window in enumerate(windows):
                window.columns().write_parquet(Path(folder) / f"{number:06d}.parquet")
            script = Path(__file__).with_name("drift_evidently.py")
            done = subprocess.run([*python, str(script), folder], capture_output=True, text=True, check=True)
        for found in json.loads(done.stdout.splitlines()[-1]):
            yield set(found) if rule == "any column" or 2 * len(found) >= len(reference.columns().columns) else set()

    return alarms


def report(who: str, alarms: Alarms, clean: Sequence[Served], shifted: dict[str, list[Served]]) -> None:
    """Print false alarms and delays."""
    print(f"\n## {who}, windows of {SIZE} texts\n")
    false = [found for found in alarms(clean) if found]
    by = Counter(name for found in false for name in found)
    print(f"False alarms: {len(false)} of {len(clean):,} windows without drift. {dict(by) if by else ''}\n")
    print("| planted change | median delay, texts | worst | found by |\n|---|---|---|---|")
    for name, streams in shifted.items():
        delays, by = [], Counter[str]()
        for stream in streams:
            parts = [stream.part(range(start, start + SIZE)) for start in range(0, LONGEST, SIZE)]
            for number, found in enumerate(alarms(parts), 1):
                if found:
                    delays.append(number * SIZE)
                    by.update(found)
                    break
            else:
                delays.append(10 * LONGEST)
        middle, worst = int(np.median(delays)), max(delays)
        shown = [f"{delay:,}" if delay <= LONGEST else f"not in {LONGEST:,}" for delay in (middle, worst)]
        print(f"| {name} | {shown[0]} | {shown[1]} | {', '.join(name for name, _ in by.most_common(4))} |", flush=True)


if __name__ == "__main__":
    main()
