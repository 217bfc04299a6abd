"""What people said of texts from production, in a Dataset that is divided already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.data.review_file import Decision, Header, Item, Review, write_review
from copydesk.errors import DataError, RecipeError
from copydesk.normalise import text_id
from copydesk.recipe import Recipe, override, parse_recipe
from fakes import Listener, toy_rows, write_csv

RECIPE = parse_recipe({"name": "toy"})
NEW = "a wholly new story about cricket and wickets"
DRAWN = "something else again: tickets for the opera sold out"


def _item(text: str, decision: Decision = "change", label: str | None = "sport", **others: Any) -> Item:
    return Item(
        text_id(text), text, None, decision=decision, new_label=label if decision == "change" else None, **others
    )


def _with(recipe: Recipe, path: Path, *items: Item, repeat: int = 1, header: Header | None = None) -> Recipe:
    write_review(path, Review(header or Header("single", ("money", "sport"), recipe="toy"), items))
    return override(recipe, {"prepare.corrections": [str(path)], "prepare.repeat_corrections": repeat})


def _labels(dataset: Dataset, part: Any) -> dict[str, Any]:
    return dict(zip(*dataset.part(part), strict=True))


def test_training_labels_are_replaced_new_texts_join_and_the_rest_stays(tmp_path: Path, toy_csv: Path) -> None:
    plain = prepare_dataset(RECIPE, toy_csv)
    (wrong, label), (gone, _) = list(zip(*plain.part("train"), strict=True))[:2]
    held = plain.part("test")[0][0]
    other = {"sport": "money", "money": "sport"}[str(label)]
    items = [
        _item(wrong, label=other),
        _item(gone, "drop"),
        _item(held, label="sport"),
        _item(NEW, where="reviews/toy-1.jsonl:12"),
        _item(DRAWN, label="money", reason="random"),
        _item("nobody knows this text", "drop"),
    ]
    listener = Listener()
    recipe = _with(RECIPE, tmp_path / "said.jsonl", *items)
    dataset = prepare_dataset(recipe, toy_csv, progress=listener)
    train = _labels(dataset, "train")
    assert train[wrong] == other and gone not in train and train[NEW] == "sport"
    assert dataset.part("validation") == plain.part("validation")
    assert _labels(dataset, "test") == {**_labels(plain, "test"), DRAWN: "money"}
    assert dataset.sources("test")[-1] == "said.jsonl" and "reviews/toy-1.jsonl" in dataset.sources("train")
    facts = dataset.manifest["corrections"]
    assert (facts["labels_changed"], facts["dropped"], facts["left_as_they_are"]) == (1, 1, 1)
    assert (facts["joined_train"], facts["joined_test"], facts["of_no_use"]) == (1, 1, 1)
    parts = dataset.frame["split"].value_counts().iter_rows()
    assert dataset.manifest["rows_by_part"] == dict(parts)
    assert any("1 texts, drawn at random, join the test part" in line for line in listener.said)


def test_new_training_texts_are_repeated_as_often_as_asked(tmp_path: Path, toy_csv: Path) -> None:
    items = [_item(NEW), _item(DRAWN, reason="random")]
    dataset = prepare_dataset(_with(RECIPE, tmp_path / "said.jsonl", *items, repeat=3), toy_csv)
    assert dataset.part("train")[0].count(NEW) == 3 and dataset.part("test")[0].count(DRAWN) == 1
    assert dataset.frame["id"].n_unique() == dataset.frame.height


def test_what_resembles_a_text_of_another_part_is_left_out(tmp_path: Path, toy_csv: Path) -> None:
    plain = prepare_dataset(RECIPE, toy_csv)
    held, trained = plain.part("test")[0][0], plain.part("train")[0][0]
    items = [
        _item(f"{held}!"),
        _item(f"{trained}!", reason="random"),
        _item(DRAWN, reason="random"),
        _item(f"{DRAWN}!"),
    ]
    dataset = prepare_dataset(_with(RECIPE, tmp_path / "said.jsonl", *items), toy_csv)
    assert dataset.manifest["corrections"]["like_a_text_of_another_part"] == 3
    assert dataset.frame.height == plain.frame.height + 1


def test_a_prepared_dataset_takes_them_once_and_no_others(tmp_path: Path, toy_csv: Path) -> None:
    recipe = _with(RECIPE, tmp_path / "said.jsonl", _item(NEW))
    dataset = prepare_dataset(recipe, toy_csv)
    dataset.save(tmp_path / "dataset")
    assert prepare_dataset(recipe, tmp_path / "dataset").content_hash() == dataset.content_hash()
    for other in (RECIPE, _with(RECIPE, tmp_path / "others.jsonl", _item(DRAWN))):
        with pytest.raises(DataError, match="prepared with other corrections"):
            prepare_dataset(other, tmp_path / "dataset")


def test_a_masked_text_finds_the_training_text_by_the_hash_of_what_it_was(tmp_path: Path, toy_csv: Path) -> None:
    plain = prepare_dataset(RECIPE, toy_csv)
    text, label = plain.part("train")[0][0], plain.part("train")[1][0]
    other = {"sport": "money", "money": "sport"}[str(label)]
    masked = Item(text_id(text), "the [email] of somebody", None, decision="change", new_label=other)
    dataset = prepare_dataset(_with(RECIPE, tmp_path / "said.jsonl", masked), toy_csv)
    assert _labels(dataset, "train")[text] == other and dataset.frame.height == plain.frame.height


def test_lists_of_labels_join_in_their_own_form(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "papers", "task": "multi", "text": "text", "label": "codes"})
    rows = [(text, "a b" if label == "sport" else "b") for text, label in toy_rows(100)]
    data = write_csv(tmp_path / "rows.csv", rows, ("text", "codes"))
    item = Item(text_id(NEW), NEW, None, decision="change", new_label=["b", "a"])
    header = Header("multi", ("a", "b"))
    dataset = prepare_dataset(_with(recipe, tmp_path / "said.jsonl", item, header=header), data)
    assert _labels(dataset, "train")[NEW] == ("a", "b")


def test_other_tasks_unknown_labels_and_missing_files_are_told(tmp_path: Path, toy_csv: Path) -> None:
    with pytest.raises(RecipeError, match=r"prepare.corrections: '.*none.jsonl' does not exist"):
        prepare_dataset(override(RECIPE, {"prepare.corrections": [str(tmp_path / "none.jsonl")]}), toy_csv)
    said = _with(
        RECIPE, tmp_path / "said.jsonl", _item(NEW, label="weather"), header=Header("single", ("money", "weather"))
    )
    with pytest.raises(DataError, match=r"decides for 'weather', a label that the data does not have: money, sport"):
        prepare_dataset(said, toy_csv)
    several = _with(RECIPE, tmp_path / "several.jsonl", header=Header("multi", ("a", "b")))
    with pytest.raises(DataError, match="is about task 'multi', but the recipe's task is 'single'"):
        prepare_dataset(several, toy_csv)
