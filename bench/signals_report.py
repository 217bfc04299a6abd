"""Aggregated signals: how often something is called unusual for nothing, how soon a storm is, and what rows cost.

    python bench/signals_report.py                 a million scored rows, time and memory
    python bench/signals_report.py --rows 10000000

Rows are made: hours follow a day's rhythm, stories come at random (Poisson), some are copied by many papers, and every
category's scores scatter around its own mean. A quarter of an hour's texts are about nothing.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from copydesk.signals.aggregate import Span, aggregate
from copydesk.signals.columns import Asked, columns_of
from copydesk.signals.rows import rows_of_table

CATEGORIES = ("emergencies", "crime", "festivals", "transportation", "weather_wet", "sports", "economics", "politics")
MEANS = np.array([-0.7, -0.6, 0.6, -0.4, -0.5, 0.5, 0.1, -0.1])
SHARES = np.array([0.07, 0.09, 0.03, 0.05, 0.04, 0.2, 0.22, 0.3])
RHYTHM = np.array([1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 9, 8, 8, 8, 8, 8, 8, 7, 7, 6, 5, 4, 3, 2], float)
DAYS, PLACES = 28, 8
END = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
FALSE_DAYS = 7


def made(rows: int, random: np.random.Generator, *, copied: float = 0.06) -> pl.DataFrame:
    """Return scored rows; `copied` is the share of stories that other papers take, up to 24 times."""
    stories = int(rows / (1 + copied * 12.5))
    hour = random.choice(24, stories, p=RHYTHM / RHYTHM.sum())
    seconds = random.integers(0, 3600, stories)
    back = random.integers(0, DAYS, stories)
    category = random.choice(len(CATEGORIES), stories, p=SHARES)
    frame = pl.DataFrame(
        {
            "story": np.arange(stories),
            "ago": back * 86_400 - hour * 3_600 - seconds,
            "category": category,
            "score": np.clip(random.normal(MEANS[category], 0.2), -1, 1),
            "present": random.random(stories) < 0.75,
            "place": random.integers(0, PLACES, stories),
            "times": np.where(random.random(stories) < copied, random.integers(2, 25, stories), 1),
        }
    )
    names = pl.Series(CATEGORIES)
    copies = frame[np.repeat(np.arange(stories), frame["times"].to_numpy())]
    midnight = END.replace(hour=0, minute=0)
    return copies.select(
        at=pl.lit(midnight) - pl.duration(seconds="ago"),
        place=pl.format("place {}", "place"),
        domain=pl.format("{}.example", pl.int_range(pl.len()) % 97),
        title=pl.format(
            "{} {} {}", (pl.col("story") * 2_654_435_761 % 4_294_967_291), pl.col("story") * 40_503 % 65_521, "story"
        ),
        signals=pl.concat_list(
            pl.struct(category=names.gather(copies["category"]), score="score", tag=pl.lit("x"), present="present")
        ),
    )


def sheet(frame: pl.DataFrame, now: datetime = END + timedelta(hours=1)) -> pl.DataFrame:
    """Return the hourly sheet."""
    rows = rows_of_table(frame.lazy(), columns_of(frame.schema, Asked(), ["title"]))
    return aggregate(rows, CATEGORIES, Span(now)).sheet


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--part", choices=sorted(PARTS), action="append")
    given = parser.parse_args()
    for part in given.part or PARTS:
        PARTS[part](np.random.default_rng(0), given.rows)


def false_alarms(random: np.random.Generator, rows: int) -> None:
    """Count the unusual cells of weeks in which nothing happens."""
    recent = pl.col("start") >= END - timedelta(days=FALSE_DAYS)
    for per_hour in (1, 3, 10, 30):
        for copied in (0.0, 0.06):
            news = made(per_hour * 24 * DAYS * PLACES, random, copied=copied)
            judged = sheet(news).filter(recent, pl.col("unusual").is_not_null())
            each = [1000 * judged.filter(pl.col("unusual").abs() >= border).height / judged.height for border in (3, 4)]
            print(
                f"{per_hour:>3} texts an hour and place, {copied:.0%} copied: {judged.height:,} cells, unusual in "
                f"1,000: {each[0]:.2f} from 3, {each[1]:.2f} from 4",
                flush=True,
            )


def storms(random: np.random.Generator, rows: int) -> None:
    """Count how often a storm in one hour is found."""
    for stories in (2, 3, 5, 10):
        found = sum(planted(random, stories) for _ in range(10))
        print(f"a storm of {stories} stories in an hour of 10 texts: unusual in {found} of 10", flush=True)


def size(random: np.random.Generator, rows: int) -> None:
    """Time the aggregation of many rows in no order, in a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        made(rows, random).sample(fraction=1, shuffle=True, seed=0).write_parquet(path)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        table, started = pl.scan_parquet(path), time.perf_counter()
        read = rows_of_table(table, columns_of(table.collect_schema(), Asked(), ["title"]))
        found = aggregate(read, CATEGORIES, Span(END + timedelta(hours=1)))
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{found.texts:,} rows, {found.stories:,} stories: {seconds:.1f} s; peak {after / 1e6:.2f} GB", end="")
        print(f" (making the rows took {before / 1e6:.2f} GB)")


def planted(random: np.random.Generator, stories: int) -> bool:
    """Tell whether a storm in the last full hour of one place is called unusual."""
    frame = made(10 * 24 * DAYS * PLACES, random)
    at = END.replace(hour=12, minute=10)
    storm = pl.DataFrame(
        [
            {
                "at": at,
                "place": "place 3",
                "domain": "a.example",
                "title": f"{random.integers(1e12)} {random.integers(1e12)}",
                "signals": [{"category": "weather_wet", "score": -0.7, "tag": "storm", "present": True}],
            }
            for _ in range(stories)
        ],
        schema=frame.schema,
    )
    found = sheet(pl.concat([frame, storm])).filter(
        pl.col("place") == "place 3", pl.col("category") == "weather_wet", pl.col("start") == at.replace(minute=0)
    )
    return bool((found["unusual"] <= -3).all())


PARTS = {"alarms": false_alarms, "storms": storms, "size": size}

if __name__ == "__main__":
    main()
