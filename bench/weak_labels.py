"""Weak labels on real data with the labels hidden: keywords, majority, Dawid-Skene, and models trained on them.

    python bench/weak_labels.py --data FOLDER [--only news_topics] [--folds 5] [--peers]
    python bench/weak_labels.py --data FOLDER --encoder --most 4000 --votes dawid_skene

FOLDER holds news_topics/train.parquet, clickbait/headlines.parquet, tweet_sentiment/train.parquet and
arxiv/abstracts.parquet (several labels: votes alone); the labelling files are in bench/weak/. A fifth of the texts, by
a hash, is the test, or each fifth in turn (--folds): no model is trained on its texts, and true labels only measure.
Of the other texts the first are taken (--most). Dawid-Skene is fitted to votes on all texts where votes are compared,
and to those on training texts where models learn from it.

"Keywords" are the files' words counted, without anything else. "labelled" is the share of texts that get a label, for
which "right" and Brier hold; a tie is no label. Of all texts, "none wrong" counts those without a label as wrong, and
"guessed" gives them one: the commonest, at a tie the commoner one. A model has to be compared with "guessed". With
--peers crowd-kit's Dawid-Skene gets the same votes, where it is installed; it takes to abstain for a missing answer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.data.clean import join_columns
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.fitting import FITTERS, Run
from copydesk.labelling.dawid_skene import DawidSkene
from copydesk.labelling.label import label_texts
from copydesk.labelling.load import load_functions
from copydesk.labelling.majority import Majority, Probabilities
from copydesk.labelling.outcome import MARGIN, PROBABILITIES, VOTES
from copydesk.labelling.rules import read_rule_file, rules_in
from copydesk.labelling.votes import Votes, collect_votes
from copydesk.models.keywords import Keyword, KeywordsModel
from copydesk.normalise import normalise, steps_of
from copydesk.progress import Silent
from copydesk.recipe import Recipe, override, parse_recipe
from copydesk.training import calibrated, task_of

WEAK = Path(__file__).with_name("weak")
_FIFTHS = 5
_TIE = 1e-6
"""So little decides only where labels are equally probable."""
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Problem:
    """A labelling file, the texts it is for, and how many of them are taken."""

    name: str
    file: str
    text: tuple[str, ...]
    most: int = 12_000


PROBLEMS = (
    Problem("news_topics", "news_topics/train.parquet", ("title", "description")),
    Problem("news_topics_long", "news_topics/train.parquet", ("title", "description")),
    Problem("headlines", "clickbait/headlines.parquet", ("text",)),
    Problem("tweets", "tweet_sentiment/train.parquet", ("text",)),
)


@dataclass(frozen=True)
class Case:
    """A problem's recipe, rows and votes; the fifth that each row is in, and the true labels by number."""

    recipe: Recipe
    rows: pl.DataFrame
    votes: Votes
    fifth: NDArray[np.int64]
    truth: NDArray[np.int64]

    def texts(self, chosen: Flags) -> list[str]:
        """Return some normalised texts."""
        steps = steps_of(self.recipe.prepare.normalise)
        rows = self.rows.filter(chosen).select(self.recipe.text).iter_rows()
        return [normalise(join_columns(row), steps) for row in rows]


@dataclass(frozen=True)
class Scope:
    """What is trained: the kinds of models, on labels from which ways, on how many texts at most."""

    kinds: Sequence[str]
    ways: Sequence[str]
    most: int | None


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--only", help="some labelling files, separated by commas")
    parser.add_argument("--folds", type=int, default=1, help="how many fifths are the test in turn")
    parser.add_argument("--votes", default="majority,dawid_skene", help="the ways to labels that models learn from")
    parser.add_argument("--most", type=int, help="train on so many texts at most")
    parser.add_argument("--encoder", action="store_true", help="also fine-tune the encoder (minutes each)")
    parser.add_argument("--peers", action="store_true", help="also crowd-kit")
    options = parser.parse_args()
    scope = Scope(["linear", *["encoder"] * options.encoder], options.votes.split(","), options.most)
    for problem in PROBLEMS:
        if not options.only or problem.name in options.only.split(","):
            case = _case(problem, options.data)
            tests = [case.fifth == number for number in range(options.folds)]
            _compare_votes(problem, case, tests, peers=options.peers)
            _compare_models(case, tests, scope)
    if not options.only or "arxiv" in options.only.split(","):
        _compare_several_labels(options.data / "arxiv/abstracts.parquet")


