"""The finder of label errors on labels of which the truth is known: what it finds, and what that does to a model.

    python bench/label_errors.py --data FOLDER [--only NAME,NAME] [--encoder] [--fine-tune] [--folds 5]

FOLDER holds news_topics/noisy_human.parquet: 10,000 news texts with the label of one person (`label_noisy`) and the
right one (`label_true`). Its column `group` tells what kind of error was made; nothing here reads it. Near-copies under
one label are left out first, and similar texts never stand on both sides of a fold.

(1) Errors found among all texts, against cleanlab (if it is installed; Copydesk does not need it) called by hand: a
logistic regression on TF-IDF of words and word pairs, cross_val_predict, find_label_issues, all with their defaults.
AP is the average precision of the ranking by suspicion, "first" the share of errors among the first 500 of it.
(2) Each fold's texts with their true labels test Copydesk's linear model, trained on the other folds' noisy labels as
they are, without what was found among them, and with the suggestions in its place.

--encoder adds cleanlab on the vectors of all-MiniLM-L6-v2 (its own tutorial for texts) and Copydesk with
--with-encoder; --fine-tune adds a fine-tuned encoder in (2), on one fold.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from copydesk.data.dataset import Dataset
from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.prepare import prepare_dataset
from copydesk.models.linear import LinearModel
from copydesk.progress import Silent
from copydesk.recipe import Recipe, override, parse_recipe
from copydesk.repair.opinions import Opinion, form_opinions
from copydesk.repair.out_of_fold import FOLDS, deal_folds
from copydesk.tasks import make_task

Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]
RECIPE = parse_recipe({"name": "noisy", "label": "label_noisy"})
_FIRST = 500
BALANCED = override(RECIPE, {"train.class_weights": "balanced"})


@dataclass(frozen=True)
class Texts:
    """Texts with the given and the true label of each, as places in `names`, and an encoder's vectors if wanted."""

    dataset: Dataset
    texts: list[str]
    given: Labels
    true: Labels
    vectors: NDArray[np.float32] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The labels."""
        return self.dataset.labels

    def some(self, rows: NDArray[np.int64]) -> Texts:
        """Return some of the texts."""
        vectors = None if self.vectors is None else self.vectors[rows]
        return Texts(self.dataset, [self.texts[row] for row in rows], self.given[rows], self.true[rows], vectors)


@dataclass(frozen=True)
class Guess:
    """What a finder says of each text: whether it is wrong, how suspect it is, and the better label."""

    wrong: Flags
    suspicion: NDArray[np.float64]
    better: Labels


Finder = Callable[[Texts], Guess]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--only", help="some finders, by parts of their names, separated by commas")
    parser.add_argument("--encoder", action="store_true", help="also with an encoder's vectors (minutes)")
    parser.add_argument("--fine-tune", action="store_true", help="also fine-tune an encoder on each (hours)")
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many folds test the models")
    options = parser.parse_args()
    texts = read(options.data / "news_topics" / "noisy_human.parquet", options.encoder)
    errors = texts.given != texts.true
    print(f"{len(texts.texts):,} texts, {errors.mean():.2%} of the labels wrong\n")
    wanted = options.only.split(",") if options.only else [""]
    finders = {
        name: finder for name, finder in finders_for(options.encoder).items() if any(part in name for part in wanted)
    }
    print(
        f"{'(1) errors found':52s} {'found':>6s} {'precision':>9s} {'recall':>7s} {'F1':>6s} {'AP':>6s} {'first':>6s} "
        f"{'s':>5s}"
    )
    for name, finder in finders.items():
        began = time.perf_counter()
        guess = finder(texts)
        print(f"{name:52s} {_quality(guess, errors)} {time.perf_counter() - began:5.0f}", flush=True)
    _measure_models(texts, finders, options.folds, options.fine_tune)


def read(path: Path, encoder: bool) -> Texts:
    """Prepare the texts and look their true labels up by row."""
    dataset = prepare_dataset(RECIPE, path)
    true = pl.read_parquet(path)["label_true"].to_list()
    places = {name: place for place, name in enumerate(dataset.labels)}
    given = np.array([places[name] for name in dataset.frame["label"]], np.int64)
    right = np.array([places[true[row - 1]] for row in dataset.frame["row"]], np.int64)
    texts, vectors = dataset.frame["text"].to_list(), None
    if encoder:
        from copydesk.repair.encoding import encoder_vectors

        vectors = encoder_vectors(texts, RECIPE, Silent())
    return Texts(dataset, texts, given, right, vectors)


def finders_for(encoder: bool) -> dict[str, Finder]:
    """Return the table's rows."""
    finders: dict[str, Finder] = {}
    try:
        import cleanlab  # noqa: F401
    except ImportError:
        print("cleanlab is not installed: its rows are left out\n")
    else:
        finders["cleanlab by hand: TF-IDF"] = lambda texts: by_hand(texts, None)
        finders["the same, class_weight balanced"] = lambda texts: by_hand(texts, None, "balanced")
        finders["cleanlab on Copydesk's probabilities"] = lambda texts: cleaned(
            texts, opinion(texts, RECIPE).probabilities
        )
        if encoder:
            finders["cleanlab by hand: MiniLM vectors"] = lambda texts: by_hand(texts, texts.vectors)
    finders["Copydesk"] = lambda texts: found(texts, RECIPE)
    finders["Copydesk, train.class_weights balanced"] = lambda texts: found(texts, BALANCED)
    if encoder:
        finders["Copydesk --with-encoder"] = lambda texts: found(texts, RECIPE, texts.vectors)
        finders["Copydesk --with-encoder, balanced"] = lambda texts: found(texts, BALANCED, texts.vectors)
    return finders


