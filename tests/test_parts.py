import random
from pathlib import Path

import pytest

from copydesk.data.dataset import PARTS, Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError
from copydesk.recipe import parse_recipe
from fakes import Listener, toy_rows, write_csv

BY_TIME = {"split": {"by": "time", "time": "day"}}


def _prepare(
    folder: Path, rows: list[tuple[str, ...]], task: str = "multi", listener: Listener | None = None, **prepare: object
) -> Dataset:
    recipe = parse_recipe({"name": "toy", "task": task, "prepare": {**BY_TIME, **prepare}})
    path = write_csv(folder / "rows.csv", rows, header=("text", "label", "day"))
    return prepare_dataset(recipe, path, progress=listener or Listener())


def _dated(rows: list[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Give each row a day of its own, the later the later it stands."""
    return [(text, label, f"2026-{1 + n // 28:02}-{1 + n % 28:02}") for n, (text, label) in enumerate(rows)]


def test_by_time_the_newest_rows_are_the_test_part_whatever_their_order(tmp_path: Path) -> None:
    rows = _dated(toy_rows())
    dataset = _prepare(tmp_path, rows)
    days = {text: day for text, _, day in rows}
    train, validation, test = ([days[text] for text in dataset.part(part)[0]] for part in PARTS)
    assert max(train) < min(validation) and max(validation) < min(test)
    random.Random(0).shuffle(rows)
    assert _prepare(tmp_path, rows).content_hash() == dataset.content_hash()


def test_the_manifest_names_the_newest_training_text_by_which_a_models_age_is_told(tmp_path: Path) -> None:
    rows = _dated(toy_rows())
    dataset = _prepare(tmp_path, rows)
    days = {text: day for text, _, day in rows}
    assert dataset.manifest["newest_text"] == max(days[text] for text in dataset.part("train")[0]) + "T00:00:00+00:00"


def test_a_near_copy_of_an_earlier_parts_text_is_dropped_from_the_later_part(tmp_path: Path) -> None:
    rows = toy_rows()
    old, new = rows[3], rows[-2]
    rows[-1] = (old[0] + " again", "money" if old[1] == "sport" else "sport")
    manifest = _prepare(tmp_path, _dated([*rows, (new[0] + " again", new[1])]), dedupe="exact").manifest
    assert manifest["dropped"]["near-copy of an earlier part's text"] >= 1
    assert "rows.csv:240" in manifest["dropped_examples"]["near-copy of an earlier part's text"]
    assert "rows.csv:241" not in manifest["dropped_examples"]["near-copy of an earlier part's text"]


@pytest.mark.parametrize("task", ["single", "multi"])
def test_labels_that_came_up_after_training_are_taken_out_of_later_parts(tmp_path: Path, task: str) -> None:
    rows = toy_rows()
    rows[-1] = ("a word of quite another kind", "novelty")
    rows[-2] = ("many words of quite other kinds", "novelty")
    listener = Listener()
    dataset = _prepare(tmp_path, _dated(rows), task, listener)
    assert dataset.labels == ("money", "sport")
    assert dataset.manifest["unseen_labels"] == {"novelty": 2}
    assert dataset.manifest["dropped"]["only labels without training rows"] == 2
    assert any("1 labels have no training row" in line and "'novelty'" in line for line in listener.warned)


def test_training_rows_of_one_label_only_are_refused(tmp_path: Path) -> None:
    rows = [(text, "sport" if number < 200 else "money") for number, (text, _) in enumerate(toy_rows())]
    with pytest.raises(DataError, match="All training rows have the label 'sport'; 'money' came up later"):
        _prepare(tmp_path, _dated(rows), split={**BY_TIME["split"], "validation": 0.2, "test": 0.2})


def test_a_row_keeps_its_other_labels(tmp_path: Path) -> None:
    rows = toy_rows()
    rows[-1] = ("a word of quite another kind", "novelty|sport")
    dataset = _prepare(tmp_path, _dated(rows))
    assert dataset.part("test")[1][-1] == ("sport",)


def test_a_row_without_a_date_is_refused(tmp_path: Path) -> None:
    rows = _dated(toy_rows())
    with pytest.raises(DataError, match="rows.csv:241: prepare.split.time column 'day' has"):
        _prepare(tmp_path, [*rows, ("one without a date", "sport", "")])
    with pytest.raises(DataError, match="Column 'day' is missing"):
        recipe = parse_recipe({"name": "toy", "task": "multi", "prepare": BY_TIME})
        prepare_dataset(recipe, write_csv(tmp_path / "other.csv", toy_rows()))


def test_a_part_without_a_label_is_warned_about(tmp_path: Path) -> None:
    rows = [(text, f"{label}|{'late' if n in (5, 239) else 'other'}") for n, (text, label) in enumerate(toy_rows())]
    listener = Listener()
    dataset = _prepare(tmp_path, _dated(rows), listener=listener)
    line = "The validation part has no row of 1 of 4 labels ('late'): nothing can be tuned for them."
    assert line in listener.warned and line in dataset.manifest["warnings"]


@pytest.mark.parametrize("method", ["median_undersample", "mltl"])
def test_only_the_training_part_is_resampled_and_the_manifest_says_so(tmp_path: Path, method: str) -> None:
    rows = [(text, label if n % 5 else label + "|rare") for n, (text, label) in enumerate(toy_rows(400))]
    rows += [(f"{a} {b} only", "middle") for a, b in zip("abcdefghij", "klmnopqrst", strict=True)]
    settings = {"split": {"by": "row"}, "dedupe": "exact"}
    plain, thin = (
        _prepare(tmp_path, _dated(rows), **settings),
        _prepare(tmp_path, _dated(rows), **settings, resample=method),
    )
    assert thin.part("test") == plain.part("test") and thin.part("validation") == plain.part("validation")
    record = thin.manifest["resampled"]
    assert record["method"] == method and record["seed"] == 42
    assert record["rows"] == {"before": len(plain.part("train")[0]), "after": len(thin.part("train")[0])}
    assert record["rows"]["after"] < record["rows"]["before"]
    assert record["labels"]["sport"]["after"] == thin.manifest["counts"]["train"]["sport"]
    assert thin.manifest["rows"] == 410 - sum(thin.manifest["dropped"].values())
