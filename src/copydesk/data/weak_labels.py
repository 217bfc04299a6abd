"""What a labelled table says of its labels beside the labels: how probable each is, and who voted for it.

`probabilities` holds a list of structs (label, probability) per row, `votes` one of structs (function, label); null or
an empty list where there is none. Where votes come from, and how they become probabilities, is not known here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from copydesk.data.label_kinds import LabelKind, ReadLabels, Trust, Where, listed, name_of, where_in
from copydesk.errors import DataError
from copydesk.types import Label

PROBABILITIES, VOTES = "probabilities", "votes"
FIELDS = ["label", "probability"]
DTYPE = pl.List(pl.Struct({"label": pl.String(), "probability": pl.Float64()}))
_ROUNDING = 0.01
"""How far a row's probabilities may be from adding up to 1; they are scaled then."""
_NOISE = 1e-6


def given_column(label: str) -> str:
    """Return the name under which a labelled table keeps the labels that its rows came with."""
    return f"{label}_given"


def trust_in(frame: pl.DataFrame) -> list[Trust]:
    """Tell for each row where its label comes from: labelling functions, if it has votes or probabilities."""
    weak = np.zeros(frame.height, np.bool_)
    for name in (PROBABILITIES, VOTES):
        column = frame.get_column(name, default=None)
        if column is not None and isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Struct):
            weak |= (column.list.len().fill_null(0) > 0).to_numpy()
    return ["weak" if is_weak else "given" for is_weak in weak]


def with_probabilities(
    found: ReadLabels, frame: pl.DataFrame, kind: LabelKind[Any], names: Mapping[str, str]
) -> ReadLabels:
    """Return the labels with the probabilities of those that are weak, and what is odd about them as warnings.

    `names` are the aliases, merged in `found` already: of labels that became one the probabilities add up where labels
    exclude each other, else the highest counts. Raises `DataError` naming the row.
    """
    column, where = frame.get_column(PROBABILITIES, default=None), where_in(frame)
    if column is None or _is_empty(column):
        return found
    _require_right(column, kind, where)
    weak = [place for place, trust in enumerate(found.trust) if trust != "given"]
    entries = _named(_long(column).filter(pl.col("row").is_in(weak)))
    _require_sense(entries, where)
    entries = _merged(entries, names, kind)
    warnings = [*found.warnings]
    if kind.relation == "exclusive":
        _require_sums(entries, where)
        warnings += _contradicted(entries, found.values, where)
    known = {name for label in found.values if label is not None for name in kind.present(label)}
    warnings += _never_given(entries, known, where)
    trust = np.array(found.trust)
    trust[entries["row"].to_numpy()] = "soft"
    return replace(found, warnings=warnings, trust=trust.tolist(), probabilities=entries)


def probabilities_of(
    entries: pl.DataFrame, rows: Sequence[int | None], labels: Sequence[str], kind: LabelKind[Any]
) -> pl.Series | None:
    """Return the Dataset's column for these raw rows, null for None; None if all are null.

    Labels that are not among `labels` are left out, and where labels exclude each other the rest adds up to 1 again.
    """
    place, label = _places_of(entries, rows), _places_in(labels, entries["label"])
    kept = np.flatnonzero((place >= 0) & (label >= 0))
    kept = kept[np.lexsort((label[kept], place[kept]))]
    probability = entries["probability"].to_numpy()
    if kind.relation == "exclusive":
        total = np.bincount(place[kept], probability[kept], minlength=len(rows))
        kept = kept[total[place[kept]] > 0]
        return _column(labels, place[kept], label[kept], probability[kept] / total[place[kept]], len(rows))
    return _column(labels, place[kept], label[kept], probability[kept], len(rows))


def matrix_of(column: pl.Series, labels: Sequence[str], kind: LabelKind[Any]) -> NDArray[np.float32]:
    """Return probabilities in the order of `labels`, shape (rows, labels).

    NaN where a row says nothing of a label; where labels exclude each other one that a row does not list is improbable.
    """
    entries = _long(column)
    row = entries["row"].to_numpy()
    matrix = np.full((len(column), len(labels)), np.nan, np.float32)
    if kind.relation == "exclusive":
        matrix[row] = 0
    matrix[row, _places_in(labels, entries["label"])] = entries["probability"].to_numpy()
    return matrix


