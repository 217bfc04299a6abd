from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from copydesk.data.dataset import Dataset
from copydesk.data.review_file import read_review
from copydesk.errors import DataError, UsageError
from copydesk.normalise import text_id
from copydesk.recipe import Recipe, parse_recipe
from copydesk.review.doubts import file_of_doubts, review_of_doubts

PROBABILITIES = pl.List(pl.Struct({"label": pl.String(), "probability": pl.Float64()}))
VOTES = pl.List(pl.Struct({"function": pl.String(), "label": pl.String()}))
SIGNALS = pl.List(pl.Struct({"category": pl.String(), "score": pl.Float64(), "tag": pl.String()}))


def _chances(**by_label: float) -> list[dict[str, Any]]:
    return [{"label": label, "probability": chance} for label, chance in by_label.items()]


def _votes(*labels: str) -> list[dict[str, str]]:
    return [{"function": f"f{place}", "label": label} for place, label in enumerate(labels)]


def _table(path: Path, texts: Sequence[str], labels: pl.Series, **others: pl.Series) -> Path:
    pl.DataFrame({"text": texts, "label": labels, **others}).write_parquet(path)
    return path


@pytest.fixture
def single(tmp_path: Path) -> Path:
    chances = [_chances(bad=0.9, good=0.1), _chances(bad=0.4, good=0.6), None, _chances(bad=0.2, good=0.8), None]
    votes = [_votes("bad"), _votes("good"), [], _votes("good", "good", "bad"), None]
    return _table(
        tmp_path / "toy-1.parquet",
        ["sure  &amp; bad", "so so", "nobody knows", "contested", "no columns"],
        pl.Series(["bad", "good", None, "good", "bad"]),
        probabilities=pl.Series(chances, dtype=PROBABILITIES),
        votes=pl.Series(votes, dtype=VOTES),
    )


def test_conflicts_come_first_and_then_what_is_least_certain(single: Path, toy_recipe: Recipe) -> None:
    review = review_of_doubts(single, toy_recipe)
    assert [(item.text, item.reason, item.suspicion) for item in review.items] == [
        ("contested", "conflict", 0.2),
        ("so so", "least certain", 0.4),
        ("sure & bad", "least certain", 0.1),
    ]
    assert (review.header.task, review.header.labels, review.header.recipe) == ("single", ("bad", "good"), "toy")
    first = review.items[0]
    assert (first.label, first.suggested, first.where) == ("good", None, "toy-1.parquet:4")
    assert first.model == {"bad": 0.2, "good": 0.8}
    assert [vote["label"] for vote in first.votes] == ["good", "good", "bad"]
    assert review.items[2].id == text_id("sure & bad")
    assert len(review_of_doubts(single, toy_recipe, limit=2).items) == 2


def test_another_label_that_is_likelier_is_suggested(tmp_path: Path, toy_recipe: Recipe) -> None:
    chances = pl.Series([_chances(bad=0.3, good=0.7)] * 2, dtype=PROBABILITIES)
    path = _table(tmp_path / "t.parquet", ["one", "two"], pl.Series(["bad", "good"]), probabilities=chances)
    assert [item.suggested for item in review_of_doubts(path, toy_recipe).items] == ["good", None]


def test_a_text_that_occurs_twice_is_asked_for_once(tmp_path: Path, toy_recipe: Recipe) -> None:
    votes = pl.Series([_votes("good"), _votes("good", "bad"), _votes("bad")], dtype=VOTES)
    path = _table(tmp_path / "t.parquet", ["same", "same ", "other"], pl.Series(["good", "good", "bad"]), votes=votes)
    items = review_of_doubts(path, toy_recipe).items
    assert [(item.text, item.reason) for item in items] == [("same", "conflict"), ("other", "least certain")]
    assert items[0].suspicion == 0.5


def test_several_labels_are_doubtful_near_even_odds(tmp_path: Path) -> None:
    chances = [_chances(a=0.99, b=0.02), _chances(a=0.9, b=0.45)]
    path = _table(
        tmp_path / "t.parquet",
        ["clear", "unclear"],
        pl.Series([["a"], ["a"]], dtype=pl.List(pl.String())),
        probabilities=pl.Series(chances, dtype=PROBABILITIES),
        votes=pl.Series([_votes("a", "b"), _votes("a")], dtype=VOTES),
    )
    review = review_of_doubts(path, parse_recipe({"name": "toy", "task": "multi"}))
    assert [(item.text, item.reason, item.suspicion) for item in review.items] == [
        ("unclear", "least certain", 0.9),
        ("clear", "least certain", 0.04),
    ]
    assert review.header.labels == ("a", "b")
    assert review.items[0].label == ["a"]


def test_signals_conflict_where_one_category_got_two_tags(tmp_path: Path) -> None:
    signal = [{"category": "crime", "score": -0.9, "tag": "theft"}]
    weak = [{"category": "crime", "score": -0.2, "tag": ""}]
    path = _table(
        tmp_path / "t.parquet",
        ["strong", "weak", "two tags", "two categories"],
        pl.Series([signal, weak, signal, signal], dtype=SIGNALS),
        votes=pl.Series(
            [
                _votes("crime/theft"),
                _votes("crime"),
                _votes("crime/theft", "crime/assault"),
                _votes("crime/theft", "sports/game"),
            ],
            dtype=VOTES,
        ),
    )
    categories = {"crime": ["theft", "assault"], "sports": ["game"]}
    review = review_of_doubts(path, parse_recipe({"name": "toy", "task": "signals", "categories": categories}))
    assert [(item.text, item.reason) for item in review.items][:2] == [
        ("two tags", "conflict"),
        ("weak", "least certain"),
    ]
    assert review.header.labels == ("crime", "sports")
    assert review.header.categories == categories
    assert review.items[1].suspicion == 0.8


def test_a_dataset_needs_no_recipe(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "id": ["x", "y"],
            "text": ["one", "two"],
            "label": ["bad", "good"],
            "split": ["train", "test"],
            "source": ["data.csv", "data.csv"],
            "row": [1, 2],
            "probabilities": pl.Series([None, _chances(bad=0.4, good=0.6)], dtype=PROBABILITIES),
        }
    )
    Dataset(frame, {"recipe": "toy", "task": "single"}).save(tmp_path / "toy-1")
    path = file_of_doubts(tmp_path / "toy-1", None)
    assert path == tmp_path / "toy-1.review.jsonl"
    (item,) = read_review(path).items
    assert (item.id, item.text, item.where, item.suspicion) == ("y", "two", "data.csv:2", 0.4)


def test_a_review_that_was_begun_is_left_as_it_is(single: Path, toy_recipe: Recipe) -> None:
    path = file_of_doubts(single, toy_recipe)
    assert path.name == "toy-1.review.jsonl"
    before = path.read_bytes()
    assert file_of_doubts(single, toy_recipe, limit=1) == path
    assert path.read_bytes() == before


def test_a_raw_table_needs_its_recipe(single: Path) -> None:
    with pytest.raises(UsageError, match="is a raw table. Give the recipe it was labelled with: --recipe RECIPE"):
        review_of_doubts(single, None)


def test_a_table_that_nothing_was_said_about_is_refused(tmp_path: Path, toy_recipe: Recipe) -> None:
    path = _table(tmp_path / "t.parquet", ["one", "two"], pl.Series(["bad", "good"]))
    with pytest.raises(DataError, match="no column 'probabilities' or 'votes'.*copydesk label.*--find-label-errors"):
        review_of_doubts(path, toy_recipe)
