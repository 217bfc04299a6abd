import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from copydesk.data.dataset import PARTS, Dataset, load_dataset
from copydesk.data.labelled import read_labelled
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError
from copydesk.normalise import steps_of
from copydesk.progress import Silent
from copydesk.recipe import Recipe, override, parse_recipe
from fakes import Listener, toy_rows, write_csv

SINGLE = parse_recipe({"name": "toy"})
MULTI = parse_recipe({"name": "toy", "task": "multi"})
VOTES = [{"function": "words", "label": "sport"}]
Row = dict[str, Any]


def shares(**probabilities: float | None) -> list[Row]:
    """Return a cell of the column `probabilities`."""
    return [{"label": name, "probability": probability} for name, probability in probabilities.items()]


def weak_rows(count: int = 240, sure: float = 0.8) -> list[Row]:
    """Return toy texts, each with its label's probability and the other's."""
    other = {"sport": "money", "money": "sport"}
    return [
        {"text": text, "label": label, "probabilities": shares(**{label: sure, other[label]: 1 - sure})}
        for text, label in toy_rows(count)
    ]


def write_parquet(folder: Path, rows: list[Row]) -> Path:
    """Write rows as Parquet, whatever keys each has, and return the path."""
    path = folder / "labelled.parquet"
    pl.DataFrame(rows, infer_schema_length=None, strict=False).write_parquet(path)
    return path


def prepared(folder: Path, rows: list[Row], recipe: Recipe = SINGLE, listener: Listener | None = None) -> Dataset:
    """Return the Dataset of these rows."""
    return prepare_dataset(recipe, write_parquet(folder, rows), progress=listener)


def stored(dataset: Dataset, text: str) -> dict[str, float] | None:
    """Return what the Dataset holds for one text."""
    cell = dataset.frame.filter(pl.col("text") == text)["probabilities"].to_list()[0]
    return None if cell is None else {entry["label"]: pytest.approx(entry["probability"]) for entry in cell}


def test_probabilities_reach_the_dataset_and_survive_being_saved(tmp_path: Path) -> None:
    rows = weak_rows()
    rows[0]["probabilities"] = None
    dataset = prepared(tmp_path, rows)
    assert stored(dataset, rows[1]["text"]) == {"money": 0.8, "sport": 0.2}
    assert stored(dataset, rows[0]["text"]) is None
    dataset.save(tmp_path / "set")
    again = load_dataset(tmp_path / "set")
    assert again.frame.equals(dataset.frame) and again.content_hash() == dataset.content_hash()
    for part in PARTS:
        texts, labels = dataset.part(part)
        found = dataset.probabilities(part)
        assert found is not None and found.shape == (len(texts), 2)
        sure = [dataset.labels[place] for place in np.nan_to_num(found, nan=-1).argmax(axis=1)]
        assert all(np.isnan(row).all() or name == label for row, name, label in zip(found, sure, labels, strict=True))


def test_the_content_hash_sees_probabilities_and_without_them_stays_what_it_was(tmp_path: Path) -> None:
    hard = prepared(tmp_path, [{key: row[key] for key in ("text", "label")} for row in weak_rows()])
    surer, less_sure = prepared(tmp_path, weak_rows(sure=0.9)), prepared(tmp_path, weak_rows(sure=0.7))
    empty = prepared(tmp_path, [{**row, "probabilities": []} for row in weak_rows()])
    assert len({hard.content_hash(), surer.content_hash(), less_sure.content_hash()}) == 3
    assert hard.content_hash() == "c1a9becf6665a615bf6641c4662336ef0e24e9c0aa27d44f115b3ca6fbd9f0b4"
    assert empty.content_hash() == hard.content_hash()
    assert "probabilities" not in empty.frame.columns and "weak_rows_by_part" not in empty.manifest


def test_probabilities_that_miss_1_by_rounding_are_scaled(tmp_path: Path) -> None:
    rows = weak_rows()
    rows[0]["probabilities"] = shares(sport=0.333, money=0.666)
    assert stored(prepared(tmp_path, rows), rows[0]["text"]) == {"sport": 1 / 3, "money": 2 / 3}


