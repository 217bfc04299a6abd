"""Expected accuracy: how near it is to the truth on real texts that have changed in known ways.

    python bench/expected_accuracy.py --data FOLDER [--model linear|encoder] [--task NAME ...] [--most 4000]

FOLDER holds clickbait/headlines.parquet, news_topics/train.parquet and noisy_human.parquet, restaurant/reviews.tsv,
tweet_sentiment/train.parquet and arxiv/abstracts.parquet. A model learns some texts of a set; what comes in is texts of
the same set that it has not seen, in another mixture or changed, or texts from elsewhere with the same labels. For each
40 windows of 500: the mean share of right answers, and by how much each way of expecting it is off (mean, and mean
absolute):

    raw        the mean confidence
    offset     the same, less what it promised too much on held-out texts
    platt      confidence calibrated on held-out texts
    promise    the same, with the shares of labels estimated: what `copydesk monitor` shows
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from copydesk.monitor.expected import expected_accuracy
from copydesk.monitor.reference import Reference
from copydesk.recipe import parse_recipe
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from copydesk.types import Label

WINDOWS, SIZE = 40, 500
ENCODER = {"encoder": "sentence-transformers/all-MiniLM-L6-v2", "max_tokens": 64}


@dataclass(frozen=True)
class Case:
    """Texts to learn, and by name texts that come in, with their labels."""

    train: pl.DataFrame
    incoming: dict[str, pl.DataFrame]
    task: str = "single"

    @property
    def label(self) -> str:
        """The label's column."""
        return "labels" if self.task == "multi" else "label"


def clickbait(data: Path) -> Case:
    """Headlines; another agency's; another mixture."""
    known, rest = _divided(pl.read_parquet(data / "clickbait/headlines.parquet").select("text", "label"), 8_000)
    agency = pl.read_parquet(data / "news_topics/train.parquet").select(text="title", label=pl.lit("news"))
    return Case(
        known,
        {
            "undrifted": rest,
            "90 % news": _mixed(rest, {"news": 0.9, "clickbait": 0.1}),
            "90 % clickbait": _mixed(rest, {"news": 0.1, "clickbait": 0.9}),
            "another agency's news": agency,
        },
    )


def news(data: Path) -> Case:
    """Topics of news; titles alone; another site; labels that have come to mean something else."""
    frame = pl.read_parquet(data / "news_topics/train.parquet")
    frame = frame.with_columns(text=pl.col("title") + ". " + pl.col("description"))
    known, rest = _divided(frame, 6_000)
    other = pl.read_parquet(data / "news_topics/noisy_human.parquet").select("text", label="label_true")
    moves = (pl.col("label") == "World") & (pl.int_range(pl.len()) % 3 != 0)
    names = ("World", "Sports", "Business", "Sci/Tech")
    return Case(
        known.select("text", "label"),
        {
            "undrifted": rest,
            "70 % Business": _mixed(rest, {name: 0.7 if name == "Business" else 0.1 for name in names}),
            "70 % Sports": _mixed(rest, {name: 0.7 if name == "Sports" else 0.1 for name in names}),
            "titles only": rest.with_columns(text="title"),
            "another collection": other,
            "2 of 3 World are Business": rest.with_columns(
                label=pl.when(moves).then(pl.lit("Business")).otherwise("label")
            ),
        },
    )


def tweets(data: Path) -> Case:
    """Sentiment of tweets; of restaurant reviews."""
    known, rest = _divided(pl.read_parquet(data / "tweet_sentiment/train.parquet"), 12_000)
    reviews = pl.read_csv(data / "restaurant/reviews.tsv", separator="\t", quote_char=None)
    liked = pl.when(pl.col("Liked") == 1).then(pl.lit("positive")).otherwise(pl.lit("negative"))
    return Case(
        known,
        {
            "undrifted": rest,
            "60 % negative": _mixed(rest, {"negative": 0.6, "neutral": 0.2, "positive": 0.2}),
            "80 % neutral": _mixed(rest, {"negative": 0.1, "neutral": 0.8, "positive": 0.1}),
            "upper case": rest.with_columns(pl.col("text").str.to_uppercase()),
            "restaurant reviews": reviews.select(text="Review", label=liked),
        },
    )


def arxiv(data: Path) -> Case:
    """Subjects of papers, in the order in which they appeared; titles alone."""
    frame = pl.read_parquet(data / "arxiv/abstracts.parquet").sort("first_seen")
    frame = frame.with_columns(text=pl.col("title") + ". " + pl.col("abstract"))
    known, rest = _divided(frame.head(15_000), 11_000)
    later = {
        f"later: {part['first_seen'][0]:%Y-%m} on": part for part in frame.tail(15_000).iter_slices(5_000) if len(part)
    }
    titles = rest.with_columns(text="title")
    return Case(known.select("text", "labels"), {"undrifted": rest, **later, "titles only": titles}, "multi")