def _long(column: pl.Series) -> pl.DataFrame:
    """Return one row per entry: the number of its row, and its fields."""
    cells = pl.DataFrame({"row": pl.int_range(len(column), eager=True), "cell": column})
    cells = cells.filter(pl.col("cell").list.len() > 0).explode("cell")
    return cells.select("row", *(pl.col("cell").struct.field(name) for name in FIELDS))


def _places_in(labels: Sequence[str], names: pl.Series) -> NDArray[np.int32]:
    """Return the place of each name among the labels, -1 if it is none of them."""
    places = {label: place for place, label in enumerate(labels)}
    return names.replace_strict(places, default=-1, return_dtype=pl.Int32).to_numpy()


def _places_of(entries: pl.DataFrame, rows: Sequence[int | None]) -> NDArray[np.int64]:
    """Return for each entry where its row stands among these, -1 if nowhere."""
    wanted = np.array([-1 if row is None else row for row in rows])
    row = entries["row"].to_numpy()
    place_of = np.full(max(row.max(initial=-1), wanted.max(initial=-1)) + 1, -1)
    place_of[wanted[wanted >= 0]] = np.flatnonzero(wanted >= 0)
    found: NDArray[np.int64] = place_of[row]
    return found


def _column(
    labels: Sequence[str],
    place: NDArray[np.int64],
    label: NDArray[np.int32],
    probability: NDArray[np.float64],
    rows: int,
) -> pl.Series | None:
    """Return entries, sorted by place, as one list of structs a row, null where there is none; None if all are."""
    if not len(place):
        return None
    sizes = np.bincount(place, minlength=rows)
    names = pl.Series(labels, dtype=pl.String).gather(label).to_arrow()
    entries = pa.StructArray.from_arrays([names, pa.array(probability)], FIELDS)
    cells = pa.LargeListArray.from_arrays(np.append(0, np.cumsum(sizes)), entries, mask=pa.array(sizes == 0))
    return pl.Series(PROBABILITIES, cells).cast(DTYPE)


def _is_empty(column: pl.Series) -> bool:
    """Tell whether no row has an entry."""
    if isinstance(column.dtype, pl.List):
        return not (column.list.len() > 0).any()
    return column.null_count() == len(column)


def _require_right(column: pl.Series, kind: LabelKind[Any], where: Where) -> None:
    """Raise `DataError` for a task without probabilities, or a column that holds something else."""
    if kind.relation == "scored":
        raise DataError(
            f"Column {column.name!r} is for the tasks 'single' and 'multi': the scores of 'signals' are soft already. "
            "Remove or rename it."
        )
    if not _holds_entries(column.dtype):
        first = int(column.is_not_null().arg_max() or 0)
        raise DataError(
            f"{where(first)}: column {column.name!r} holds {column.dtype}; expected a list of "
            '{"label": NAME, "probability": NUMBER} (Parquet or JSONL). Rename it if it means something else.'
        )


def _holds_entries(dtype: pl.DataType) -> bool:
    if not isinstance(dtype, pl.List) or not isinstance(dtype.inner, pl.Struct):
        return False
    fields = {field.name: field.dtype for field in dtype.inner.fields}
    if not {"label", "probability"} <= set(fields):
        return False
    missing = fields["probability"] == pl.Null()  # in every row: told apart by `_require_sense`
    return not fields["label"].is_nested() and (fields["probability"].is_numeric() or missing)


def _named(entries: pl.DataFrame) -> pl.DataFrame:
    """Return entries with their labels' names; a missing one is empty."""
    written = {label: name_of(label) for label in entries["label"].unique().to_list()}
    label = pl.col("label").replace_strict(written, return_dtype=pl.String, default="")
    return entries.select("row", label, pl.col("probability").cast(pl.Float64))


