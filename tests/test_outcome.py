"""From votes and probabilities to what stands in the file, and what is told of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from copydesk.data.labels import LABELS
from copydesk.labelling.counts import Counts
from copydesk.labelling.gold import Gold
from copydesk.labelling.outcome import outcome_of
from copydesk.labelling.summary import summarise
from copydesk.labelling.voters import Faults
from copydesk.labelling.votes import Votes
from copydesk.recipe import Recipe, parse_recipe
from test_vote_models import make_votes

CATEGORIES = {"crime": ["police", "theft"], "sports": ["football"]}


def _signal_votes(rows: list[tuple[int, str, str, bool, float | None, str]], texts: int) -> Votes:
    schema = {
        "text": pl.UInt32(),
        "function": pl.Enum(sorted({row[1] for row in rows})),
        "label": pl.Enum(list(CATEGORIES)),
        "yes": pl.Boolean(),
        "score": pl.Float64(),
        "tag": pl.Enum(["", "football", "police", "theft"]),
    }
    table = pl.DataFrame(rows, schema, orient="row")
    return Votes(table, texts, tuple(sorted({row[1] for row in rows})), tuple(CATEGORIES), {})


def _recipe(task: str) -> Recipe:
    return parse_recipe({"name": "toy", "task": task, **({"categories": CATEGORIES} if task == "signals" else {})})


def test_the_clearly_most_probable_label_is_given() -> None:
    votes = make_votes([(0, "a", "x", True), (1, "a", "x", True), (1, "b", "y", True), (2, "b", "y", True)], 4, "xy")
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.46, 0.54], [0, 0]])
    table = outcome_of(votes.table, probabilities, votes.labels, "single")
    assert table["given"].to_list() == ["x", None, None, None]
    assert table["probabilities"].to_list() == [
        [{"label": "x", "probability": 0.9}, {"label": "y", "probability": 0.1}],
        None,
        None,
        None,
    ]
    assert table["votes"].to_list()[1:] == [
        [{"function": "a", "label": "x"}, {"function": "b", "label": "y"}],
        [{"function": "b", "label": "y"}],
        None,
    ]


def test_every_probable_label_is_given_with_all_probabilities() -> None:
    votes = make_votes([(0, "a", "x", True), (0, "b", "y", False), (1, "b", "y", False)], 3, "xyz")
    table = outcome_of(votes.table, np.array([[0.9, 0.5, 0], [0.1, 0, 0], [0, 0, 0]]), votes.labels, "multi")
    assert table["given"].to_list() == [["x", "y"], None, None]
    assert [entry["probability"] for entry in table["probabilities"][0]] == [0.9, 0.5, 0]
    assert table["votes"][0].to_list() == [{"function": "a", "label": "x"}, {"function": "b", "label": "not y"}]


def test_a_signal_has_the_mean_score_and_the_commonest_tag_of_its_votes() -> None:
    votes = _signal_votes(
        [
            (0, "a", "crime", True, -0.4, "police"),
            (0, "b", "crime", True, -0.6, "theft"),
            (0, "c", "crime", True, -0.8, ""),
            (0, "c", "sports", False, 0.0, ""),
            (1, "a", "sports", True, None, ""),
        ],
        3,
    )
    table = outcome_of(votes.table, np.array([[1.0, 0], [0, 1], [0, 0]]), votes.labels, "signals")
    assert "probabilities" not in table.columns
    first, second, third = table["given"].to_list()
    assert [(one["category"], round(one["score"], 9), one["tag"]) for one in first] == [("crime", -0.6, "theft")]
    assert second == [{"category": "sports", "score": 0.5, "tag": ""}] and third is None
    assert table["votes"][0].to_list()[1:] == [
        {"function": "b", "label": "crime/theft"},
        {"function": "c", "label": "crime"},
        {"function": "c", "label": "not sports"},
    ]


@pytest.mark.parametrize("task", ["single", "multi", "signals"])
def test_columns_have_the_types_that_prepare_reads(task: str) -> None:
    votes = make_votes([(0, "a", "x", True)], 1, "xy")
    table = outcome_of(votes.table, np.array([[1.0, 0.0]]), votes.labels, task)
    assert table.schema["given"] == LABELS[task].dtype
    struct = {"label": pl.String(), "probability": pl.Float64()}
    assert table.schema.get("probabilities") == (None if task == "signals" else pl.List(pl.Struct(struct)))


def _gold(values: list[object], task: str = "single") -> Gold:
    rows = pl.DataFrame({"truth": values}, strict=False).with_columns(_source=pl.lit("f"), _row=pl.int_range(pl.len()))
    return Gold.read(rows, "truth", _recipe(task))


def test_coverage_overlaps_conflicts_and_accuracy_are_shares() -> None:
    rows = [(0, "a", "x", True), (0, "b", "x", True), (1, "a", "x", True), (1, "b", "y", True), (2, "a", "x", True)]
    votes = make_votes(rows, 5, "xy")
    first, second = summarise(votes, _gold(["x", "x", None, "y", "y"]), exclusive=True)
    assert (first.name, first.labels, first.texts) == ("a", ["x"], 3)
    assert (first.coverage, first.overlaps, first.conflicts) == (0.6, 0.4, 0.2)
    assert (first.accuracy, first.measured) == (1.0, 2)
    assert (second.labels, second.accuracy, second.measured) == (["x", "y"], 0.5, 2)


def test_without_labels_by_people_nothing_is_measured() -> None:
    assert summarise(make_votes([(0, "a", "x", True)], 1, "xy"), None, exclusive=True)[0].accuracy is None


def test_yes_and_no_on_one_label_conflict_and_other_labels_do_not() -> None:
    rows = [(0, "a", "x", True), (0, "b", "x", False), (1, "a", "x", True), (1, "b", "y", True)]
    found = summarise(make_votes(rows, 2, "xy"), _gold([["x"], ["y"]], "multi"), exclusive=False)
    assert [(one.overlaps, one.conflicts, one.accuracy) for one in found] == [(1.0, 0.5, 0.5), (1.0, 0.5, 0.5)]


def test_signals_conflict_by_direction_and_tag() -> None:
    rows = [
        (0, "a", "crime", True, -0.4, ""),
        (0, "b", "crime", True, 0.4, ""),
        (1, "a", "crime", True, -0.4, "theft"),
        (1, "b", "crime", True, -0.5, "police"),
        (2, "a", "crime", True, -0.4, "theft"),
        (2, "b", "crime", True, -0.9, ""),
    ]
    found = summarise(_signal_votes(rows, 4), None, exclusive=False)
    assert [one.conflicts for one in found] == [0.5, 0.5]


def test_a_category_that_people_left_open_is_not_measured() -> None:
    gold = _gold([[{"category": "crime", "score": -0.5, "tag": ""}], None], "signals")
    rows = [(0, "a", "crime", True, -0.4, ""), (0, "b", "sports", True, 0.4, ""), (1, "a", "crime", True, -0.4, "")]
    found = summarise(_signal_votes(rows, 2), gold, exclusive=False)
    assert [(one.accuracy, one.measured) for one in found] == [(1.0, 1), (None, 0)]


def test_what_went_wrong_stands_with_its_function() -> None:
    votes = make_votes([(0, "a", "x", True)], 1, "x")
    faults = Faults(failures=2, first="KeyError")
    assert summarise(Votes(votes.table, 1, ("a",), ("x",), {"a": faults}), None, exclusive=True)[0].faults == faults


def test_texts_are_counted_by_what_they_got_part_by_part() -> None:
    votes = make_votes([(0, "a", "x", True), (1, "a", "x", True), (1, "b", "y", True)], 3, "xy")
    table = outcome_of(votes.table, np.array([[1.0, 0], [0.5, 0.5], [0, 0]]), votes.labels, "single")
    counts, gold = Counts(), _gold(["x", "x", "y", "y", "y", "x"])
    counts.add(table, gold)
    counts.add(table, gold)
    assert (counts.texts, counts.labelled, counts.undecided, counts.without_votes) == (6, 2, 2, 2)
    assert counts.labels == {"x": 2}
    assert counts.agreement is not None and (counts.agreement.texts, counts.agreement.f1) == (2, 0.5)


def test_several_labels_agree_by_f1() -> None:
    given = pl.DataFrame({"text": [0, 0, 1], "label": ["x", "y", "z"]}, {"text": pl.UInt32(), "label": pl.String()})
    agreement = _gold([["x"], ["z"], ["x"]], "multi").agreement(given)
    assert (agreement.right, agreement.given, agreement.true) == (2, 3, 2)
    assert agreement.f1 == pytest.approx(0.8)
