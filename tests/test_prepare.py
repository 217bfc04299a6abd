from pathlib import Path

import polars as pl
import pytest

from copydesk.data.dataset import load_dataset
from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError, RecipeError, SourceError, UsageError
from copydesk.recipe import Recipe, override, parse_recipe
from fakes import toy_rows, write_csv

RECIPE = parse_recipe({"name": "toy"})


def _prepare(path: Path, rows: list[tuple[str, str]], recipe: Recipe = RECIPE) -> pl.DataFrame:
    return prepare_dataset(recipe, write_csv(path / "rows.csv", rows)).frame


def test_the_manifest_says_what_was_dropped_and_why(tmp_path: Path) -> None:
    rows = [
        *toy_rows(),
        ("", "sport"),
        ("no label here", ""),
        toy_rows()[0],
        (toy_rows()[1][0] + " !", toy_rows()[1][1]),
    ]
    manifest = prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", rows)).manifest
    assert manifest["rows_read"] == 244
    assert (
        manifest["dropped"]["empty text"] == manifest["dropped"]["no label"] == manifest["dropped"]["exact copy"] == 1
    )
    assert manifest["dropped"]["near-copy"] >= 1
    assert manifest["rows"] == 244 - sum(manifest["dropped"].values())
    assert sum(sum(counts.values()) for counts in manifest["counts"].values()) == manifest["rows"]


def test_no_near_copy_of_a_test_text_is_in_training(tmp_path: Path) -> None:
    chatter = [(f"{text} extra{number}", label) for text, label in toy_rows(150) for number in range(3)]
    recipe = override(RECIPE, {"prepare.dedupe": "exact"})
    frame = _prepare(tmp_path, chatter, recipe)
    texts, parts = frame["text"].to_list(), frame["split"].to_list()
    pairs = find_near_duplicates(texts, recipe.prepare.split.similarity).pairs
    assert len(pairs) > 100
    assert all(parts[first] == parts[second] for first, second in pairs)


def test_a_near_copy_with_another_label_stays_but_in_the_same_part(tmp_path: Path) -> None:
    twins = [
        ("the food in this place was really very good indeed", "sport"),
        ("the food in this place was really very bad indeed", "money"),
    ]
    frame = _prepare(tmp_path, [*toy_rows(), *twins])
    rows = frame.filter(pl.col("text").str.contains("food"))
    assert rows.height == 2
    assert rows["split"].n_unique() == 1


def test_rows_can_be_split_one_by_one_with_all_copies_kept(tmp_path: Path) -> None:
    recipe = override(RECIPE, {"prepare.dedupe": "none", "prepare.split.by": "row"})
    frame = _prepare(tmp_path, [*toy_rows(), toy_rows()[0]], recipe)
    assert frame.height == 241
    assert frame["id"].n_unique() == 241


def test_the_same_rows_give_the_same_dataset(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", toy_rows())
    first, second = prepare_dataset(RECIPE, path), prepare_dataset(RECIPE, path)
    assert first.content_hash() == second.content_hash()
    assert first.frame.equals(second.frame)


def test_a_dataset_survives_being_saved_and_is_taken_as_it_is(tmp_path: Path) -> None:
    dataset = prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", toy_rows()))
    dataset.save(tmp_path / "set")
    again = prepare_dataset(override(RECIPE, {"prepare.split.test": 0.5}), tmp_path / "set")
    assert again.frame.equals(dataset.frame)
    assert again.manifest["content"] == dataset.content_hash()


def test_a_changed_dataset_is_refused(tmp_path: Path) -> None:
    prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", toy_rows())).save(tmp_path / "set")
    with (tmp_path / "set" / "data.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(SourceError, match="was changed after it was prepared"):
        load_dataset(tmp_path / "set")
    (tmp_path / "set" / "manifest.json").write_text("{}")
    with pytest.raises(SourceError, match="is not a Dataset's manifest"):
        load_dataset(tmp_path / "set")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a b c", "x"), ("d e f", "x")], "All 2 rows have the label 'x'; at least two labels are needed"),
        ([("a b c", "x"), ("d e f", "x"), ("g h i", "y")], "have fewer than 2 rows left: 'y'"),
        ([(" ", "x"), ("", "y")], "None of the 2 rows can be used: 2 empty text"),
        ([], "None of the 0 rows can be used: there were none"),
        ([("a b c", "x"), ("d e f", "x"), ("g h i", "y"), ("j k l", "y")], "4 rows are too few: the validation part"),
        ([(f"text number {number}", f"label {number}") for number in range(1_500)], "1,500 distinct labels, more than"),
    ],
)
def test_data_that_cannot_train_a_model_is_refused(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _prepare(tmp_path, rows)


def test_integer_labels_stay_the_names_they_are(tmp_path: Path) -> None:
    rows = [(text, "1" if label == "sport" else "0") for text, label in toy_rows()]
    assert prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", rows)).labels == ("0", "1")


def test_a_very_long_text_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [*toy_rows(), ("word " * 2_000_000, "sport")]
    manifest = prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", rows)).manifest
    assert manifest["dropped"] == {"longer than 100,000 characters": 1}


def test_without_source_or_data_it_asks_for_one() -> None:
    with pytest.raises(RecipeError, match="has no source. Add one, or give the data with --data"):
        prepare_dataset(RECIPE)
    with pytest.raises(UsageError, match="does not exist"):
        prepare_dataset(RECIPE, "nothing.csv")
