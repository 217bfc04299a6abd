"""Drift: how often windows without any drift alarm, by their size, by what is asked, and in bursts.

    python bench/drift_false_alarms.py --data FOLDER [--encoder MODEL] [--windows 2000]

FOLDER and MODEL as in bench/drift.py. Windows and reference are drawn from the same texts, none twice, a new reference
for every 50 windows; the interval is Wilson's, 95 %. `headlines`: a linear model for one of two labels. `cascade`: the
same, and which stage would answer (88 % the first). `abstracts`: a linear model for several of 20 labels on titles of
arXiv. A week is 168 windows, one an hour. Bursts: a clump is a headline with those nearest to it in words' vectors.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from copydesk.languages import languages_of
from copydesk.metrics.base import proportion_interval
from copydesk.models.linear import LinearModel
from copydesk.models.word_table import word_table_in
from copydesk.monitor.detectors import Window
from copydesk.monitor.drift import Drift
from copydesk.monitor.promise import promise_of
from copydesk.monitor.reference import Reference
from copydesk.monitor.traits import NUMBERS, Table, Vocabulary, from_steps, in_steps, traits_of
from copydesk.tasks import Task, make_task

TRAINED, REFERENCE, SIZE = 8_000, 3_000, 250
PER_REFERENCE = 50
HOURS = 168
FIRST_STAGE = 0.88
LABELS = 20

Places = np.ndarray


@dataclass(frozen=True)
class Pool:
    """Texts of one kind that no model was fitted to, measured and answered."""

    vocabulary: Vocabulary
    numbers: dict[str, np.ndarray]
    vectors: np.ndarray
    labels: list[list[str]]
    kinds: dict[str, np.ndarray]

    def window(self, places: Places) -> Window:
        """Return some texts as detectors see them."""
        labels = [label for place in places.tolist() for label in self.labels[place]]
        kinds = {name: values[places].tolist() for name, values in self.kinds.items()}
        numbers = {name: values[places] for name, values in self.numbers.items()}
        return Window(numbers, self.vectors[places], {"labels": labels, **kinds})


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--encoder", type=Path)
    options.add_argument("--windows", type=int, default=2_000)
    given = options.parse_args()
    table = word_table_in(given.encoder) if given.encoder else None
    headlines, abstracts = headlines_of(given.data, table), abstracts_of(given.data, table)
    columns = ["texts", "windows of", "reference", "windows", "false alarms", "per 1,000 (95 %)", "by"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for size in (100, SIZE, 500, 1_000, 2_000):
        line("headlines, cascade, languages", headlines, given.windows, size=size)
    for size in (SIZE, 1_000):
        line("abstracts, several labels", abstracts, given.windows, size=size)
    for reference in (50, 200, 1_000):
        line("headlines", headlines, given.windows, reference=reference)
    weeks = max(given.windows // HOURS, 1)
    found = [bool(alarms) for alarms in alarmed(headlines, weeks * HOURS, seed=7)]
    spoilt = sum(any(found[week * HOURS : (week + 1) * HOURS]) for week in range(weeks))
    print(f"\nWeeks of {HOURS} windows with an alarm: {spoilt} of {weeks} ({sum(found)} of {len(found):,} windows).\n")
    print("| bursts | windows | alarms | by |\n|---|---|---|---|")
    for clump in (2, 5, 10, 25):
        burst(
            f"all texts in clumps of {clump}",
            headlines,
            lambda random, clump=clump: clumps(headlines, random, clump, SIZE),
        )
    for share in (0.1, 0.2, 0.3):
        burst(
            f"one story is {share:.0%} of the window",
            headlines,
            lambda random, share=share: story(headlines, random, share),
        )


def headlines_of(data: Path, table: Table | None) -> Pool:
    """Return headlines that a linear model answered, with the stage of a cascade that would."""
    rows = pl.read_parquet(data / "clickbait/headlines.parquet").unique("text", maintain_order=True)
    rows = rows.sample(fraction=1, shuffle=True, seed=1)
    return pool(rows["text"].to_list(), rows["label"].to_list(), make_task("single", ["clickbait", "news"]), table)


def abstracts_of(data: Path, table: Table | None) -> Pool:
    """Return titles of abstracts with several of the commonest labels."""
    rows = pl.read_parquet(data / "arxiv/abstracts.parquet").sample(fraction=1, shuffle=True, seed=1)
    names = rows["labels"].explode().value_counts(sort=True)["labels"].head(LABELS).to_list()
    labels = [[label for label in given if label in names] for given in rows["labels"].to_list()]
    return pool(rows["title"].to_list(), labels, make_task("multi", names), table)


def pool(texts: list[str], labels: list, task: Task, table: Table | None) -> Pool:
    """Fit a linear model to the first texts, answer and measure the others."""
    model = LinearModel.fit(texts[:TRAINED], task.encode(labels[:TRAINED]), task)
    rest = texts[TRAINED:]
    scores = task.scores(model.logits(rest))
    confidence = task.confidence(scores).astype(np.float32)
    vocabulary = Vocabulary.of(texts[:TRAINED], table)
    traits = traits_of(rest, vocabulary)
    sure = confidence >= np.quantile(confidence, 1 - FIRST_STAGE)
    return Pool(
        vocabulary,
        {**{name: traits.number(name) for name in NUMBERS}, "confidence": confidence},
        from_steps(in_steps(traits.vectors)),
        [[label for label, _ in one.given] or [""] for one in task.decode(scores)],
        {"stages": np.where(sure, "linear", "encoder"), "languages": np.array(languages_of(rest))},
    )


def alarmed(
    pool: Pool, windows: int, *, size: int = SIZE, reference: int = REFERENCE, seed: int = 0
) -> Iterator[set[str]]:
    """Yield what alarmed in each of so many windows."""
    random = np.random.default_rng(seed)
    for done in range(windows):
        if done % PER_REFERENCE == 0:
            order = random.permutation(len(pool.vectors))
            drift = drift_of(pool, order[:reference])
        places = random.choice(order[reference:], size, replace=False)
        yield {state.detector for state in drift.update(pool.window(places)) if state.drifted}


def drift_of(pool: Pool, places: Places) -> Drift:
    """Return the detectors of a reference of these texts."""
    return Drift.since(Reference(pool.vocabulary, pool.window(places), promise_of(np.ones(2), np.ones(2, bool))))


def line(name: str, pool: Pool, windows: int, *, size: int = SIZE, reference: int = REFERENCE) -> None:
    """Print how often windows of a kind alarm."""
    by = Counter[str]()
    false = 0
    for alarms in alarmed(pool, windows, size=size, reference=reference):
        false += bool(alarms)
        by.update(alarms)
    low, high = proportion_interval(false, windows)
    told = ", ".join(f"{detector} {count}" for detector, count in by.most_common())
    rate = f"{false / windows * 1_000:.1f} ({low * 1_000:.1f} to {high * 1_000:.1f})"
    print(f"| {name} | {size:,} | {reference:,} | {windows:,} | {false} | {rate} | {told} |", flush=True)


def burst(name: str, pool: Pool, draw: Callable[[np.random.Generator], Places], windows: int = 200) -> None:
    """Print how often windows of a kind alarm."""
    random = np.random.default_rng(3)
    drift = drift_of(pool, np.arange(REFERENCE))
    by = Counter[str]()
    false = 0
    for _ in range(windows):
        alarms = {state.detector for state in drift.update(pool.window(draw(random))) if state.drifted}
        false += bool(alarms)
        by.update(alarms)
    told = ", ".join(f"{detector} {count}" for detector, count in by.most_common())
    print(f"| {name} | {windows} | {false / windows:.1%} | {told} |", flush=True)


def clumps(pool: Pool, random: np.random.Generator, clump: int, size: int) -> Places:
    """Return texts of which each is there with those nearest to it; none is of the reference."""
    rest = np.arange(REFERENCE, len(pool.vectors))
    chosen: list[int] = []
    while len(chosen) < size:
        near = pool.vectors[rest] @ pool.vectors[random.choice(rest)]
        chosen += rest[np.argsort(-near)[:clump]].tolist()
    return np.array(chosen[:size])


def story(pool: Pool, random: np.random.Generator, share: float) -> Places:
    """Return a window of which a share is one story, and the rest drawn one by one."""
    one = clumps(pool, random, round(SIZE * share), round(SIZE * share))
    others = np.setdiff1d(np.arange(REFERENCE, len(pool.vectors)), one)
    return np.concatenate([one, random.choice(others, SIZE - len(one), replace=False)])


if __name__ == "__main__":
    main()
