import json
from pathlib import Path
from typing import Any

import pytest

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.data.review_file import Decision, Header, Item, Review, write_review
from copydesk.errors import DataError
from copydesk.files import sha256_of
from copydesk.normalise import text_id
from copydesk.recipe import load_recipe, override, parse_recipe
from copydesk.types import Signal
from fakes import Listener, toy_rows, write_csv

ROWS = toy_rows()
LABELS = ("money", "sport")
OTHER = {"sport": "money", "money": "sport"}
CATEGORIES = {"crime": ["theft"], "sports": ["football"]}


def _item(place: int, decision: Decision | None, new_label: str | None = None, text: str | None = None) -> Item:
    own, label = ROWS[place]
    return Item(text_id(text or own), own, label, OTHER[label], "label error", 0.9, (), {}, "", decision, new_label)


def _write(path: Path, *items: Item, header: Header | None = None) -> Path:
    write_review(path, Review(header or Header("single", LABELS, recipe="toy"), items))
    return path


def _prepare(
    folder: Path, *files: Path, rows: list[tuple[str, str]] = ROWS, listener: Listener | None = None, **keys: Any
) -> Dataset:
    recipe = parse_recipe({"name": "toy", "prepare": {"reviewed": [str(path) for path in files]}, **keys})
    return prepare_dataset(recipe, write_csv(folder / "rows.csv", rows), progress=listener)


def _labels(dataset: Dataset) -> dict[str, Any]:
    kind = dataset.kind
    cells = zip(dataset.frame["text"], dataset.frame[kind.column].to_list(), strict=True)
    return {text: kind.restored(cell) for text, cell in cells}


def _signals() -> list[tuple[str, str]]:
    told = ('{"sports": [0.5], "crime": [0]}', '{"crime": [-0.5, "theft"], "sports": [0]}')
    return [(text, told[n % 2]) for n, (text, _) in enumerate(ROWS)]


def test_decisions_replace_labels_and_leave_texts_out(tmp_path: Path) -> None:
    third = _item(3, "change", OTHER[ROWS[3][1]])
    items = [_item(0, "keep"), _item(1, "accept"), _item(2, "drop"), third, _item(4, "skip"), _item(5, None)]
    path = _write(tmp_path / "review.jsonl", *items)
    dataset = _prepare(tmp_path, path)
    labels = _labels(dataset)
    assert [labels[ROWS[place][0]] == ROWS[place][1] for place in (0, 1, 3, 4, 5)] == [True, False, False, True, True]
    assert ROWS[2][0] not in labels
    assert dataset.manifest["dropped"]["dropped in review"] == 1
    assert dataset.manifest["reviewed"] == {
        "files": [
            {
                "file": str(path),
                "sha256": sha256_of(path),
                "decisions": {"keep": 1, "accept": 1, "drop": 1, "change": 1},
                "not_in_the_data": 0,
            }
        ],
        "labels_changed": 2,
        "rows_dropped": 1,
    }


def test_a_decision_holds_for_the_text_wherever_it_stands_and_settles_its_conflict(tmp_path: Path) -> None:
    text, label = ROWS[0]
    rows = [*ROWS, (text.upper(), OTHER[label]), (text, OTHER[label])]
    assert _labels(_prepare(tmp_path, rows=rows)).get(text) != label
    dataset = _prepare(tmp_path, _write(tmp_path / "review.jsonl", _item(0, "keep")), rows=rows)
    assert _labels(dataset)[text] == label
    assert dataset.manifest["conflicts"] == []


def test_every_way_to_write_a_text_counts_as_there(tmp_path: Path) -> None:
    upper = ROWS[0][0].upper()
    path = _write(tmp_path / "a.jsonl", _item(0, "keep"), _item(0, "keep", text=upper))
    dataset = _prepare(tmp_path, path, rows=[*ROWS, (upper, ROWS[0][1])])
    assert dataset.manifest["reviewed"]["files"][0]["not_in_the_data"] == 0


def test_a_numbered_id_of_a_repeated_text_names_the_text(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    write_review(
        path, Review(Header("single", LABELS), (Item(text_id(ROWS[0][0]) + "-2", "", "sport", None, decision="drop"),))
    )
    assert ROWS[0][0] not in _labels(_prepare(tmp_path, path))


def test_contradictory_decisions_are_refused_with_both_lines(tmp_path: Path) -> None:
    both = _write(tmp_path / "a.jsonl", _item(1, "keep"), _item(0, "keep"), _item(0, "drop"))
    with pytest.raises(DataError, match=r"a.jsonl' line 3 \(keep\) and '.*a.jsonl' line 4 \(drop\) contradict"):
        _prepare(tmp_path, both)
    one, other = _write(tmp_path / "b.jsonl", _item(0, "keep")), _write(tmp_path / "c.jsonl", _item(0, "accept"))
    with pytest.raises(DataError, match=r"b.jsonl' line 2 \(keep\) and '.*c.jsonl' line 2 \(accept\) contradict"):
        _prepare(tmp_path, one, other)
    text = ROWS[0][0]
    cases = _write(tmp_path / "d.jsonl", _item(0, "keep"), _item(0, "accept", text=text.upper()))
    with pytest.raises(DataError, match="contradict each other"):
        _prepare(tmp_path, cases, rows=[*ROWS, (text.upper(), "sport")])
    agreed = _write(tmp_path / "e.jsonl", _item(0, "change", ROWS[0][1]), _item(0, "skip"))
    assert _labels(_prepare(tmp_path, one, agreed))[text] == ROWS[0][1]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", _item(0, "keep"), _item(0, "drop"))
    header, *items = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([header, "", items[0], "", "", items[1], ""]), "utf-8")
    with pytest.raises(DataError, match=r"line 3 \(keep\) and '.*' line 6 \(drop\)"):
        _prepare(tmp_path, path)


