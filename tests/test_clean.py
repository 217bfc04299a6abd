from collections import Counter

import polars as pl
import pytest

from copydesk.data.clean import CleanRow, Dropped, clean_rows, label_warnings
from copydesk.data.copies import resolve_conflicts
from copydesk.data.labels import LABELS, read_labels
from copydesk.errors import DataError
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import parse_recipe


def _clean(
    rows: list[dict[str, object]], text: tuple[str, ...] = ("text",), max_chars: int = 100
) -> tuple[list[CleanRow], Dropped]:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame = frame.with_columns(pl.lit("a.csv").alias("_source"), pl.Series("_row", range(1, frame.height + 1)))
    labels = read_labels(frame, parse_recipe({"name": "x"})).values
    return clean_rows(frame, text, labels, steps=("escapes", "entities", "characters", "spaces"), max_chars=max_chars)


def test_rows_without_text_or_label_are_dropped_and_counted_with_their_place() -> None:
    rows, dropped = _clean(
        [
            {"text": " good ", "label": "a"},
            {"text": "  ", "label": "a"},
            {"text": None, "label": "a"},
            {"text": "&nbsp;", "label": "a"},
            {"text": "no label", "label": None},
            {"text": "blank label", "label": " "},
            {"text": "x" * 101, "label": "a"},
        ]
    )
    assert [row.text for row in rows] == ["good"]
    assert dropped.counts == {"empty text": 3, "no label": 2, "longer than 100 characters": 1}
    assert dropped.examples["empty text"] == ["a.csv:2", "a.csv:3", "a.csv:4"]


def test_columns_are_joined_and_a_forged_separator_is_removed() -> None:
    rows, _ = _clean([{"title": f"a{COLUMN_SEPARATOR}b", "body": None, "label": "x"}], text=("title", "body"))
    assert rows[0].text == f"a b{COLUMN_SEPARATOR}"


def test_a_row_whose_columns_are_all_empty_is_dropped() -> None:
    rows, dropped = _clean([{"title": "", "body": " ", "label": "x"}], text=("title", "body"))
    assert rows == [] and dropped.counts["empty text"] == 1


def test_a_missing_column_names_those_there_are() -> None:
    with pytest.raises(DataError, match="Column 'label' is missing; the data has: text, liked"):
        _clean([{"text": "a", "liked": 1}])


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pl.Series([0, 1]), ["0", "1"]),
        (pl.Series([0.0, 1.5, float("nan"), None]), ["0", "1.5", None, None]),
        (pl.Series([True, False]), ["True", "False"]),
        (pl.Series([" news ", ""]), ["news", None]),
        (pl.Series(["007"]), ["007"]),
    ],
)
def test_labels_are_names_as_they_are_written(column: pl.Series, names: list[str | None]) -> None:
    assert LABELS["single"].read(column, parse_recipe({"name": "x"}), str, ()).values == names


def test_a_list_is_no_single_label() -> None:
    with pytest.raises(DataError, match="needs one label per row"):
        LABELS["single"].read(pl.Series("labels", [["a", "b"]]), parse_recipe({"name": "x"}), str, ())


def test_labels_that_differ_only_by_case_or_spaces_are_warned_about() -> None:
    warnings = label_warnings(Counter({"News": 3, "news": 5, "sport": 1, "hard news": 1, "hardnews": 2}))
    assert len(warnings) == 2
    assert "'News' (3) and 'news' (5) differ only by case or spaces" in warnings[0]


def _row(text: str, label: str, row: int) -> CleanRow:
    return CleanRow(text, label, "a.csv", row)


@pytest.mark.parametrize(("policy", "kept"), [("majority", [1, 2, 6]), ("drop", [6])])
def test_one_text_under_two_labels_is_settled_as_the_recipe_says(policy: str, kept: list[int]) -> None:
    rows = [
        _row("same", "a", 1),
        _row("Same", "a", 2),
        _row("same", "b", 3),
        _row("tie", "a", 4),
        _row("tie", "b", 5),
        _row("clear", "b", 6),
    ]
    dropped = Dropped()
    left, conflicts = resolve_conflicts(rows, policy, LABELS["single"], dropped)
    assert [row.row for row in left] == kept
    assert dropped.counts["same text under two labels"] == 6 - len(kept)
    assert conflicts == ["'same': a × 2, b × 1", "'tie': a × 1, b × 1"]