def test_probabilities_of_merged_labels_add_up(tmp_path: Path) -> None:
    rows = weak_rows()
    rows[0] |= {"label": "football", "probabilities": shares(football=0.5, money=0.3, sport=0.2)}
    (tmp_path / "aliases.yaml").write_text("football: sport")
    dataset = prepared(tmp_path, rows, override(SINGLE, {"aliases": str(tmp_path / "aliases.yaml")}))
    assert dataset.labels == ("money", "sport")
    assert stored(dataset, rows[0]["text"]) == {"money": 0.3, "sport": 0.7}


def test_where_labels_do_not_exclude_each_other_the_highest_of_merged_ones_counts(tmp_path: Path) -> None:
    rows = [{**row, "label": [row["label"]]} for row in weak_rows()]
    rows[0] |= {"label": ["football"], "probabilities": shares(football=0.7, money=0.6, sport=0.4)}
    (tmp_path / "aliases.yaml").write_text("football: sport")
    dataset = prepared(tmp_path, rows, override(MULTI, {"aliases": str(tmp_path / "aliases.yaml")}))
    assert stored(dataset, rows[0]["text"]) == {"money": 0.6, "sport": 0.7}


def test_rare_labels_leave_the_probabilities_too(tmp_path: Path) -> None:
    rows = [{**row, "label": [row["label"]]} for row in weak_rows()]
    rows[0] |= {"label": ["odd", "sport"], "probabilities": shares(odd=0.9, sport=0.6, money=0.1)}
    dataset = prepared(tmp_path, rows, override(MULTI, {"prepare.min_support": 3}))
    assert dataset.labels == ("money", "sport")
    assert stored(dataset, rows[0]["text"]) == {"money": 0.1, "sport": 0.6}


def test_a_label_that_every_row_lists_and_none_has_is_left_out_and_the_rest_scaled(tmp_path: Path) -> None:
    rows = weak_rows()
    for row in rows:
        row["probabilities"] = [*shares(weather=0.2), *shares(**{row["label"]: 0.6}), *shares(other=0.0)]
        row["probabilities"] += shares(**{"money" if row["label"] == "sport" else "sport": 0.2})
    listener = Listener()
    dataset = prepared(tmp_path, rows, listener=listener)
    assert stored(dataset, rows[0]["text"]) == {"money": 0.25, "sport": 0.75}
    assert any(
        "'weather': probable in places but no row's own label; left out, 20.0%" in line for line in listener.warned
    )


def test_copies_that_go_take_their_probabilities_with_them(tmp_path: Path) -> None:
    rows = weak_rows()
    rows += [{**rows[0], "text": rows[0]["text"].upper(), "probabilities": shares(sport=0.55, money=0.45)}]
    dataset = prepared(tmp_path, rows)
    assert dataset.manifest["dropped"]["exact copy"] == 1
    assert stored(dataset, rows[0]["text"]) == {"money": 0.2, "sport": 0.8}


def test_of_a_conflict_the_winners_keep_their_probabilities(tmp_path: Path) -> None:
    rows = weak_rows()
    copies = [{**rows[0], "label": "money", "probabilities": shares(money=sure, sport=1 - sure)} for sure in (0.7, 0.9)]
    assert stored(prepared(tmp_path, [*rows, *copies]), rows[0]["text"]) == {"money": 0.7, "sport": 0.3}


def test_a_label_that_a_conflict_united_has_no_probabilities_and_stays_weak(tmp_path: Path) -> None:
    rows = [{**row, "label": [row["label"]]} for row in weak_rows()]
    rows += [{**rows[0], "label": ["money"], "probabilities": shares(money=0.9, sport=0.1)}]
    dataset = prepared(tmp_path, rows, MULTI)
    assert stored(dataset, rows[0]["text"]) is None
    assert sum(dataset.manifest["weak_rows_by_part"].values()) == dataset.frame.height


