from pathlib import Path

import pytest

from copydesk.data.dataset import PARTS, Dataset
from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError, RecipeError
from copydesk.recipe import Recipe, override, parse_recipe
from fakes import Listener, toy_rows, write_csv

ROWS = toy_rows(300)
TRAIN, REST = ROWS[:200], ROWS[200:]
LEAK = "the same words stand in both of these files for once"


def _recipe(folder: Path, files: dict[str, list[tuple[str, str]]], **split: object) -> Recipe:
    sources = []
    for part, rows in files.items():
        path = write_csv(folder / f"{part}.csv", rows)
        sources.append({"url": str(path), "part": None if part == "any" else part})
    return parse_recipe({"name": "toy", "source": sources, "prepare": {"split": split}})


def _texts(dataset: Dataset) -> dict[str, set[str]]:
    return {part: set(dataset.part(part)[0]) for part in PARTS}


def test_rows_keep_the_part_of_their_file(tmp_path: Path) -> None:
    files = {"train": TRAIN, "validation": REST[:50], "test": REST[50:]}
    texts = _texts(prepare_dataset(_recipe(tmp_path, files)))
    assert texts["validation"] == {text for text, _ in files["validation"]}
    assert texts["test"] == {text for text, _ in files["test"]}
    assert texts["train"] <= {text for text, _ in TRAIN}


def test_a_missing_part_is_divided_off_the_training_part_alone(tmp_path: Path) -> None:
    listener = Listener()
    recipe = _recipe(tmp_path, {"train": TRAIN, "test": REST}, validation=0.25)
    dataset = prepare_dataset(recipe, progress=listener)
    texts = _texts(dataset)
    assert texts["test"] == {text for text, _ in REST}
    assert texts["validation"] <= {text for text, _ in TRAIN}
    assert len(texts["validation"]) == pytest.approx(0.25 * (len(texts["train"]) + len(texts["validation"])), abs=2)
    assert "the given split has no validation part: taken from the training part" in listener.said
    again = _texts(prepare_dataset(recipe))
    assert again == texts


def test_what_is_divided_off_resembles_no_text_of_another_part(tmp_path: Path) -> None:
    chatter = [(f"{text} extra{number}", label) for text, label in TRAIN for number in range(2)]
    recipe = _recipe(tmp_path, {"train": chatter, "test": [(f"{text} extra7", label) for text, label in TRAIN[:40]]})
    dataset = prepare_dataset(recipe)
    frame = dataset.frame
    parts = frame["split"].to_list()
    pairs = find_near_duplicates(frame["text"].to_list(), recipe.prepare.split.similarity).pairs
    assert any({parts[first], parts[second]} == {"train", "test"} for first, second in pairs)
    assert all(
        parts[first] == parts[second] for first, second in pairs if "validation" in (parts[first], parts[second])
    )


def test_rows_without_a_part_go_to_the_parts_that_are_missing(tmp_path: Path) -> None:
    dataset = prepare_dataset(_recipe(tmp_path, {"test": REST, "any": TRAIN}, validation=0.2))
    texts = _texts(dataset)
    assert texts["test"] == {text for text, _ in REST}
    assert len(texts["validation"]) == pytest.approx(0.2 * len(texts["train"] | texts["validation"]), abs=2)
    dataset = prepare_dataset(_recipe(tmp_path, {"train": TRAIN, "any": REST}, validation=0.1, test=0.3))
    texts = _texts(dataset)
    assert texts["train"] <= {text for text, _ in TRAIN}
    assert len(texts["test"]) == pytest.approx(3 * len(texts["validation"]), abs=4)
    every = {"train": TRAIN[:150], "validation": REST[:50], "test": REST[50:], "any": TRAIN[150:]}
    texts = _texts(prepare_dataset(_recipe(tmp_path, every)))
    assert texts["train"] & {text for text, _ in TRAIN[150:]}


@pytest.mark.parametrize("task", ["multi", "signals"])
def test_every_task_can_have_a_given_split(tmp_path: Path, task: str) -> None:
    told = {"sport": '{"sports": [0.5], "crime": [0]}', "money": '{"crime": [-0.5], "sports": [0]}'}
    rows = [(text, told[label]) for text, label in ROWS] if task == "signals" else ROWS
    recipe = _recipe(tmp_path, {"train": rows[:200], "test": rows[200:250], "any": rows[250:]})
    categories = {"crime": ["theft"], "sports": ["football"]} if task == "signals" else {}
    dataset = prepare_dataset(override(recipe, {"task": task, "categories": categories}))
    texts = _texts(dataset)
    assert texts["test"] == {text for text, _ in rows[200:250]}
    assert texts["validation"] <= {text for text, _ in rows[250:]}


