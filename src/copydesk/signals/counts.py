"""What became of every row: used, or left out and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import polars as pl

from copydesk.signals.rows import UNKNOWN


@dataclass(frozen=True)
class RowCounts:
    """Rows in all, and those left out: without a time or an answer, dated later than now, outside the report's time.

    `used` are in the sheet, `unknown_place` of them under a place of their own.
    """

    rows: int
    no_time: int
    no_answer: int
    in_future: int
    outside: int
    used: int
    unknown_place: int

    def to_json(self) -> dict[str, int]:
        """Return it as JSON."""
        return asdict(self)


def counted(rows: pl.LazyFrame, usable: pl.Expr, future: pl.Expr) -> RowCounts:
    """Count rows in one pass; each is left out for the first reason that holds."""
    no_time = pl.col("at").is_null()
    no_answer = ~no_time & pl.col("signals").is_null()
    known = ~no_time & ~no_answer
    found = rows.select(
        rows=pl.len(),
        no_time=no_time.sum(),
        no_answer=no_answer.sum(),
        in_future=(known & future).sum(),
        outside=(known & ~future & ~usable).sum(),
        used=(known & usable).sum(),
        unknown_place=(known & usable & (pl.col("place") == UNKNOWN)).sum(),
    ).collect(engine="streaming")
    return RowCounts(**found.row(0, named=True))
