from pathlib import Path
from typing import Any

import polars as pl
import pytest

from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError, RecipeError
from copydesk.recipe import parse_recipe
from fakes import Listener, toy_rows, write_csv

ROWS = toy_rows()


def _prepare(folder: Path, rules: dict[str, Any], *, frame: pl.DataFrame | None = None, **keys: Any) -> Listener:
    listener = Listener()
    recipe = parse_recipe({"name": "toy", "rules": rules, **keys})
    path = folder / "rows.parquet"
    (frame if frame is not None else _frame()).write_parquet(path)
    prepare_dataset(recipe, path, progress=listener)
    return listener


def _frame(**columns: Any) -> pl.DataFrame:
    own = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
    return pl.DataFrame({**own, **columns}, strict=False)


def _column(values: list[Any]) -> pl.DataFrame:
    """Return the toy rows with a column that begins with these values and repeats the last."""
    return _frame(extra=[*values, *values[-1:] * (len(ROWS) - len(values))])


def test_data_that_keeps_the_rules_passes_without_a_word(tmp_path: Path) -> None:
    rules = {
        "columns": {"text": {"type": "text", "missing": 0, "unique": True, "characters": [5, 200]}},
        "labels": ["money", "sport"],
        "shares": {"sport": [0.4, 0.6]},
        "rows": [100, None],
    }
    assert _prepare(tmp_path, rules).warned == []


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("text", "words", 7),
        ("integer", "-12", "1.5"),
        ("integer", 12.0, 1.5),
        ("number", "1e3", "12 cm"),
        ("number", 1.5, None),
        ("boolean", "Yes", "maybe"),
        ("date", "2026-11-21T08:00:00+01:00", "21.11.2026"),
        ("list", '["a"]', "a"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_row(tmp_path: Path, kind: str, right: object, wrong: object) -> None:
    rules = {"columns": {"extra": {"type": kind}}}
    frame = _frame(extra=[right, None, *([right] * 238)]) if type(right) is type(wrong) else None
    if frame is not None:
        assert _prepare(tmp_path, rules, frame=frame).warned == []
        frame = _frame(extra=[right, wrong, *([right] * 238)])
        with pytest.raises(DataError, match=rf"rules.columns.extra.type: 1 values, expected {kind}; rows.parquet:2 "):
            _prepare(tmp_path, rules, frame=frame)
    elif wrong is not None:
        with pytest.raises(DataError, match=rf"extra.type: 240 values, expected {kind}; rows.parquet:1 7, rows.p.*…"):
            _prepare(tmp_path, rules, frame=_frame(extra=[wrong] * 240))


def test_dates_numbers_and_lists_that_the_file_itself_holds_are_right(tmp_path: Path) -> None:
    frame = _frame(day=["2026-01-01"] * 240, count=[1] * 240, names=[["a"]] * 240, on=[True] * 240)
    frame = frame.with_columns(pl.col("day").str.to_date())
    types = {"day": "date", "count": "integer", "names": "list", "on": "boolean"}
    rules = {"columns": {column: {"type": kind, "missing": 0} for column, kind in types.items()}}
    assert _prepare(tmp_path, rules, frame=frame).warned == []


def test_missing_values_are_null_empty_blank_and_nan(tmp_path: Path) -> None:
    frame = _column(["", "  ", None, "word"]).with_columns(number=pl.Series([float("nan"), None, *([1.0] * 238)]))
    columns = {"extra": {"missing": 0.0125, "unique": False}, "number": {"missing": 0.001}}
    with pytest.raises(DataError) as refused:
        _prepare(tmp_path, {"columns": columns}, frame=frame)
    assert "number.missing: 0.83% of the rows, expected at most 0.10%; rows.parquet:1, rows.parquet:2" in str(
        refused.value
    )
    assert "extra.missing" not in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"unique": True}, r"extra.unique: 2 values; rows.parquet:3 'twice', rows.parquet:240 'third'"),
        ({"one_of": ["twice", "third"]}, r"extra.one_of: 236 values, expected 'twice', 'third'; rows.parquet:4 'a4', "),
        ({"characters": [3, None]}, r"extra.characters: 6 values, expected at least 3; rows.parquet:4 'a4'"),
        ({"characters": [None, 4]}, r"extra.characters: 4 values, expected at most 4; rows.parquet:1 'twice'"),
    ],
)
def test_a_value_that_breaks_a_rule_is_named(tmp_path: Path, rule: dict[str, Any], message: str) -> None:
    extra = ["twice", "third", "twice", *(f"a{n}" for n in range(4, 240)), "third"]
    with pytest.raises(DataError, match=message):
        _prepare(tmp_path, {"columns": {"extra": rule}}, frame=_frame(extra=extra))


def test_labels_shares_and_rows_are_checked(tmp_path: Path) -> None:
    rules = {"labels": ["sport"], "shares": {"sport": [None, 0.25], "art": [0.1, 0.2]}, "rows": [None, 100]}
    with pytest.raises(DataError) as refused:
        _prepare(tmp_path, rules)
    lines = str(refused.value).split("\n  ")
    assert lines[1:] == [
        "rules.rows: 240 rows, expected at most 100",
        "rules.labels: 120 rows have labels that are not listed: 'money' × 120; rows.parquet:2, rows.parquet:4, "
        "rows.parquet:6, …",
        "rules.shares.sport: 50.00% of the labelled rows, expected at most 25.00%",
        "rules.shares.art: 0.00% of the labelled rows, expected at least 10.00% and at most 20.00%",
    ]


def test_at_most_ten_violations_are_listed_and_warnings_stop_nothing(tmp_path: Path) -> None:
    frame = _frame(**{f"c{n}": ["word"] * 240 for n in range(13)})
    rules: dict[str, Any] = {"columns": {f"c{n}": {"type": "number"} for n in range(13)}}
    with pytest.raises(DataError, match="… and 3 rules more") as refused:
        _prepare(tmp_path, rules, frame=frame)
    assert len(str(refused.value).splitlines()) == 12
    listener = _prepare(tmp_path, {**rules, "on_violation": "warn"}, frame=frame)
    assert len([line for line in listener.warned if line.startswith("rules.columns")]) == 10


def test_the_labels_of_several_per_text_are_counted_one_by_one(tmp_path: Path) -> None:
    frame = _frame().with_columns(pl.concat_list("label", pl.lit("news")).alias("label"))
    rules = {"labels": ["money", "sport", "news"], "shares": {"news": [1, 1]}}
    assert not [line for line in _prepare(tmp_path, rules, frame=frame, task="multi").warned if "rules" in line]
    with pytest.raises(DataError, match="rules.columns.label: the column holds List.String., of which only `type` and"):
        _prepare(tmp_path, {"columns": {"label": {"unique": True}}}, frame=frame, task="multi")


def test_a_rule_about_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rules.columns: there is no column 'txt'; the data has: text, label"):
        prepare_dataset(
            parse_recipe({"name": "toy", "rules": {"columns": {"txt": {"missing": 0}}}}),
            write_csv(tmp_path / "rows.csv", ROWS),
        )


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(RecipeError, match="rules.rows: 9 is more than 3; write the least value first"):
        parse_recipe({"name": "toy", "rules": {"rows": [9, 3]}})
    with pytest.raises(RecipeError, match="unknown key 'rules.columns.text.typ'. Did you mean 'type'"):
        parse_recipe({"name": "toy", "rules": {"columns": {"text": {"typ": "text"}}}})
    with pytest.raises(RecipeError, match="'txt' is not valid: Input should be 'text', 'integer'"):
        parse_recipe({"name": "toy", "rules": {"columns": {"text": {"type": "txt"}}}})
