"""Quality without tuning: the linear model, Trainer's defaults and Copydesk's `auto` on real data sets.

    python bench/quality.py --data FOLDER [--only headlines,reviews] [--full]

FOLDER holds clickbait/headlines.parquet, restaurant/reviews.tsv, tweet_sentiment/{train,val}.parquet,
news_topics/train.parquet and arxiv/abstracts.parquet. Trainer's defaults: 3 epochs, 5e-5, batch 32, texts cut at 128
tokens, the same encoder (all-MiniLM-L6-v2), every label above 0.5 for several labels. All three get the same training
and test texts; Copydesk and the linear model use the validation part (early stopping, calibration, thresholds),
Trainer trains on it in addition. Small sets are the mean over three seeds, reviews over three seeds of five folds.
The recipes are the shipped ones where there is one (tweets: balanced class weights, as its metric is the mean recall).
Without --full, training parts are cut to the sizes that are printed. Seconds are of training alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.fitting import FITTERS, Run
from copydesk.progress import Silent
from copydesk.recipe import Recipe, load_recipe, override, parse_recipe, shipped_recipe
from copydesk.runtime.engine import Classifier
from copydesk.tasks import Task
from copydesk.training import calibrated, task_of
from peers import trainer_defaults

_REVIEW_FOLDS = 5


@dataclass(frozen=True)
class Problem:
    """One row of the table: a recipe, its metrics, and its Datasets, one for each seed (and fold)."""

    name: str
    recipe: Recipe
    metrics: tuple[str, ...]
    datasets: Callable[[], Iterator[tuple[int, Dataset]]]


@dataclass(frozen=True)
class Result:
    """One trained model: its metrics on the test part and the seconds its training took."""

    metrics: dict[str, float]
    seconds: float


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--only", help="some data sets, separated by commas")
    parser.add_argument("--full", action="store_true", help="whole training parts (many hours)")
    parser.add_argument("--models", default="linear,trainer,auto")
    options = parser.parse_args()
    began = time.perf_counter()
    for problem in problems(options.data, full=options.full):
        if not options.only or problem.name in options.only.split(","):
            _measure(problem, options.models.split(","))
    print(f"\nall in {(time.perf_counter() - began) / 60:.0f} min")


def problems(folder: Path, *, full: bool) -> list[Problem]:
    """Return the table's rows."""

    def cut(texts: int) -> int:
        return 10**9 if full else texts

    single = {"name": "bench", "prepare": {"split": {"validation": 0.1, "test": 0.2}}}
    news = parse_recipe({**single, "text": ["title", "description"]})
    reviews = load_recipe(shipped_recipe("restaurant"))
    tweets = override(load_recipe(shipped_recipe("tweets")), {"prepare.split.test": 0})
    arxiv = override(
        load_recipe(shipped_recipe("arxiv")),
        {
            "label": "labels",
            "text": ["title", "abstract"],
            "prepare.split": {"by": "time", "time": "first_seen"},
            "model.max_tokens": 128,
        },
    )
    return [
        _one("headlines", parse_recipe({"name": "bench"}), folder / "clickbait/headlines.parquet", cut(4_000)),
        Problem(
            "tweets",
            tweets,
            ("macro_recall", "accuracy"),
            lambda: _tweets(tweets, folder / "tweet_sentiment", cut(2_000)),
        ),
        _one("news_topics", news, folder / "news_topics/train.parquet", cut(3_000)),
        _one("arxiv by time", arxiv, folder / "arxiv/abstracts.parquet", cut(2_000), ("micro_f1", "macro_f1")),
        Problem("reviews 5-fold", reviews, ("accuracy",), lambda: _folds(reviews, folder / "restaurant/reviews.tsv")),
    ]


def _one(
    name: str, recipe: Recipe, file: Path, texts: int, metrics: tuple[str, ...] = ("accuracy", "macro_f1")
) -> Problem:
    return Problem(name, recipe, metrics, lambda: iter([(42, _fewer(prepare_dataset(recipe, file), texts))]))


