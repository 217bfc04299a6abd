"""The recipe's rules held against raw rows: types, missing and repeated values, lengths, labels and their shares.

What must hold of each value pandera checks, all at once; what must hold of all values together is counted here. It
looks at rows as the files hold them, before any is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from copydesk.data.clean import Account
from copydesk.data.label_kinds import LabelKind
from copydesk.errors import DataError, MissingExtra
from copydesk.recipe import Rules
from copydesk.recipe.rules import ColumnRule, Range
from copydesk.types import Label

_MOST_LINES = 10
_SHOWN_ROWS = 3
_SHOWN_CHARACTERS = 40
_TRUTHS = ("true", "false", "yes", "no", "1", "0")


def check_rules(
    rules: Rules, frame: pl.DataFrame, labels: Sequence[Label | None], kind: LabelKind[Any], account: Account
) -> None:
    """Raise `DataError` that lists what breaks the rules, with rows; with `on_violation: warn` only warn."""
    _require_columns(rules, frame)
    found = [
        *_outside("rules.rows", frame.height, rules.rows, "{:,.0f} rows"),
        *_missing_values(rules, frame),
        *_wrong_values(rules, frame),
        *_unlisted_labels(rules, frame, labels, kind),
        *_wrong_shares(rules, labels, kind),
    ]
    if len(found) > _MOST_LINES:
        found[_MOST_LINES:] = [f"… and {len(found) - _MOST_LINES} rules more"]
    if rules.on_violation == "warn":
        account.warn(*found)
    elif found:
        raise DataError(
            "The data breaks the recipe's rules. Correct either, or set rules.on_violation: warn.\n  "
            + "\n  ".join(found)
        )


def _require_columns(rules: Rules, frame: pl.DataFrame) -> None:
    there = [column for column in frame.columns if not column.startswith("_")]
    for column, rule in rules.columns.items():
        if column not in there:
            raise DataError(f"rules.columns: there is no column {column!r}; the data has: {', '.join(there)}.")
        of_values = rule.unique or rule.one_of or rule.characters != (None, None)
        if of_values and frame.schema[column].is_nested():
            raise DataError(
                f"rules.columns.{column}: the column holds {frame.schema[column]}, of which only `type` and `missing` "
                "can be checked. For labels there are rules.labels and rules.shares."
            )


def _missing_values(rules: Rules, frame: pl.DataFrame) -> Iterator[str]:
    for column, rule in rules.columns.items():
        if rule.missing is None:
            continue
        rows = frame.select(_is_missing(column, frame.schema[column]).arg_true()).to_series().to_list()
        if len(rows) > rule.missing * frame.height:
            share = f"{len(rows) / frame.height:.2%} of the rows, expected at most {rule.missing:.2%}"
            yield f"rules.columns.{column}.missing: {share}; {_places(frame, rows)}"


def _wrong_values(rules: Rules, frame: pl.DataFrame) -> Iterator[str]:
    expected = {
        column: _expected(rule, column, frame.schema[column]) for column, rule in rules.columns.items() if _asks(rule)
    }
    for (column, name), rows in _failures(expected, frame).items():
        wanted = getattr(rules.columns[column], name)
        told = "" if wanted is True else f", expected {_in_words(wanted)}"
        values = [_short(frame[column][row]) for row in rows[:_SHOWN_ROWS]]
        yield f"rules.columns.{column}.{name}: {len(rows):,} values{told}; {_places(frame, rows, values)}"


def _failures(expected: dict[str, dict[str, pl.Expr]], frame: pl.DataFrame) -> dict[tuple[str, str], list[int]]:
    """Return by column and rule the places of the rows whose values break it."""
    if not expected:
        return {}
    try:
        import pandera.polars as pandera
        from pandera.config import ValidationDepth, config_context
    except ImportError:
        raise MissingExtra("Checking rules", "data", "pandera") from None

    def check(name: str, fine: pl.Expr) -> pandera.Check:
        return pandera.Check(lambda data: data.lazyframe.select(fine), name=name)

    columns = {
        column: pandera.Column(checks=[check(*item) for item in checks.items()], nullable=True)
        for column, checks in expected.items()
    }
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            pandera.DataFrameSchema(columns).validate(frame.select(list(expected)), lazy=True)
        except pandera.errors.SchemaErrors as errors:
            by_check = errors.failure_cases.group_by("column", "check", maintain_order=True)
            return {(column, name): rows["index"].to_list() for (column, name), rows in by_check}
    return {}


def _asks(rule: ColumnRule) -> bool:
    return bool(rule.type or rule.unique or rule.one_of or rule.characters != (None, None))


def _expected(rule: ColumnRule, column: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    """Return by rule an expression that is true where a value is right, or missing."""
    value = pl.col(column)
    text = value.cast(pl.String).str.strip_chars()
    expected = {}
    if rule.type is not None:
        expected["type"] = _TYPES[rule.type](value, dtype)
    if rule.unique:
        expected["unique"] = value.is_first_distinct()
    if rule.one_of:
        expected["one_of"] = text.is_in(rule.one_of)
    if rule.characters != (None, None):
        low, high = rule.characters
        expected["characters"] = (
            value.cast(pl.String).str.len_chars().is_between(low or 0, 2**31 if high is None else high)
        )
    return {name: _is_missing(column, dtype) | fine for name, fine in expected.items()}


def _is_missing(column: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(column)
    if dtype == pl.String:
        empty = value.str.strip_chars() == ""
    elif dtype.is_float():
        empty = value.is_nan()
    elif isinstance(dtype, pl.List):
        empty = value.list.len() == 0
    else:
        empty = pl.lit(False)
    return value.is_null() | empty.fill_null(True)


def _is_text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return pl.lit(dtype == pl.String) & value.is_not_null()


def _is_integer(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return value.str.strip_chars().str.contains(r"^[+-]?\d+$")
    if dtype.is_float():
        return value == value.floor()
    return pl.lit(dtype.is_integer()) & value.is_not_null()


def _is_number(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return value.str.strip_chars().cast(pl.Float64, strict=False).is_finite().fill_null(False)
    return pl.lit(dtype.is_numeric()) & value.is_not_null()


def _is_boolean(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String or dtype.is_integer():
        return value.cast(pl.String).str.strip_chars().str.to_lowercase().is_in(_TRUTHS)
    return pl.lit(dtype == pl.Boolean) & value.is_not_null()


def _is_date(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return value.map_elements(_reads_as_date, return_dtype=pl.Boolean)
    return pl.lit(dtype.is_temporal()) & value.is_not_null()


def _reads_as_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _is_list(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return value.str.contains(r"^\s*\[[\s\S]*\]\s*$")
    return pl.lit(isinstance(dtype, pl.List)) & value.is_not_null()


_TYPES: dict[str, Callable[[pl.Expr, pl.DataType], pl.Expr]] = {
    "text": _is_text,
    "integer": _is_integer,
    "number": _is_number,
    "boolean": _is_boolean,
    "date": _is_date,
    "list": _is_list,
}


def _unlisted_labels(
    rules: Rules, frame: pl.DataFrame, labels: Sequence[Label | None], kind: LabelKind[Any]
) -> Iterator[str]:
    if not rules.labels:
        return
    known, rows, names = set(rules.labels), [], Counter[str]()
    for row, label in enumerate(labels):
        unlisted = [name for name in kind.present(label) if name not in known] if label is not None else []
        names.update(unlisted)
        rows += [row] if unlisted else []
    if rows:
        told = ", ".join(f"{name!r} × {count:,}" for name, count in names.most_common(5))
        yield f"rules.labels: {len(rows):,} rows have labels that are not listed: {told}; {_places(frame, rows)}"


def _wrong_shares(rules: Rules, labels: Sequence[Label | None], kind: LabelKind[Any]) -> Iterator[str]:
    counts = Counter(name for label in labels if label is not None for name in kind.present(label))
    labelled = sum(label is not None for label in labels)
    for name, ends in rules.shares.items():
        yield from _outside(
            f"rules.shares.{name}", counts[name] / max(labelled, 1), ends, "{:.2%} of the labelled rows"
        )


def _outside(rule: str, found: float, ends: Range, form: str) -> Iterator[str]:
    low, high = ends
    if (low is not None and found < low) or (high is not None and found > high):
        yield f"{rule}: {form.format(found)}, expected {_bounds(ends, form.partition('}')[0] + '}')}"


def _in_words(wanted: object) -> str:
    if isinstance(wanted, tuple):
        return _bounds(wanted, "{:,.0f}")
    return ", ".join(map(repr, wanted)) if isinstance(wanted, list) else str(wanted)


def _bounds(ends: Range, form: str) -> str:
    words = zip(("at least", "at most"), ends, strict=True)
    return " and ".join(f"{word} {form.format(end)}" for word, end in words if end is not None)


def _places(frame: pl.DataFrame, rows: Sequence[int], values: Sequence[str] = ()) -> str:
    """Return where the first rows stand, with their values."""
    first = rows[:_SHOWN_ROWS]
    shown = [f"{frame['_source'][row]}:{frame['_row'][row]}" for row in first]
    shown = [" ".join(pair) for pair in zip(shown, values, strict=True)] if values else shown
    return ", ".join(shown) + (", …" if len(rows) > len(first) else "")


def _short(value: object) -> str:
    text = repr(value.to_list() if isinstance(value, pl.Series) else value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
