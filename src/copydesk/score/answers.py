"""Answers as Arrow columns beside the input's own.

It knows which names the columns get, and what stands in a row without an answer: nothing, and why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from copydesk.tasks.columns import Column, Lists, Names

ERROR = "error"
_TAKEN = "predicted_"


def array_of(column: Column) -> pa.Array:
    """Return a task's column as Arrow."""
    if isinstance(column, Names):
        numbers = pa.array(column.numbers, pa.int32(), mask=column.numbers < 0)
        return pa.array(column.names, pa.string()).take(numbers)
    if isinstance(column, Lists):
        ends = pa.array(np.concatenate([[0], np.cumsum(column.lengths)]), pa.int32())
        return pa.ListArray.from_arrays(ends, array_of(column.values))
    if isinstance(column, Mapping):
        return pa.StructArray.from_arrays([array_of(part) for part in column.values()], list(column))
    return pa.array(column)


def free_names(wanted: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Return what each answer's column is called: its name, with `predicted_` before it as long as that is taken."""
    found: dict[str, str] = {}
    for name in wanted:
        free = name
        while free in taken or free in found.values():
            free = _TAKEN + free
        found[name] = free
    return found


def beside(
    table: pa.Table, answers: Mapping[str, pa.Array], places: NDArray[np.int64], names: Mapping[str, str]
) -> pa.Table:
    """Return the table with the answers' columns; row i has the answer number `places[i]`, or none where that is -1."""
    if len(places) != len(next(iter(answers.values()))) or (places != np.arange(len(places))).any():
        chosen = pa.array(places, mask=places < 0)
        answers = {name: column.take(chosen) for name, column in answers.items()}
    for name, column in answers.items():
        table = table.append_column(names[name], column)
    return table