def _fewer(dataset: Dataset, texts: int) -> Dataset:
    """Return the Dataset with a sample of its training part, the validation part in proportion."""
    train, validation = (dataset.frame.filter(pl.col("split") == part) for part in ("train", "validation"))
    rest = dataset.frame.filter(pl.col("split") == "test")
    share = min(texts / train.height, 1.0)
    parts = [part.sample(round(part.height * share), seed=1, shuffle=True) for part in (train, validation)]
    return Dataset(pl.concat([*parts, rest.head(3_000 if share < 1 else rest.height)]), dataset.manifest)


def _folds(recipe: Recipe, file: Path) -> Iterator[tuple[int, Dataset]]:
    everything = prepare_dataset(override(recipe, {"prepare.split.validation": 0, "prepare.split.test": 0}), file)
    for seed in (0, 1, 2):
        frame = everything.frame.sample(fraction=1.0, shuffle=True, seed=seed)
        for fold in range(_REVIEW_FOLDS):
            place = pl.int_range(pl.len())
            test = place % _REVIEW_FOLDS == fold
            validation = ~test & (place % 10 == (fold + 1) % _REVIEW_FOLDS)
            split = pl.when(test).then(pl.lit("test")).when(validation).then(pl.lit("validation"))
            yield (
                seed,
                Dataset(frame.with_columns(split.otherwise(pl.lit("train")).alias("split")), everything.manifest),
            )


def _tweets(recipe: Recipe, folder: Path, texts: int) -> Iterator[tuple[int, Dataset]]:
    train = prepare_dataset(recipe, folder / "train.parquet")
    whole = override(recipe, {"prepare.split.validation": 0, "prepare.dedupe": "none", "prepare.split.by": "row"})
    test = prepare_dataset(whole, folder / "val.parquet").frame.with_columns(pl.lit("test").alias("split"))
    test = test.join(train.frame, on="id", how="anti")
    both = Dataset(pl.concat([train.frame, test]), train.manifest)
    for seed in (0, 1, 2) if texts < 10**9 else (0,):
        yield seed, _fewer(both, texts)


def _measure(problem: Problem, models: list[str]) -> None:
    found: dict[str, list[Result]] = {name: [] for name in models}
    sizes = ""
    for seed, dataset in problem.datasets():
        recipe = override(problem.recipe, {"train.seed": seed})
        task = task_of(recipe, dataset)
        sizes = f"{len(dataset.part('train')[0]):,} training, {len(dataset.part('test')[0]):,} test texts"
        for name in models:
            found[name].append(_MODELS[name](recipe, dataset, task))
    print(f"\n{problem.name} ({sizes}, {len(task.labels)} labels, {len(found[models[0]])} runs)", flush=True)
    for name, results in found.items():
        columns = "  ".join(f"{metric} {_mean_sd([r.metrics[metric] for r in results])}" for metric in problem.metrics)
        print(f"  {name:8} {columns}  {statistics.mean(r.seconds for r in results):7.1f} s", flush=True)


def _mean_sd(values: list[float]) -> str:
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def _ours(kind: str) -> Callable[[Recipe, Dataset, Task], Result]:
    def run(recipe: Recipe, dataset: Dataset, task: Task) -> Result:
        started = time.perf_counter()
        fitted = FITTERS[kind](recipe, dataset, task, Run(Silent()))
        seconds = time.perf_counter() - started
        return Result(_metrics(calibrated(recipe, dataset, task, fitted.model), dataset), seconds)

    return run


def _metrics(classifier: Classifier, dataset: Dataset) -> dict[str, float]:
    texts, labels = dataset.part("test")
    return classifier.task.measure(classifier.task.encode(labels), classifier.scores(texts)).metrics


def _peer(recipe: Recipe, dataset: Dataset, task: Task) -> Result:
    together = dataset.frame.with_columns(pl.col("split").replace("validation", "train"))
    peer = trainer_defaults(Dataset(together, dataset.manifest), task, seed=recipe.train.seed)
    texts, labels = dataset.part("test")
    return Result(task.measure(task.encode(labels), task.scores(peer.logits(texts))).metrics, peer.seconds)


_MODELS: dict[str, Callable[[Recipe, Dataset, Task], Result]] = {
    "linear": _ours("linear"),
    "trainer": _peer,
    "auto": _ours("encoder"),
}


if __name__ == "__main__":
    main()