def test_a_leak_is_reported_with_its_rows_and_dropped_from_the_training_side_if_asked(tmp_path: Path) -> None:
    train = [*TRAIN, (LEAK, "sport"), (f"{LEAK} here", "money")]
    files = {"train": train, "validation": REST[:50], "test": [*REST[50:], (LEAK.title(), "sport")]}
    listener = Listener()
    kept = prepare_dataset(_recipe(tmp_path, files), progress=listener)
    line = next(line for line in listener.warned if "leaks" in line)
    assert line.startswith("The given split leaks: 1 test texts stand in the train part too, 0 more nearly so, e.g. ")
    assert "train.csv:201 ~ test.csv:51" in line and "prepare.split.leaks: drop leaves them out" in line
    assert LEAK in _texts(kept)["train"]
    assert kept.manifest["leaks"][0]["equal"] == 1 and kept.manifest["leaks"][0]["rows"] == 2
    dropped = prepare_dataset(_recipe(tmp_path, files, leaks="drop"))
    texts = _texts(dropped)
    assert dropped.manifest["dropped"]["leaks into the test part"] == 2
    assert not {LEAK, f"{LEAK} here"} & texts["train"]
    assert LEAK.title() in texts["test"] and len(dropped.part("test")[0]) == 51


def test_a_row_without_a_part_never_stays_where_it_resembles_a_given_parts_text(tmp_path: Path) -> None:
    files = {"test": [*REST, (LEAK, "sport")], "any": [*TRAIN, (f"{LEAK} again", "sport")]}
    dataset = prepare_dataset(_recipe(tmp_path, files))
    assert dataset.manifest["dropped_examples"]["similar to a text of a given part"] == ["any.csv:201"]
    assert dataset.manifest["leaks"] == []


def test_given_validation_and_test_rows_stay_as_they_were_published(tmp_path: Path) -> None:
    twice = [*REST, REST[0], (REST[1][0], "money" if REST[1][1] == "sport" else "sport")]
    dataset = prepare_dataset(_recipe(tmp_path, {"train": [*TRAIN, TRAIN[0]], "test": twice}))
    assert len(dataset.part("test")[0]) == len(twice)
    assert dataset.manifest["dropped"]["exact copy"] == 1
    assert dataset.frame["id"].n_unique() == dataset.frame.height


def test_a_column_can_give_the_split(tmp_path: Path) -> None:
    names = ["train"] * 200 + ["dev", "VAL"] * 25 + ["test"] * 50
    rows = [(text, label, name) for (text, label), name in zip(ROWS, names, strict=True)]
    path = write_csv(tmp_path / "rows.csv", rows, header=("text", "label", "fold"))
    recipe = parse_recipe({"name": "toy", "prepare": {"split": {"column": "fold"}}})
    texts = _texts(prepare_dataset(recipe, path))
    assert texts["validation"] == {text for text, _ in ROWS[200:250]}
    write_csv(path, [*rows, ("one more text", "sport", "holdout")], header=("text", "label", "fold"))
    with pytest.raises(
        DataError, match=r"rows.csv:301: prepare.split.column 'fold' has 'holdout'. Expected train, val"
    ):
        prepare_dataset(recipe, path)
    write_csv(path, [(text, label, "") for text, label in ROWS], header=("text", "label", "fold"))
    with pytest.raises(DataError, match="'fold' names no part on any row"):
        prepare_dataset(recipe, path)
    with pytest.raises(DataError, match="Column 'fold' is missing"):
        prepare_dataset(recipe, write_csv(tmp_path / "other.csv", ROWS))


def test_a_given_split_that_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The given split has no training rows"):
        prepare_dataset(_recipe(tmp_path, {"test": REST, "validation": TRAIN}))
    empty = [(" ", "sport"), ("", "money")]
    with pytest.raises(DataError, match="None of the rows given as the test part can be used. .* 2 empty text"):
        prepare_dataset(_recipe(tmp_path, {"train": TRAIN, "test": empty}))
    sources = [{"url": "a.csv", "part": "train"}]
    with pytest.raises(RecipeError, match="`part` in source and prepare.split.by 'time' exclude each other"):
        parse_recipe({"name": "x", "source": sources, "prepare": {"split": {"by": "time", "time": "day"}}})
    with pytest.raises(RecipeError, match="`part` in source and prepare.split.column both give a split"):
        parse_recipe({"name": "x", "source": sources, "prepare": {"split": {"column": "fold"}}})
    with pytest.raises(RecipeError, match="`by: time` and `column` exclude each other"):
        parse_recipe({"name": "x", "prepare": {"split": {"by": "time", "time": "day", "column": "fold"}}})


def test_a_label_that_only_a_given_test_has_stays_there_and_is_warned_about(tmp_path: Path) -> None:
    listener = Listener()
    files = {"train": TRAIN, "test": [*REST, ("a word of its own", "novelty"), ("and another such", "novelty")]}
    dataset = prepare_dataset(_recipe(tmp_path, files), progress=listener)
    assert dataset.labels == ("money", "novelty", "sport")
    assert any("The train part has no row of 1 of 3 labels ('novelty')" in line for line in listener.warned)