def test_people_outrank_labelling_functions(tmp_path: Path) -> None:
    rows: list[Row] = [{**row, "gold": None} for row in weak_rows()]
    first, second = rows[0], rows[1]
    first["gold"] = "money"
    copies = [{**first, "gold": None}] * 3  # three weak copies do not outvote the person
    unlabelled = {"text": "a text that no function knew", "label": None, "probabilities": None, "gold": "sport"}
    recipe = override(SINGLE, {"weak.gold": "gold"})
    dataset = prepared(tmp_path, [*copies, *rows, unlabelled], recipe)
    labels = {text: label for part in PARTS for text, label in zip(*dataset.part(part), strict=True)}
    assert labels[first["text"]] == "money" and stored(dataset, first["text"]) is None
    assert labels[unlabelled["text"]] == "sport" and stored(dataset, unlabelled["text"]) is None
    assert stored(dataset, second["text"]) == {"money": 0.8, "sport": 0.2}
    assert dataset.manifest["dropped"]["weak label of a text that people labelled"] == 3
    assert sum(dataset.manifest["weak_rows_by_part"].values()) == dataset.frame.height - 2


def test_votes_alone_make_labels_weak(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "toy", "task": "signals", "categories": {"crime": ["theft"], "sports": ["game"]}})
    rows: list[Row] = [
        {
            "text": text,
            "label": [{"category": "sports" if label == "sport" else "crime", "score": 0.5, "tag": ""}],
            "votes": VOTES if place % 2 else None,
        }
        for place, (text, label) in enumerate(toy_rows())
    ]
    dataset = prepared(tmp_path, rows, recipe)
    assert "probabilities" not in dataset.frame.columns
    assert sum(dataset.manifest["weak_rows_by_part"].values()) == pytest.approx(dataset.frame.height / 2, abs=3)


def test_a_column_of_votes_that_holds_something_else_says_nothing(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, [{"text": text, "label": label, "votes": 17} for text, label in toy_rows()])
    assert dataset.weak_rows("test") == 0


def test_a_label_that_was_corrected_beside_its_probabilities_is_warned_about(tmp_path: Path) -> None:
    rows = weak_rows()
    rows[3]["label"] = "sport" if rows[3]["label"] == "money" else "money"
    listener = Listener()
    prepared(tmp_path, rows, listener=listener)
    assert any(
        "1 rows have another label than their most probable one (labelled.parquet:4)" in w for w in listener.warned
    )


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (shares(sport=1.2, money=-0.2), "has 1.2 for 'sport', which is no probability from 0 to 1"),
        (shares(sport=-0.1, money=1.0), "has -0.1 for 'sport', which is no probability"),
        (shares(sport=float("nan"), money=1.0), "has nan for 'sport', which is no probability"),
        (shares(sport=None, money=1.0), "has None for 'sport', which is no probability"),
        (shares(sport=0.5, money=0.4), "has probabilities that add up to 0.9; for task 'single' they must make 1"),
        (shares(sprot=0.5, money=0.5), "the label 'sprot', which is no row's own label. Did you mean 'sport'"),
        ([*shares(sport=0.5), *shares(sport=0.5)], "has the label 'sport' twice; keep one"),
        ([{"label": " ", "probability": 1.0}], "has a probability without a label"),
        ([None], "has a probability without a label"),
    ],
)
def test_a_probability_that_makes_no_sense_is_refused_with_its_row(
    tmp_path: Path, cell: list[Row | None], message: str
) -> None:
    rows = weak_rows()
    rows[6]["probabilities"] = cell
    with pytest.raises(DataError, match=r"labelled\.parquet:7: column 'probabilities' .*" + message):
        prepared(tmp_path, rows)


def test_probabilities_of_several_labels_need_not_add_up(tmp_path: Path) -> None:
    rows = [{**row, "label": [row["label"]]} for row in weak_rows()]
    rows[0]["probabilities"] = shares(sport=0.9, money=0.8)
    assert stored(prepared(tmp_path, rows, MULTI), rows[0]["text"]) == {"money": 0.8, "sport": 0.9}
    rows[0]["probabilities"] = shares(sport=1.1)
    with pytest.raises(DataError, match=r"labelled\.parquet:1: .* 1.1 for 'sport'"):
        prepared(tmp_path, rows, MULTI)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("sport: 0.8", "String"),
        (0.8, "Float64"),
        ([0.8, 0.2], "List"),
        ({"sport": 0.8, "money": 0.2}, "Struct"),
        ([{"label": "sport", "share": "0.8"}], "List"),
        ([{"label": "sport", "probability": "0.8"}], "List"),
        ([{"label": ["sport"], "probability": 0.8}], "List"),
    ],
)
def test_a_column_of_another_shape_is_refused_with_what_was_expected(tmp_path: Path, cell: object, kind: str) -> None:
    rows = [{"text": text, "label": label, "probabilities": None} for text, label in toy_rows()]
    rows[4]["probabilities"] = cell  # type: ignore[assignment]
    with pytest.raises(
        DataError, match=rf"parquet:5: column 'probabilities' holds {kind}.*; expected a list of .*label"
    ):
        prepared(tmp_path, rows)