CASES: dict[str, Callable[[Path], Case]] = {"clickbait": clickbait, "news": news, "tweets": tweets, "arxiv": arxiv}


def _divided(frame: pl.DataFrame, count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    mixed = frame.sample(fraction=1.0, shuffle=True, seed=0)
    return mixed.head(count), mixed.slice(count)


def _mixed(frame: pl.DataFrame, shares: dict[str, float]) -> pl.DataFrame:
    """Return as many rows as there are in these shares, in any order."""
    total = min((frame["label"] == name).sum() / share for name, share in shares.items())
    parts = [frame.filter(label=name).head(int(total * share)) for name, share in shares.items()]
    return pl.concat(parts).sample(fraction=1.0, shuffle=True, seed=1)


def trained(case: Case, model: str, folder: Path) -> tuple[Classifier, Reference]:
    """Train a model on the case's texts; a quarter of them are held out as its reference."""
    single = case.task == "single"
    case.train.write_parquet(folder / "train.parquet")
    values: dict[str, Any] = {
        "name": "bench",
        "task": case.task,
        "text": ["text"],
        "label": case.label,
        "prepare": {"normalise": "web" if single else "none", "split": {"validation": 0.1, "test": 0.25}},
        "model": {"kind": model, **(ENCODER if model == "encoder" else {})},
    }
    if not single:
        values |= {"decide": {"min_labels": 1}}
        values["prepare"]["min_support"] = 20
    bundle = train_bundle(parse_recipe(values), data=folder / "train.parquet", out=folder / "bundle")
    return Classifier.of(bundle), Reference.load(bundle.layout.reference)


def answers(classifier: Classifier, frame: pl.DataFrame, label: str) -> pl.DataFrame:
    """Return rows of a log, each with whether it is right; labels that the model does not know are left out."""
    known = set(classifier.labels)
    truth = [_known(value, known) for value in frame[label].to_list()]
    kept = [place for place, one in enumerate(truth) if one]
    texts, task = [frame["text"][place] for place in kept], classifier.task
    scores = classifier.scores(texts)
    given = [[name for name, _ in one.given] for one in classifier.decoded(scores, [])]
    right = task.right(task.encode([truth[place] for place in kept]), scores)
    columns = {"labels": given, "confidence": task.confidence(scores), "right": right, "version": ["1"] * len(kept)}
    return pl.DataFrame(columns, schema_overrides={"confidence": pl.Float32})


def _known(value: Any, known: set[str]) -> Label:  # noqa: ANN401 (a name or a list of names)
    return value if isinstance(value, str) else tuple(sorted(set(value) & known))


def errors(rows: pl.DataFrame, reference: Reference) -> tuple[float, dict[str, list[float]]]:
    """Return the true share of right answers, and for each way of expecting it how far off it was in each window."""
    random, promise = np.random.default_rng(0), reference.promise
    found: dict[str, list[float]] = {}
    size = min(SIZE, rows.height // 2)
    for _ in range(WINDOWS):
        window = rows[random.choice(rows.height, size, replace=False)]
        truth, sure = float(window["right"].mean()), float(window["confidence"].mean())  # type: ignore[arg-type]
        ways = {
            "raw": sure,
            "offset": sure + promise.accuracy - float(reference.window.numbers["confidence"].mean()),
            "platt": float(window.select(promise.calibrated().mean()).item()),
            "promise": expected_accuracy(window.lazy(), reference)[0].share,
        }
        for name, share in ways.items():
            found.setdefault(name, []).append(share - truth)
    return float(rows["right"].mean()), found  # type: ignore[arg-type]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each change of texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", choices=["linear", "encoder"], default="linear")
    parser.add_argument("--task", choices=list(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--most", type=int, default=4_000, help="texts of each change")
    given = parser.parse_args(arguments)
    for name in given.task:
        case = CASES[name](given.data)
        with tempfile.TemporaryDirectory() as folder:
            classifier, reference = trained(case, given.model, Path(folder))
            print(f"{name}, {given.model}: {reference.promise.n} held-out texts, {reference.accuracy:.3f} right")
            for change, frame in case.incoming.items():
                rows = answers(classifier, frame.head(given.most), case.label)
                truth, found = errors(rows, reference)
                told = "  ".join(f"{way} {np.mean(off):+.3f} ({np.abs(off).mean():.3f})" for way, off in found.items())
                print(f"  {change:28s} {truth:.3f}  {told}", flush=True)


if __name__ == "__main__":
    main()