def _merged(entries: pl.DataFrame, names: Mapping[str, str], kind: LabelKind[Any]) -> pl.DataFrame:
    entries = entries.with_columns(pl.col("probability").clip(0, 1))
    if not set(names) & set(entries["label"].unique()):
        return entries
    probability = pl.col("probability")
    together = probability.sum() if kind.relation == "exclusive" else probability.max()
    return entries.group_by("row", pl.col("label").replace(dict(names)), maintain_order=True).agg(together)


def _require_sense(entries: pl.DataFrame, where: Where) -> None:
    """Raise `DataError` for the first entry that has no label, has it twice, or has no probability from 0 to 1."""
    probability = pl.col("probability")
    sensible = probability.is_between(-_NOISE, 1 + _NOISE) & probability.is_not_nan()
    _refuse(entries, pl.col("label") == "", where, lambda entry: "a probability without a label")
    _refuse(
        entries,
        _repeated(entries),
        where,
        lambda entry: f"the label {entry['label']!r} twice; keep one of them",
    )
    _refuse(
        entries,
        ~sensible.fill_null(False),
        where,
        lambda entry: f"{entry['probability']} for {entry['label']!r}, which is no probability from 0 to 1",
    )


def _repeated(entries: pl.DataFrame) -> pl.Series:
    """Tell which entries name a label that their row names twice."""
    names = entries["label"].unique().to_list()
    keys = entries["row"].to_numpy() * len(names) + _places_in(names, entries["label"])
    ordered = np.sort(keys)
    return pl.Series(np.isin(keys, ordered[1:][np.diff(ordered) == 0]))


def _refuse(
    entries: pl.DataFrame, wrong: pl.Expr | pl.Series, where: Where, say: Callable[[dict[str, Any]], str]
) -> None:
    for entry in entries.filter(wrong).head(1).iter_rows(named=True):
        raise DataError(f"{where(entry['row'])}: column {PROBABILITIES!r} has {say(entry)}.")


def _require_sums(entries: pl.DataFrame, where: Where) -> None:
    row = entries["row"].to_numpy()
    total = np.bincount(row, entries["probability"].to_numpy())[row]
    _refuse(
        entries.with_columns(pl.Series("total", total)),
        (pl.col("total") - 1).abs() > _ROUNDING,
        where,
        lambda entry: f"probabilities that add up to {entry['total']:.4g}; for task 'single' they must make 1",
    )


def _never_given(entries: pl.DataFrame, known: Collection[str], where: Where) -> list[str]:
    """Return lines on labels that every row lists and none has. Raises `DataError` for one that only some rows list."""
    foreign = entries.filter(~pl.col("label").is_in(list(known)) & (pl.col("probability") > 0))
    everywhere = entries.group_by("label").len().filter(pl.col("len") == entries["row"].n_unique())["label"]

    def say(entry: dict[str, Any]) -> str:
        near = difflib.get_close_matches(entry["label"], sorted(known), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"the label {entry['label']!r}, which is no row's own label.{hint} Correct it, or take it out"

    _refuse(foreign, ~pl.col("label").is_in(everywhere.to_list()), where, say)
    never = sorted(foreign["label"].unique())
    if not never:
        return []
    share = float(foreign["probability"].sum()) / float(entries["probability"].sum())
    return [f"{listed(never)}: probable in places but no row's own label; left out, {share:.1%} of all probabilities."]


def _contradicted(entries: pl.DataFrame, labels: Sequence[Label | None], where: Where) -> list[str]:
    """Return a line if rows have another label than their most probable one."""
    own = pl.Series("own", labels, dtype=pl.String)
    best = entries.with_columns(own.gather(entries["row"])).group_by("row", maintain_order=True)
    found = best.agg(
        pl.col("own").first(),
        pl.col("probability").max().alias("best"),
        pl.col("probability").filter(pl.col("label") == pl.col("own")).sum().alias("given"),
    ).filter(pl.col("own").is_not_null() & (pl.col("given") < pl.col("best") - _NOISE))
    if found.is_empty():
        return []
    places = ", ".join(where(row) for row in found["row"].head(3))
    return [
        f"{found.height:,} rows have another label than their most probable one ({places}): training goes by the "
        "probabilities. Where a person corrected the label, empty the row's probabilities."
    ]
