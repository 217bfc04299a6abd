"""What must hold of the raw data before anything is made of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from copydesk.recipe.base import Section

ValueType = Literal["text", "integer", "number", "boolean", "date", "list"]


def _in_order(ends: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = ends
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low:g} is more than {high:g}; write the least value first")
    return ends


Range = Annotated[tuple[float | None, float | None], AfterValidator(_in_order)]
"""The least and the greatest value that is right; null: no bound."""


class ColumnRule(Section):
    """What must hold of one raw column's values; those that are missing count for `missing` alone."""

    type: ValueType | None = Field(None, description="What every value is, or can be read as.")
    missing: float | None = Field(None, ge=0, le=1, description="The greatest share of rows without a value.")
    unique: bool = Field(False, description="No value stands on two rows.")
    one_of: list[str] = Field([], description="Every value that may occur.")
    characters: Range = Field((None, None), description="The least and greatest length of a value.")


class Rules(Section):
    """What must hold of the raw data; a violation names the rows."""

    columns: dict[str, ColumnRule] = Field({}, description="Rules by raw column.")
    labels: list[str] = Field([], description="Every label that may occur (`signals`: category present).")
    shares: dict[str, Range] = Field({}, description="By label the least and greatest share of labelled rows with it.")
    rows: Range = Field((None, None), description="The least and greatest number of rows.")
    on_violation: Literal["refuse", "warn"] = Field("refuse", description="Stop, or only warn.")
