from pathlib import Path

import pytest

from copydesk.data.labelled import read_labelled
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError
from copydesk.recipe import parse_recipe
from copydesk.types import Signal
from fakes import Listener, toy_rows, write_csv

MULTI = parse_recipe({"name": "toy", "task": "multi"})
STEPS = ("spaces",)


def test_labels_the_model_does_not_know_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", [("one", "a|new"), ("two", "b"), ("three", "new"), ("four", "newer|a|b")])
    listener = Listener()
    found = read_labelled(MULTI, str(path), steps=STEPS, progress=listener, known=("a", "b"))
    assert found.texts == ["one", "two", "four"]
    assert found.labels == [("a",), ("b",), ("a", "b")]
    assert listener.warned == [
        "The model does not know 2 labels ('new', 'newer'): they are left out of 3 places, and 1 rows have no other "
        "label and are left out."
    ]


def test_rows_without_any_known_label_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", [("one", "x"), ("two", "y")])
    with pytest.raises(DataError, match="has a label that the model knows: a, b"):
        read_labelled(MULTI, str(path), steps=STEPS, progress=Listener(), known=("a", "b"))


def test_a_single_label_that_the_model_does_not_know_stays(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", [("one", "x")])
    recipe = parse_recipe({"name": "toy"})
    assert read_labelled(recipe, str(path), steps=STEPS, progress=Listener(), known=("a", "b")).labels == ["x"]


def test_a_missing_alias_file_does_not_stop_the_measuring(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", [("one", "a|b")])
    recipe = parse_recipe({"name": "toy", "task": "multi", "aliases": str(tmp_path / "gone.yaml")})
    listener = Listener()
    assert read_labelled(recipe, str(path), steps=STEPS, progress=listener).labels == [("a", "b")]
    assert "is not on this machine" in listener.warned[0]


def test_a_datasets_test_part_is_measured_unless_it_is_of_another_task(tmp_path: Path) -> None:
    dataset = prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", toy_rows()))
    dataset.save(tmp_path / "set")
    found = read_labelled(MULTI, str(tmp_path / "set"), steps=STEPS, progress=Listener(), known=dataset.labels)
    assert (found.texts, found.labels) == dataset.part("test")
    with pytest.raises(DataError, match="was prepared for task 'multi', but the task is 'single'"):
        read_labelled(parse_recipe({"name": "x"}), str(tmp_path / "set"), steps=STEPS, progress=Listener())


def test_what_was_read_and_left_out_is_told(tmp_path: Path) -> None:
    rows = [("one", '{"crime": [NaN], "sports": [0.5]}'), ("", '{"sports": [0.5]}')]
    recipe = parse_recipe({"name": "toy", "task": "signals", "categories": {"crime": [], "sports": []}})
    listener = Listener()
    path = str(write_csv(tmp_path / "new.csv", rows))
    found = read_labelled(recipe, path, steps=STEPS, progress=listener, known=("crime", "sports"))
    assert found.labels == [(Signal("sports", 0.5),)]
    assert listener.warned[0].startswith("1 rows give 'crime' a score that is missing or NaN")
    assert listener.warned[1] == "1 rows left out: empty text (new.csv:2)"
    listener = Listener()
    read_labelled(MULTI, str(write_csv(tmp_path / "sets.csv", [("one", "a;b")])), steps=STEPS, progress=listener)
    assert "labels are parted by ';'" in listener.said


def test_data_without_anything_to_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of the 1 rows of .* has both a text and a label"):
        path = str(write_csv(tmp_path / "new.csv", [("one", "")]))
        read_labelled(MULTI, path, steps=STEPS, progress=Listener())
    recipe = parse_recipe({"name": "toy", "prepare": {"split": {"test": 0}}})
    prepare_dataset(recipe, write_csv(tmp_path / "rows.csv", toy_rows())).save(tmp_path / "set")
    with pytest.raises(DataError, match="has no test part"):
        read_labelled(recipe, str(tmp_path / "set"), steps=STEPS, progress=Listener())


def test_each_text_comes_with_where_it_is_from(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "toy"})
    path = write_csv(tmp_path / "new.csv", [("one", "x"), ("", "x"), ("two", "y")])
    assert read_labelled(recipe, str(path), steps=STEPS, progress=Listener()).sources == ["new.csv", "new.csv"]
    path.write_text("text,label,source\none,x,wire\n,x,blog\ntwo,y,blog\n", "utf-8")
    assert read_labelled(recipe, str(path), steps=STEPS, progress=Listener()).sources == ["wire", "blog"]


def test_a_text_that_is_left_out_takes_its_source_with_it(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("text,label,source\none,new,wire\ntwo,a,blog\n", "utf-8")
    assert read_labelled(MULTI, str(path), steps=STEPS, progress=Listener(), known=("a",)).sources == ["blog"]


def test_the_test_part_of_a_dataset_knows_its_sources(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "toy"})
    path = write_csv(tmp_path / "toy.csv", toy_rows())
    prepare_dataset(recipe, path).save(tmp_path / "dataset")
    found = read_labelled(recipe, str(tmp_path / "dataset"), steps=STEPS, progress=Listener())
    assert found.sources == ["toy.csv"] * len(found.texts)