def test_decisions_about_other_texts_are_counted_and_warned_about(tmp_path: Path) -> None:
    listener = Listener()
    path = _write(tmp_path / "a.jsonl", _item(0, "keep"), _item(1, "drop", text="never seen"))
    dataset = _prepare(tmp_path, path, listener=listener)
    assert dataset.manifest["reviewed"]["files"][0]["not_in_the_data"] == 1
    assert any(line.startswith("1 of 2 decisions in ") and "the data does not have" in line for line in listener.warned)


def test_a_review_of_another_task_other_categories_or_other_labels_is_refused(tmp_path: Path) -> None:
    multi = _write(tmp_path / "a.jsonl", header=Header("multi", LABELS))
    with pytest.raises(DataError, match="is about task 'multi', but the recipe's task is 'single'"):
        _prepare(tmp_path, multi)
    signals = _write(tmp_path / "b.jsonl", header=Header("signals", ("crime",), {"crime": ["theft"]}))
    with pytest.raises(DataError, match="is about other categories than the recipe's"):
        _prepare(tmp_path, signals, rows=_signals(), task="signals", categories=CATEGORIES)
    other = _write(tmp_path / "c.jsonl", _item(0, "change", "art"), header=Header("single", (*LABELS, "art")))
    with pytest.raises(
        DataError, match="line 2 decides for 'art', a label that the data does not have: 'money', 'sport'"
    ):
        _prepare(tmp_path, other)


def test_label_sets_are_compared_without_regard_to_their_order(tmp_path: Path) -> None:
    text = ROWS[0][0]
    item = Item(text_id(text), text, ["sport"], ["sport", "money"], decision="accept")
    path = _write(tmp_path / "a.jsonl", item, header=Header("multi", LABELS))
    assert _labels(_prepare(tmp_path, path, task="multi"))[text] == ("money", "sport")


@pytest.mark.parametrize("unlisted", ["unknown", "absent"])
def test_signals_are_completed_as_the_recipe_reads_them(tmp_path: Path, unlisted: str) -> None:
    rows = _signals()
    label = [{"category": "crime", "score": 0}, {"category": "sports", "score": 1}]
    item = Item(
        text_id(rows[0][0]), rows[0][0], label, decision="change", new_label=[{"category": "crime", "score": -1}]
    )
    nothing = Item(text_id(rows[1][0]), rows[1][0], label, decision="change", new_label=[])
    path = _write(tmp_path / "a.jsonl", item, nothing, header=Header("signals", tuple(CATEGORIES), CATEGORIES))
    labels = _labels(_prepare(tmp_path, path, rows=rows, task="signals", categories=CATEGORIES, unlisted=unlisted))
    if unlisted == "absent":
        assert labels[rows[0][0]] == (Signal("crime", -1.0), Signal("sports", 0.0))
        assert labels[rows[1][0]] == (Signal("crime", 0.0), Signal("sports", 0.0))
    else:
        assert labels[rows[0][0]] == (Signal("crime", -1.0),)
        assert rows[1][0] not in labels


def test_a_dataset_prepared_before_the_review_is_warned_about(tmp_path: Path) -> None:
    path, listener = _write(tmp_path / "a.jsonl", _item(0, "keep")), Listener()
    _prepare(tmp_path).save(tmp_path / "before")
    _prepare(tmp_path, path).save(tmp_path / "after")
    recipe = parse_recipe({"name": "toy", "prepare": {"reviewed": str(path)}})
    prepare_dataset(recipe, tmp_path / "after", progress=listener)
    assert listener.warned == []
    prepare_dataset(recipe, tmp_path / "before", progress=listener)
    assert len(listener.warned) == 1 and "was prepared without the review" in listener.warned[0]


def test_a_recipes_reviews_stand_beside_it(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: toy\nprepare: {reviewed: reviews/a.jsonl}\n")
    recipe = load_recipe(tmp_path / "r.yaml")
    assert recipe.prepare.reviewed == [str(tmp_path / "reviews" / "a.jsonl")]
    with pytest.raises(DataError, match="a.jsonl' cannot be read"):
        prepare_dataset(override(recipe, {}), write_csv(tmp_path / "rows.csv", ROWS))


def test_a_damaged_review_file_changes_nothing(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", _item(0, "keep"))
    path.write_text(path.read_text("utf-8") + json.dumps({"id": "x", "text": "t"}) + "\n", "utf-8")
    with pytest.raises(DataError, match="line 3: missing"):
        _prepare(tmp_path, path)
