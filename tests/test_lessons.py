"""Rows that join the training part alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError, RecipeError
from copydesk.recipe import Recipe, load_recipe, override, parse_recipe
from fakes import Listener, write_csv

RECIPE = parse_recipe({"name": "toy"})


def _with(recipe: Recipe, path: Path) -> Recipe:
    return override(recipe, {"prepare.lessons": [str(path)]})


def test_lessons_join_the_training_part_and_leave_the_others_as_they_were(tmp_path: Path, toy_csv: Path) -> None:
    plain = prepare_dataset(RECIPE, toy_csv)
    held, changed = plain.part("test")[0][0], plain.part("train")[0][0].upper() + " again"
    lessons = [("a wholly new lesson", "sport"), (changed, "money"), (held.title(), "sport"), ("", "sport")]
    path = write_csv(tmp_path / "lessons.csv", lessons)
    listener = Listener()
    taught = prepare_dataset(_with(RECIPE, path), toy_csv, progress=listener)
    for part in ("validation", "test"):
        assert taught.part(part) == plain.part(part)
    texts, labels = taught.part("train")
    assert texts[:-2] == plain.part("train")[0]
    assert dict(zip(texts[-2:], labels[-2:], strict=True)) == {"a wholly new lesson": "sport", changed: "money"}
    assert taught.manifest["rows_by_part"]["train"] == len(texts)
    assert taught.manifest["counts"]["train"]["sport"] == plain.manifest["counts"]["train"]["sport"] + 1
    assert taught.manifest["lessons"][0]["rows"] == 2
    assert taught.content_hash() != plain.content_hash()
    assert any("2 lessons of" in line and "2 are left out" in line for line in listener.said)


def test_a_prepared_dataset_takes_lessons_once(tmp_path: Path, toy_csv: Path) -> None:
    recipe = _with(RECIPE, write_csv(tmp_path / "lessons.csv", [("a wholly new lesson", "sport")]))
    prepare_dataset(RECIPE, toy_csv).save(tmp_path / "plain")
    taught = prepare_dataset(recipe, tmp_path / "plain")
    taught.save(tmp_path / "taught")
    again = prepare_dataset(recipe, tmp_path / "taught")
    assert again.content_hash() == taught.content_hash() and len(again.manifest["lessons"]) == 1


def test_lessons_of_several_labels_or_signals_are_stored_as_the_others(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "papers", "task": "multi", "text": ["title", "abstract"], "label": "codes"})
    header = ("title", "abstract", "codes")
    rows = [(f"title {place}", f"text number {place}", "a b" if place % 2 else "b") for place in range(60)]
    path = write_csv(tmp_path / "lessons.csv", [("T", "A", "b a")], header)
    taught = prepare_dataset(_with(recipe, path), write_csv(tmp_path / "rows.csv", rows, header))
    assert (taught.part("train")[0][-1], taught.part("train")[1][-1]) == ("T\x1fA", ("a", "b"))


def test_missing_files_and_unknown_labels_are_told(tmp_path: Path, toy_csv: Path) -> None:
    with pytest.raises(RecipeError, match=r"prepare.lessons: '.*none.csv' does not exist"):
        prepare_dataset(_with(RECIPE, tmp_path / "none.csv"), toy_csv)
    path = write_csv(tmp_path / "lessons.csv", [("a new lesson", "weather")])
    with pytest.raises(DataError, match=r"lessons.csv:1: label 'weather' is not one of: money, sport"):
        prepare_dataset(_with(RECIPE, path), toy_csv)


def test_lessons_and_behaviours_are_found_beside_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("{name: toy, prepare: {lessons: lessons.jsonl}, behaviours: suite.yaml}", "utf-8")
    recipe = load_recipe(path)
    assert recipe.prepare.lessons == [str(tmp_path / "lessons.jsonl")]
    assert recipe.behaviours == str(tmp_path / "suite.yaml")
