"""A model, its reference and logs of its answers, made up for the tests of monitoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

from copydesk.monitor.corrections import Line, corrections_of
from copydesk.monitor.entry import Entry, Source, table_of
from copydesk.monitor.promise import promise_of
from copydesk.monitor.reference import Answers, Reference, reference_of
from copydesk.monitor.subject import Subject
from copydesk.recipe import Monitor

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SUBJECTS = "mayor council minister court team river school museum storm market bank farmer".split()
VERBS = "opens closes wins loses visits plans rejects praises builds sells".split()
THINGS = "bridge budget match road festival harbour library trial law record".split()


def sentences(count: int, seed: int) -> list[str]:
    """Return made-up headlines."""
    random = np.random.default_rng(seed)
    chosen = [random.choice(words, count) for words in (SUBJECTS, VERBS, THINGS, THINGS)]
    return [f"The {first} {verb} the {thing} and a {other}" for first, verb, thing, other in zip(*chosen, strict=True)]


def sure(count: int, seed: int, mean: float = 0.95) -> np.ndarray:
    """Return how sure a model was of some answers."""
    return np.random.default_rng(seed).beta(20 * mean, 20 * (1 - mean), count)


@cache
def reference() -> Reference:
    """Return what a model that has nineteen of twenty answers right was made for: headlines, half of them news."""
    confidence = sure(800, seed=1)
    random = np.random.default_rng(2)
    right, given = random.random(800) < confidence, random.choice(["news", "clickbait"], 800).tolist()
    truth = [label if is_right else "news" for label, is_right in zip(given, right, strict=True)]
    answers = Answers(sentences(800, seed=1), confidence, {"labels": given})
    return reference_of(answers, sentences(4_000, seed=2), promise_of(confidence, right, given, truth))


def subject(*, version: str = "3", has_reference: bool = True, **rules: object) -> Subject:
    """Return a model trained ten days before NOON."""
    return Subject(
        "clickbait",
        "single",
        version,
        frozenset({version}),
        NOON - timedelta(days=10),
        reference() if has_reference else None,
        Monitor(**rules),  # type: ignore[arg-type]
    )


def rows(
    count: int,
    *,
    since: datetime,
    until: datetime,
    seed: int = 0,
    texts: Sequence[str] | None = None,
    share: float = 0.5,
    mean: float = 0.95,
    version: str = "3",
    source: Source = "live",
    model: str = "clickbait",
    kept: bool = False,
) -> pl.DataFrame:
    """Return answers spread evenly over a time; `share` of them are news, `mean` is how sure they are."""
    random = np.random.default_rng(seed)
    texts = texts or sentences(count, seed)
    labels = np.where(random.random(count) < share, "news", "clickbait").tolist()
    confidence = sure(count, seed, mean)
    step = (until - since) / count
    entries = [
        Entry(
            (since + place * step).timestamp(),
            f"{version}.{random.integers(2**62):016x}",
            model,
            version,
            texts[place % len(texts)],
            (labels[place],),
            (float(confidence[place]),),
            float(confidence[place]),
            source=source,
        )
        for place in range(count)
    ]
    return table_of(entries, reference().vocabulary, kept=str if kept else None)


class MemoryLog:
    """A log in memory; `fails` is raised by whatever reads it."""

    def __init__(self, *tables: pl.DataFrame, lines: Sequence[Line] = ()) -> None:
        self.tables, self.lines = list(tables), list(lines)
        self.fails: Exception | None = None

    def write(self, rows: pl.DataFrame) -> None:
        self.tables.append(rows)

    def prepare(self) -> None:
        pass

    def tidy(self) -> None:
        pass

    def close(self) -> None:
        pass

    def read(self, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
        if self.fails:
            raise self.fails
        whole = pl.concat(self.tables).lazy()
        return whole.filter(pl.col("at") >= since, pl.col("at") < until)

    def correct(self, lines: Sequence[Line]) -> None:
        self.lines.extend(lines)

    def corrections(self) -> pl.DataFrame:
        return corrections_of(self.lines)


def without_measures(table: pl.DataFrame) -> pl.DataFrame:
    """Return rows as they are when the log measured none of them."""
    return table.with_columns(words=pl.lit(None, pl.Float32()), vector=pl.lit(None, table.schema["vector"]))


def registered(found: Subject, number: str) -> Subject:
    """Return the same model as another version."""
    return replace(found, version=number, versions=frozenset({number}))