def _case(problem: Problem, folder: Path) -> Case:
    rows = pl.read_parquet(folder / problem.file).head(problem.most)
    recipe = parse_recipe(
        {
            "name": problem.name,
            "text": list(problem.text),
            "weak": {"functions": str(WEAK / f"{problem.name}.yaml")},
            "prepare": {"split": {"test": 0}},
        }
    )
    votes = collect_votes(rows.select(problem.text), recipe, load_functions(recipe), Silent())
    hashes = [zlib.crc32("".join(row).encode()) for row in rows.select(problem.text).iter_rows()]
    truth = rows["label"].replace_strict({label: place for place, label in enumerate(votes.labels)})
    return Case(recipe, rows, votes, np.array(hashes) % _FIFTHS, truth.to_numpy())


def _compare_votes(problem: Problem, case: Case, tests: Sequence[Flags], *, peers: bool) -> None:
    """Print what the votes alone are worth on the texts for testing."""
    votes = case.votes
    ways: dict[str, Callable[[], Probabilities]] = {
        "keywords": lambda: _keywords(problem, case),
        "majority": lambda: Majority(len(votes.labels), True).probabilities(votes.table, votes.texts),
        "dawid_skene": lambda: DawidSkene(votes, exclusive=True).probabilities(votes.table, votes.texts),
    }
    if peers:
        ways["crowd-kit"] = lambda: _crowd_kit(votes)
    tested = " + ".join(f"{test.sum():,}" for test in tests)
    print(f"\n{problem.name}: {len(votes.functions)} functions, {votes.texts:,} texts, {tested} for testing")
    print(f"  {'':28} {'labelled':>8} {'right':>7} {'Brier':>7} {'none wrong':>10}  guessed")
    for name, way in ways.items():
        probabilities = way()
        figures = np.array([_quality(probabilities[test], case.truth[test]) for test in tests])
        labelled, right, brier, wrong, _ = figures.mean(axis=0)
        print(
            f"  {name:28} {labelled:8.1%} {right:7.4f} {brier:7.4f} {wrong:10.4f}  {_spread(figures[:, -1])}",
            flush=True,
        )


