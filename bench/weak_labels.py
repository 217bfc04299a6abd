"""Weak labels on real data with the labels hidden: keywords, majority, Dawid-Skene, and models trained on them.

    python bench/weak_labels.py --data FOLDER [--encoder] [--only news_topics] [--peers]

FOLDER holds news_topics/train.parquet, clickbait/headlines.parquet, tweet_sentiment/train.parquet; the labelling files
are in bench/weak/. A fifth of the texts, by a hash, is the test; no model is trained on them, and nothing sees a true
label. "Keywords" are the files' words counted, without anything else; "wrong" counts a text that nobody labels as
wrong, "commonest" gives it the commonest label; a tie is nobody's. Brier is that of labelled texts. With --peers
crowd-kit's Dawid-Skene gets the same votes, where it is installed; it takes to abstain for a missing answer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable
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
_TEST_SHARE = 5


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
    """A problem's recipe, rows and votes; which rows are for testing, and their true labels by number."""

    recipe: Recipe
    rows: pl.DataFrame
    votes: Votes
    test: NDArray[np.bool_]
    truth: NDArray[np.int64]

    def texts(self) -> list[str]:
        """Return the normalised texts for testing."""
        steps = steps_of(self.recipe.prepare.normalise)
        rows = self.rows.filter(self.test).select(self.recipe.text).iter_rows()
        return [normalise(join_columns(row), steps) for row in rows]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--only", help="some labelling files, separated by commas")
    parser.add_argument("--encoder", action="store_true", help="also fine-tune the encoder (minutes each)")
    parser.add_argument("--peers", action="store_true", help="also crowd-kit")
    options = parser.parse_args()
    for problem in PROBLEMS:
        if not options.only or problem.name in options.only.split(","):
            case = _case(problem, options.data)
            _compare_votes(problem, case, peers=options.peers)
            _compare_models(case, ["linear", *["encoder"] * options.encoder])


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
    return Case(recipe, rows, votes, np.array(hashes) % _TEST_SHARE == 0, truth.to_numpy())


def _compare_votes(problem: Problem, case: Case, *, peers: bool) -> None:
    """Print what the votes alone are worth on the texts for testing."""
    votes = case.votes
    ways: dict[str, Callable[[], Probabilities]] = {
        "keywords": lambda: _keywords(problem, case),
        "majority": lambda: Majority(len(votes.labels), True).probabilities(votes.table, votes.texts),
        "dawid_skene": lambda: DawidSkene(votes, exclusive=True).probabilities(votes.table, votes.texts),
    }
    if peers:
        ways["crowd-kit"] = lambda: _crowd_kit(votes)
    print(f"\n{problem.name}: {len(votes.functions)} functions, {votes.texts:,} texts, {case.test.sum():,} for testing")
    print(f"  {'':28} {'labelled':>8} {'right':>7} {'Brier':>7} {'wrong':>7} {'commonest':>9}")
    for name, way in ways.items():
        probabilities = way()
        ranked = np.sort(probabilities, axis=1)
        given = np.where(ranked[:, -1] - ranked[:, -2] >= MARGIN, probabilities.argmax(axis=1), -1)
        commonest = np.bincount(given + 1, minlength=2)[1:].argmax()
        squares = ((probabilities - np.eye(len(votes.labels))[case.truth]) ** 2).sum(axis=1)
        test, labelled = case.test, case.test & (given >= 0)
        right = given == case.truth
        filled = np.where(given < 0, commonest, given) == case.truth
        figures = [
            labelled.sum() / test.sum(),
            *(np.sum(one[labelled]) / max(labelled.sum(), 1) for one in (right, squares)),
        ]
        print(
            f"  {name:28} {figures[0]:8.1%} {figures[1]:7.4f} {figures[2]:7.4f} {right[test].mean():7.4f} "
            f"{filled[test].mean():9.4f}",
            flush=True,
        )


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


def _compare_models(case: Case, kinds: list[str]) -> None:
    """Print what models are worth that learnt from weak labels, and from true ones."""
    training = case.rows.filter(~case.test)
    with tempfile.TemporaryDirectory() as folder:
        hidden, true = Path(folder) / "hidden.parquet", Path(folder) / "true.parquet"
        training.select(case.recipe.text).write_parquet(hidden)
        training.write_parquet(true)
        for votes in ("majority", "dawid_skene"):
            out = Path(folder) / f"{votes}.parquet"
            recipe = override(case.recipe, {"weak.votes": votes})
            label_texts(recipe, hidden, out=out, now=datetime.now(UTC), progress=Silent())
            soft = prepare_dataset(recipe, out)
            pl.read_parquet(out).drop(PROBABILITIES, VOTES).write_parquet(out)
            _train(case, f"{votes}, hard", prepare_dataset(recipe, out), kinds)
            if PROBABILITIES in soft.frame.columns:
                _train(case, f"{votes}, soft", soft, kinds)
        _train(case, "true labels", prepare_dataset(case.recipe, true), kinds)


def _train(case: Case, name: str, dataset: Dataset, kinds: list[str]) -> None:
    for kind in kinds:
        recipe = override(case.recipe, {"model.kind": kind})
        task = task_of(recipe, dataset)
        started = time.perf_counter()
        classifier = calibrated(recipe, dataset, task, FITTERS[kind](recipe, dataset, task, Run(Silent())).model)
        seconds = time.perf_counter() - started
        answers = classifier.scores(case.texts()).argmax(axis=1)
        right = np.array(task.labels)[answers] == np.array(case.votes.labels)[case.truth[case.test]]
        print(f"  {f'{kind}, {name}':28} {dataset.frame.height:8,} {right.mean():7.4f}  {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