def test_a_csv_can_hold_no_probabilities(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", [(*row, "0.8") for row in toy_rows()], ("text", "label", "probabilities"))
    with pytest.raises(DataError, match=r"rows\.csv:1: .* holds String; .* \(Parquet or JSONL\). Rename it"):
        prepare_dataset(SINGLE, path)


def test_jsonl_can_hold_probabilities(tmp_path: Path) -> None:
    rows = weak_rows()
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    dataset = prepare_dataset(SINGLE, tmp_path / "rows.jsonl")
    assert stored(dataset, rows[1]["text"]) == {"money": 0.8, "sport": 0.2}


def test_for_signals_the_column_is_refused(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "toy", "task": "signals", "categories": {"sport": [], "money": []}})
    rows = [{**row, "label": [{"category": row["label"], "score": 0.5, "tag": ""}]} for row in weak_rows()]
    with pytest.raises(
        DataError, match="is for the tasks 'single' and 'multi': the scores of 'signals' are soft already"
    ):
        prepared(tmp_path, rows, recipe)


def test_labels_that_are_numbers_have_probabilities_by_the_same_names(tmp_path: Path) -> None:
    rows = [
        {
            "text": text,
            "label": int(label == "sport"),
            "probabilities": [
                {"label": int(label == "sport"), "probability": 0.75},
                {"label": int(label != "sport"), "probability": 0.25},
            ],
        }
        for text, label in toy_rows()
    ]
    assert stored(prepared(tmp_path, rows), rows[0]["text"]) == {"0": 0.25, "1": 0.75}


@pytest.mark.parametrize("gold", [None, "label"])
def test_labels_that_the_rows_came_with_outrank_what_functions_said_later(gold: str | None, tmp_path: Path) -> None:
    rows: list[Row] = [{**row, "votes": VOTES, "label_given": None} for row in weak_rows()]
    rows[0]["label_given"] = other = "money" if rows[0]["label"] == "sport" else "sport"
    dataset = prepared(tmp_path, rows, override(SINGLE, {"weak.gold": gold} if gold else {}))
    found = dataset.frame.filter(pl.col("text") == rows[0]["text"])
    assert found["label"].to_list() == [other] and found["probabilities"].to_list() == [None]


def test_a_missing_column_of_gold_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="weak.gold names the column 'gold', which is missing; the data has: text, label"
    ):
        prepared(tmp_path, weak_rows(), override(SINGLE, {"weak.gold": "gold"}))


def test_measuring_says_how_many_labels_are_weak_and_takes_gold_where_it_is(tmp_path: Path) -> None:
    rows = [{**row, "gold": "sport" if place < 10 else None} for place, row in enumerate(weak_rows(40))]
    path = str(write_parquet(tmp_path, rows))
    recipe = override(SINGLE, {"weak.gold": "gold"})
    found = read_labelled(recipe, path, steps=steps_of("web"), progress=Silent())
    assert found.weak == 30 and found.labels[:10] == ["sport"] * 10
    plain = str(write_csv(tmp_path / "plain.csv", toy_rows(40)))
    assert read_labelled(recipe, plain, steps=steps_of("web"), progress=Silent()).weak == 0
    prepared(tmp_path, weak_rows()).save(tmp_path / "set")
    measured = read_labelled(SINGLE, str(tmp_path / "set"), steps=steps_of("web"), progress=Silent())
    assert measured.weak == len(measured.texts)