def _quality(probabilities: Probabilities, truth: NDArray[np.int64]) -> list[float]:
    """Return the figures of one row of the table."""
    ranked = np.sort(probabilities, axis=1)
    best, clear = probabilities.argmax(axis=1), ranked[:, -1] - ranked[:, -2] >= MARGIN
    commonness = np.bincount(best[clear], minlength=probabilities.shape[1]) / max(clear.sum(), 1)
    guessed = (probabilities + commonness * _TIE).argmax(axis=1)
    squares = ((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(axis=1)
    right = best == truth
    return [
        clear.mean(),
        right[clear].mean(),
        squares[clear].mean(),
        (right & clear).mean(),
        (guessed == truth).mean(),
    ]


def _spread(values: Sequence[float] | NDArray[np.float64]) -> str:
    """Return the mean, and the standard deviation where there are several."""
    return f"{np.mean(values):.4f}" + (f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else "")


def _keywords(problem: Problem, case: Case) -> Probabilities:
    """Return the shares of the labels among the keywords found in each text."""
    path, labels = WEAK / f"{problem.name}.yaml", case.votes.labels
    file = read_rule_file(path)
    keywords = [
        Keyword(str(word), labels.index(rule.label))
        for rule in rules_in(file, path).values()
        for _, words in file.by_language(rule.words)
        for word in words
    ]
    texts = [" ".join(row) for row in case.rows.select(case.recipe.text).iter_rows()]
    found = KeywordsModel(keywords, len(labels), "softmax").logits(texts).astype(np.float64)
    shares: Probabilities = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-9)
    return shares


def _crowd_kit(votes: Votes) -> Probabilities:
    from crowdkit.aggregation import DawidSkene as Peer

    names = {"text": "task", "function": "worker", "label": "label"}
    numbers = votes.table.select(pl.col(name).to_physical().alias(other) for name, other in names.items())
    found = Peer(n_iter=100).fit(numbers.to_pandas()).probas_
    probabilities = np.zeros((votes.texts, len(votes.labels)))
    probabilities[np.ix_(found.index, found.columns)] = found.to_numpy()
    return probabilities


def _compare_several_labels(file: Path) -> None:
    """Print what votes on several labels are worth, label by label: F1 of those at least as probable as not."""
    rows = pl.read_parquet(file).sample(12_000, seed=3)
    functions = {"functions": str(WEAK / "arxiv.yaml")}
    recipe = parse_recipe({"name": "arxiv", "task": "multi", "text": ["title", "abstract"], "weak": functions})
    votes = collect_votes(rows.select(recipe.text), recipe, load_functions(recipe), Silent())
    truth = np.stack([rows["labels"].list.contains(label).to_numpy() for label in votes.labels], axis=1)
    print(f"\narxiv: {len(votes.functions)} functions, {votes.texts:,} texts, {len(votes.labels)} labels")
    print(f"  {'':28} {'micro F1':>8} {'macro F1':>8} {'Brier':>7}")
    for model in (Majority(len(votes.labels), False), DawidSkene(votes, exclusive=False)):
        probabilities = model.probabilities(votes.table, votes.texts)
        given = probabilities >= 0.5
        both, either = (given & truth).sum(axis=0), given.sum(axis=0) + truth.sum(axis=0)
        figures = [2 * both.sum() / either.sum(), (2 * both / either).mean(), ((probabilities - truth) ** 2).mean()]
        print(f"  {type(model).__name__:28} {figures[0]:8.4f} {figures[1]:8.4f} {figures[2]:7.4f}", flush=True)


def _compare_models(case: Case, tests: Sequence[Flags], scope: Scope) -> None:
    """Print what models are worth that learnt from weak labels, and from true ones; of several tests, the means too."""
    accuracies: dict[str, list[float]] = defaultdict(list)
    for test in tests:
        for name, dataset in _datasets(case, test, scope):
            for kind in scope.kinds:
                started = time.perf_counter()
                accuracies[f"{kind}, {name}"].append(right := _accuracy(case, test, dataset, kind))
                seconds = time.perf_counter() - started
                print(f"  {f'{kind}, {name}':28} {dataset.frame.height:8,} {right:7.4f}  {seconds:6.1f} s", flush=True)
    if len(tests) > 1:
        for name, values in accuracies.items():
            print(f"  mean: {name:28} {_spread(values)}")


def _datasets(case: Case, test: Flags, scope: Scope) -> Iterator[tuple[str, Dataset]]:
    """Yield what is trained on, all of it from the same texts, with the labels' name."""
    training = case.rows.filter(~test).head(scope.most or case.rows.height)
    with tempfile.TemporaryDirectory() as folder:
        hidden, true = Path(folder) / "hidden.parquet", Path(folder) / "true.parquet"
        training.select(case.recipe.text).write_parquet(hidden)
        training.write_parquet(true)
        for way in scope.ways:
            out = Path(folder) / f"{way}.parquet"
            recipe = override(case.recipe, {"weak.votes": way})
            label_texts(recipe, hidden, out=out, now=datetime.now(UTC), progress=Silent())
            yield f"{way}, soft", prepare_dataset(recipe, out)
            pl.read_parquet(out).drop(PROBABILITIES, VOTES).write_parquet(out)
            yield f"{way}, hard", prepare_dataset(recipe, out)
        yield "true labels", prepare_dataset(case.recipe, true)


def _accuracy(case: Case, test: Flags, dataset: Dataset, kind: str) -> float:
    """Train a model, and return the share of the texts for testing that it is right about."""
    recipe = override(case.recipe, {"model.kind": kind})
    task = task_of(recipe, dataset)
    classifier = calibrated(recipe, dataset, task, FITTERS[kind](recipe, dataset, task, Run(Silent())).model)
    answers = classifier.scores(case.texts(test)).argmax(axis=1)
    right = np.array(task.labels)[answers] == np.array(case.votes.labels)[case.truth[test]]
    return float(right.mean())


if __name__ == "__main__":
    main()
