"""Majority and Dawid-Skene on tables of votes, made by hand or drawn from functions whose worth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from copydesk.labelling.dawid_skene import DawidSkene
from copydesk.labelling.majority import Majority
from copydesk.labelling.settle import VoteModel, settle
from copydesk.labelling.votes import Votes
from copydesk.recipe import parse_recipe

Row = tuple[int, str, str, bool]


def make_votes(rows: Sequence[Row], texts: int, labels: Sequence[str]) -> Votes:
    functions = sorted({function for _, function, _, _ in rows})
    schema = {
        "text": pl.UInt32(),
        "function": pl.Enum(functions),
        "label": pl.Enum(labels),
        "yes": pl.Boolean(),
        "score": pl.Float64(),
        "tag": pl.Enum([""]),
    }
    table = pl.DataFrame([(*row, None, "") for row in sorted(rows)], schema, orient="row")
    return Votes(table, texts, tuple(functions), tuple(labels), {})


def _drawn(accuracies: dict[str, float], texts: int, seed: int = 5) -> tuple[Votes, np.ndarray]:
    """Return votes of functions that each speak for one label ('good_1' for 'good') with these precisions."""
    rng = np.random.default_rng(seed)
    labels = ("bad", "good")
    truth = rng.integers(0, 2, texts)
    rows: list[Row] = []
    for function, precision in accuracies.items():
        own = labels.index(function.partition("_")[0])
        fires = np.where(truth == own, 0.5 * precision, 0.5 * (1 - precision))
        rows += [(int(text), function, labels[own], True) for text in np.flatnonzero(rng.random(texts) < fires)]
    return make_votes(rows, texts, labels), truth


def _accuracy(model: VoteModel, votes: Votes, truth: np.ndarray) -> float:
    covered = votes.table["text"].unique().to_numpy()
    probabilities = model.probabilities(votes.part(0, votes.texts), votes.texts)
    return float((probabilities.argmax(axis=1) == truth)[covered].mean())


def test_the_majority_is_the_share_of_votes() -> None:
    votes = make_votes([(0, "a", "x", True), (0, "b", "x", True), (0, "c", "y", True)], 2, "xyz")
    found = Majority(3, exclusive=True).probabilities(votes.part(0, 2), 2)
    assert found == pytest.approx(np.array([[2 / 3, 1 / 3, 0], [0, 0, 0]]))


def test_of_several_labels_each_is_a_question_of_its_own() -> None:
    rows = [(0, "a", "x", True), (0, "b", "x", False), (0, "c", "y", True), (1, "a", "z", False)]
    found = Majority(3, exclusive=False).probabilities(make_votes(rows, 3, "xyz").part(0, 3), 3)
    assert found.tolist() == [[0.5, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_functions_that_are_often_wrong_weigh_less() -> None:
    accuracies = {"good_1": 0.9, "good_2": 0.9, "good_3": 0.9, "bad_1": 0.9, "bad_2": 0.9, "bad_3": 0.5, "bad_4": 0.5}
    votes, truth = _drawn(accuracies, 4_000)
    counted = _accuracy(Majority(2, exclusive=True), votes, truth)
    weighed = _accuracy(DawidSkene(votes, exclusive=True), votes, truth)
    assert weighed > counted + 0.01


def test_probabilities_do_not_promise_too_much_where_functions_are_independent() -> None:
    accuracies = {f"{label}_{number}": 0.8 for label in ("good", "bad") for number in range(4)}
    votes, truth = _drawn(accuracies, 4_000)
    found = DawidSkene(votes, exclusive=True).probabilities(votes.part(0, 4_000), 4_000)
    sure = found.max(axis=1)
    covered = sure > 0
    assert found[covered].sum(axis=1) == pytest.approx(np.ones(covered.sum()))
    right = (found.argmax(axis=1) == truth)[covered]
    assert right.mean() - 0.1 < sure[covered].mean() < right.mean() + 0.02


def test_texts_without_votes_have_no_probabilities() -> None:
    rows = [(0, name, "x", True) for name in "abc"] + [(1, name, "y", True) for name in "def"]
    model = DawidSkene(make_votes(rows, 3, "xy"), exclusive=True)
    assert model.probabilities(make_votes(rows, 3, "xy").part(0, 3), 3)[2].tolist() == [0, 0]


def test_the_names_and_order_of_labels_do_not_matter() -> None:
    votes, _ = _drawn({"good_1": 0.9, "good_2": 0.7, "good_3": 0.6, "bad_1": 0.9, "bad_2": 0.6, "bad_3": 0.6}, 500)
    rows = [(text, function, label, yes) for text, function, label, yes, _, _ in votes.table.iter_rows()]
    turned = make_votes(rows, 500, ["good", "bad"])
    first = DawidSkene(votes, exclusive=True).probabilities(votes.part(0, 500), 500)
    second = DawidSkene(turned, exclusive=True).probabilities(turned.part(0, 500), 500)
    assert first == pytest.approx(second[:, ::-1])


def test_a_part_of_the_texts_gets_what_it_gets_among_all() -> None:
    votes, _ = _drawn({"good_1": 0.9, "good_2": 0.7, "good_3": 0.6, "bad_1": 0.9, "bad_2": 0.6, "bad_3": 0.6}, 500)
    for exclusive in (True, False):
        model = DawidSkene(votes, exclusive=exclusive)
        whole = model.probabilities(votes.part(0, 500), 500)
        assert model.probabilities(votes.part(200, 300), 100) == pytest.approx(whole[200:300])


def _questions(texts: int = 4_000) -> tuple[Votes, np.ndarray]:
    """Return votes on one rare label 'x' by three good functions and a poor one, and on 'y', which is always there."""
    rng = np.random.default_rng(3)
    truth = rng.random(texts) < 0.2
    rows: list[Row] = [(text, "every", "y", True) for text in range(texts)]
    for name, hits, misses in (("a", 0.6, 0.02), ("b", 0.6, 0.02), ("c", 0.5, 0.05), ("poor", 0.3, 0.25)):
        fires = rng.random(texts) < np.where(truth, hits, misses)
        rows += [(int(text), name, "x", True) for text in np.flatnonzero(fires)]
    return make_votes(rows, texts, ["x", "y"]), truth


def test_of_several_labels_silence_speaks_against_one() -> None:
    votes, truth = _questions()
    counted = Majority(2, exclusive=False).probabilities(votes.part(0, votes.texts), votes.texts)[:, 0]
    weighed = DawidSkene(votes, exclusive=False).probabilities(votes.part(0, votes.texts), votes.texts)[:, 0]
    assert ((weighed >= 0.5) == truth).mean() > ((counted >= 0.5) == truth).mean() + 0.1
    only_poor = votes.table.filter(pl.col("label") == "x").group_by("text").agg(pl.col("function").cast(pl.String))
    alone = only_poor.filter(pl.col("function").list.join("") == "poor")["text"].to_numpy()
    assert len(alone) > 100 and weighed[alone].max() < 0.5


def test_labels_with_few_functions_are_counted() -> None:
    votes, _ = _questions(400)
    model = DawidSkene(votes, exclusive=False, labels=[0])
    assert set(model.probabilities(votes.part(0, 400), 400)[:, 1]) == {1.0}


def test_one_label_alone_is_certain() -> None:
    votes = make_votes([(0, "a", "x", True), (1, "b", "x", True)], 2, "x")
    assert DawidSkene(votes, exclusive=True).probabilities(votes.part(0, 2), 2).tolist() == [[1], [1]]


def test_a_function_against_a_label_lowers_it() -> None:
    rows = [(text, name, "x", True) for text in range(50) for name in "ab"]
    rows += [(text, "against", "x", False) for text in range(40, 60)]
    votes = make_votes(rows, 60, "x")
    found = DawidSkene(votes, exclusive=False).probabilities(votes.part(0, 60), 60)[:, 0]
    assert found[45] < found[0] and found[55] < 0.5


THREE = [(0, f"{label}{number}", label, True) for label in "xy" for number in range(3)]


@pytest.mark.parametrize(
    ("task", "rows", "wanted", "name", "why"),
    [
        ("single", THREE, "auto", "dawid_skene", "every label has 3 functions or more"),
        ("single", THREE[:-1], "auto", "majority", "'y' has 2 functions to vote for it, fewer than 3"),
        ("single", THREE, "majority", "majority", "the recipe says so"),
        ("single", THREE[:-1], "dawid_skene", "dawid_skene", "the recipe says so"),
        ("multi", THREE[:-1], "auto", "dawid_skene", "1 of 2 labels have 3 functions or more"),
        ("multi", THREE[1:3] + THREE[4:], "auto", "majority", "'x' has 2 functions"),
    ],
)
def test_auto_weighs_functions_where_there_are_enough(
    task: str, rows: list[Row], wanted: str, name: str, why: str
) -> None:
    settled = settle(make_votes(rows, 1, "xy"), parse_recipe({"name": "toy", "task": task, "weak": {"votes": wanted}}))
    assert settled.name == name and why in settled.why