def by_hand(texts: Texts, vectors: NDArray[np.float32] | None, weights: str | None = None) -> Guess:
    """Call cleanlab as its documents show, on TF-IDF or on vectors."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    features = words.fit_transform(texts.texts) if vectors is None else vectors
    model = LogisticRegression(max_iter=400, class_weight=weights)
    return cleaned(texts, cross_val_predict(model, features, texts.given, cv=5, method="predict_proba"))


def cleaned(texts: Texts, probabilities: NDArray[np.float64]) -> Guess:
    """Return cleanlab's findings from out-of-sample probabilities."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    wrong = find_label_issues(texts.given, probabilities, n_jobs=1)
    return Guess(wrong, 1 - get_label_quality_scores(texts.given, probabilities), probabilities.argmax(axis=1))


def found(texts: Texts, recipe: Recipe, vectors: NDArray[np.float32] | None = None) -> Guess:
    """Return Copydesk's findings."""
    doubts = opinion(texts, recipe, vectors).doubts
    return Guess(doubts.suspected, doubts.suspicion, np.where(doubts.suspected, doubts.other, texts.given))


def opinion(texts: Texts, recipe: Recipe, vectors: NDArray[np.float32] | None = None) -> Opinion:
    """Return what Copydesk's models say of the one question that the task asks."""
    labels = [texts.names[place] for place in texts.given]
    formed = form_opinions(texts.dataset, texts.texts, labels, recipe, vectors=vectors, progress=Silent())
    return formed.of[0]


def _quality(guess: Guess, errors: Flags) -> str:
    hits = int((guess.wrong & errors).sum())
    precision, recall = hits / max(int(guess.wrong.sum()), 1), hits / int(errors.sum())
    f1 = 2 * hits / (int(guess.wrong.sum()) + int(errors.sum()))
    ranked = average_precision_score(errors, guess.suspicion)
    first = errors[np.argsort(-guess.suspicion, kind="stable")[:_FIRST]].mean()
    return f"{guess.wrong.sum():6,} {precision:9.3f} {recall:7.3f} {f1:6.3f} {ranked:6.3f} {first:6.3f}"


def _measure_models(texts: Texts, finders: dict[str, Finder], folds: int, fine_tuned: bool) -> None:
    groups = find_near_duplicates(texts.texts, RECIPE.prepare.split.similarity).group
    fold = deal_folds(groups, texts.given, RECIPE.train.seed)
    accuracies: dict[str, list[float]] = {}
    for number in range(min(folds, FOLDS)):
        train, test = texts.some(np.flatnonzero(fold != number)), texts.some(np.flatnonzero(fold == number))
        guesses = {name: finder(train) for name, finder in finders.items()}
        for name, labels in _trainings(train, guesses).items():
            accuracies.setdefault(name, []).append(_accuracy(train, labels, test))
    print(f"\n{'(2) linear model, accuracy on true labels':62s} {'mean':>6s}  folds")
    for name, values in accuracies.items():
        print(f"{name:62s} {np.mean(values):6.4f}  {' '.join(f'{value:.3f}' for value in values)}")
    if fine_tuned:
        print("\n    fine-tuned encoder, the last fold")
        for name, labels in _trainings(train, guesses).items():
            print(f"{name:62s} {_encoder_accuracy(train, labels, test):6.4f}", flush=True)


def _trainings(train: Texts, guesses: dict[str, Guess]) -> dict[str, Labels]:
    """Return the labels to train on, -1 where a text is left out."""
    wrong = train.given != train.true
    trainings = {"noisy labels as they are": train.given, "true labels": train.true}
    trainings["the wrong labels left out"] = np.where(wrong, -1, train.given)
    for name, guess in guesses.items():
        trainings[f"{name}: left out"] = np.where(guess.wrong, -1, train.given)
        trainings[f"{name}: corrected"] = np.where(guess.wrong, guess.better, train.given)
    return trainings


def _accuracy(train: Texts, labels: Labels, test: Texts) -> float:
    rows = np.flatnonzero(labels >= 0)
    task = make_task("single", train.names)
    model = LinearModel.fit([train.texts[row] for row in rows], labels[rows], task)
    return float((model.logits(test.texts).argmax(axis=1) == test.true).mean())


def _encoder_accuracy(train: Texts, labels: Labels, test: Texts) -> float:
    from copydesk.models.finetune import fine_tune

    rows = np.flatnonzero(labels >= 0)
    dataset = _dataset([train.texts[row] for row in rows], [train.names[labels[row]] for row in rows], train)
    tuned = fine_tune(RECIPE, dataset, make_task("single", train.names), progress=Silent())
    return float((tuned.model.logits(test.texts).argmax(axis=1) == test.true).mean())


def _dataset(texts: Sequence[str], labels: Sequence[str], like: Texts) -> Dataset:
    """Return a Dataset whose every tenth text is for validation."""
    split = ["validation" if place % 10 == 0 else "train" for place in range(len(texts))]
    frame = pl.DataFrame({"id": [str(n) for n in range(len(texts))], "text": texts, "label": labels, "split": split})
    return Dataset(frame, like.dataset.manifest)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        main()
