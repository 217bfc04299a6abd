"""Whether a review queue is worth it: texts from the queue against as many drawn at random, after retraining.

    python bench/review_queue.py --data FOLDER [--texts 200] [--seeds 5]

FOLDER holds clickbait/headlines.parquet, tweet_sentiment/train.parquet and news_topics/train.parquet. Three streams
that have drifted, of which a linear model knows the first kind only (5,000 texts):

    tweets, headlines   half of the stream is about topics that training never saw (5 of 20 clusters of texts)
    news                trained on titles, asked for descriptions

From 5,000 texts of the stream so many are chosen and labelled with the truth; the model is trained anew with them,
counted once or several times over. Accuracy on 3,000 other texts of the stream, and on 1,000 like those of training.
Of the queue's texts those drawn at random are not learnt from: `copydesk retrain` puts them into the test part.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.review_file import RANDOM
from copydesk.models.linear import LinearModel
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.promise import promise_of
from copydesk.monitor.queue import draw_pool, novelty_of, queue_of, rankings
from copydesk.monitor.reference import Answers, Reference, reference_of
from copydesk.tasks import Task, make_task

TRAIN, STREAM, TEST, OLD, CLUSTERS, NEW = 5_000, 5_000, 3_000, 1_000, 20, 5
WEIGHTS = (1, 3, 10)


@dataclass(frozen=True)
class Texts:
    """Texts with their labels."""

    texts: list[str]
    labels: list[str]

    def some(self, places: Sequence[int]) -> Texts:
        """Return those at some places."""
        return Texts([self.texts[one] for one in places], [self.labels[one] for one in places])

    def with_(self, others: Texts, times: int) -> Texts:
        """Return them with others behind, so many times."""
        return Texts([*self.texts, *others.texts * times], [*self.labels, *others.labels * times])


@dataclass(frozen=True)
class Drifted:
    """What a model learns, what comes in later, of which some may be labelled, and what it is judged by."""

    train: Texts
    stream: Texts
    test: Texts
    old: Texts


def new_topics(texts: Texts, seed: int) -> Drifted:
    """Return a stream of which half is about clusters of texts that training does not have."""
    random = np.random.default_rng(seed)
    vectors = TruncatedSVD(50, random_state=seed).fit_transform(
        TfidfVectorizer(stop_words="english", max_features=20_000).fit_transform(texts.texts)
    )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    cluster = MiniBatchKMeans(CLUSTERS, random_state=seed, n_init=3).fit_predict(vectors / np.maximum(lengths, 1e-9))
    order = random.permutation(CLUSTERS)
    sizes = np.bincount(cluster, minlength=CLUSTERS)
    chosen: list[int] = []
    for one in order:
        if sizes[one] < len(texts.texts) * 0.15 and len(chosen) < NEW:
            chosen.append(int(one))
    is_new = np.isin(cluster, chosen)
    known, new = random.permutation(np.flatnonzero(~is_new)), random.permutation(np.flatnonzero(is_new))
    half = min(len(new), STREAM // 2 + TEST // 2)
    own_stream, own_test = half * STREAM // (STREAM + TEST), half * TEST // (STREAM + TEST)
    train, rest = known[:TRAIN], known[TRAIN + OLD :]
    stream = np.concatenate([new[:own_stream], rest[:own_stream]])
    test = np.concatenate([new[own_stream : own_stream + own_test], rest[own_stream : own_stream + own_test]])
    places = (train, random.permutation(stream), test, known[TRAIN : TRAIN + OLD])
    return Drifted(*(texts.some(part.tolist()) for part in places))


def tweets(folder: Path, seed: int) -> Drifted:
    """Return tweets with new topics."""
    frame = pl.read_parquet(folder / "tweet_sentiment" / "train.parquet").unique("text", maintain_order=True)
    return new_topics(Texts(frame["text"].to_list(), frame["label"].cast(pl.String).to_list()), seed)


def headlines(folder: Path, seed: int) -> Drifted:
    """Return headlines with new topics."""
    frame = pl.read_parquet(folder / "clickbait" / "headlines.parquet").unique("text", maintain_order=True)
    return new_topics(Texts(frame["text"].to_list(), frame["label"].to_list()), seed)


def news(folder: Path, seed: int) -> Drifted:
    """Return titles to learn from and descriptions to answer."""
    frame = pl.read_parquet(folder / "news_topics" / "train.parquet").sample(fraction=1, shuffle=True, seed=seed)
    titles = Texts(frame["title"].to_list(), frame["label"].to_list())
    bodies = Texts(frame["description"].to_list(), frame["label"].to_list())
    at = TRAIN + OLD
    stream, test = range(at, at + 3_500), range(at + 3_500, len(titles.texts))
    parts = (titles.some(range(TRAIN)), bodies.some(stream), bodies.some(test), titles.some(range(TRAIN, at)))
    return Drifted(*parts)


def fitted(train: Texts, task: Task) -> LinearModel:
    """Return a model of these texts."""
    return LinearModel.fit(train.texts, task.encode(train.labels), task)


def accuracy(model: LinearModel, texts: Texts, task: Task) -> float:
    """Return the share of right answers."""
    return float((model.logits(texts.texts).argmax(1) == np.asarray(task.encode(texts.labels)).ravel()).mean())


def confidence_of(model: LinearModel, texts: Sequence[str]) -> np.ndarray:
    """Return the highest probability of each answer."""
    logits = model.logits(texts).astype(np.float64)
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return (exponents / exponents.sum(1, keepdims=True)).max(1)


def reference(model: LinearModel, found: Drifted, task: Task) -> Reference:
    """Return what a bundle would hold of the texts like those of training."""
    right = model.logits(found.old.texts).argmax(1) == np.asarray(task.encode(found.old.labels)).ravel()
    confidence = confidence_of(model, found.old.texts)
    return reference_of(Answers(found.old.texts, confidence, {}), found.train.texts, promise_of(confidence, right))


def choices(model: LinearModel, found: Drifted, task: Task, count: int, seed: int) -> dict[str, list[int]]:
    """Return the places in the stream that each way of choosing chooses."""
    texts = found.stream.texts
    known = reference(model, found, task)
    answers = model.logits(texts).argmax(1)
    sure = confidence_of(model, texts)
    entries = [
        Entry(place, f"m.{place:08x}", "m", "1", text, (task.labels[answers[place]],), (1.0,), float(sure[place]))
        for place, text in enumerate(texts)
    ]
    rows = table_of(entries, known.vocabulary, kept=str).lazy()
    pool = draw_pool(rows, seed=seed)
    places = [int(one.partition(".")[2], 16) for one in pool.frame["id"]]
    novelty = novelty_of(pool.frame["text"].to_list(), known)
    groups = find_near_duplicates(pool.frame["text"].to_list(), 0.6).group.tolist()
    queue = queue_of(pool, novelty, groups, limit=count)
    alone = {ranked[0].reason: ranked[:count] for ranked in rankings(pool, novelty, count) if ranked}
    return {
        "random": places[:count],
        "queue": [places[one.place] for one in queue if one.reason != RANDOM],
        **{f"{reason} alone": [places[one.place] for one in ranked] for reason, ranked in alone.items()},
    }


def main() -> None:
    """Print a table for each stream."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--stream", choices=["tweets", "headlines", "news"])
    given = parser.parse_args()
    for name, stream in (("tweets", tweets), ("headlines", headlines), ("news", news)):
        if given.stream not in (None, name):
            continue
        gains: dict[tuple[str, int], list[tuple[float, float]]] = {}
        before: list[tuple[float, float]] = []
        for seed in range(given.seeds):
            found = stream(given.data, seed)
            task = make_task("single", sorted(set(found.train.labels)))
            model = fitted(found.train, task)
            base = (accuracy(model, found.test, task), accuracy(model, found.old, task))
            before.append(base)
            for way, places in choices(model, found, task, given.texts, seed).items():
                for weight in WEIGHTS:
                    again = fitted(found.train.with_(found.stream.some(places), weight), task)
                    now = (accuracy(again, found.test, task), accuracy(again, found.old, task))
                    gains.setdefault((way, weight), []).append((now[0] - base[0], now[1] - base[1]))
        _show(name, np.array(before), gains)


def _show(name: str, before: np.ndarray, gains: dict[tuple[str, int], list[tuple[float, float]]]) -> None:
    """Print how many points each way gains, with the standard error over the seeds."""
    new, old = before.mean(axis=0)
    print(f"\n{name}: {new:.1%} on the drifted stream, {old:.1%} on texts like those of training", flush=True)
    for (way, weight), values in gains.items():
        points = 100 * np.array(values)
        spread = points.std(axis=0, ddof=1) / np.sqrt(len(points)) if len(points) > 1 else points[0] * 0
        told = [f"{mean:+6.2f} ± {error:.2f}" for mean, error in zip(points.mean(axis=0), spread, strict=True)]
        print(f"  {way:18} x{weight:<3} {told[0]}   old {told[1]}", flush=True)


if __name__ == "__main__":
    main()
