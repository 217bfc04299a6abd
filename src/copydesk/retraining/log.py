"""What retraining reads of a prediction log: rows, what people said of them, texts that the log did not keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from copydesk.data.clean import joined_texts
from copydesk.monitor.corrections import SCHEMA as CORRECTIONS
from copydesk.monitor.entry import SCHEMA
from copydesk.monitor.log import open_log, shown
from copydesk.normalise import normalise, text_id


@dataclass(frozen=True)
class Logged:
    """A log's rows and corrections, and what to call it."""

    rows: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=SCHEMA))
    corrections: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CORRECTIONS))
    name: str = ""

    def with_texts(self, texts: pl.DataFrame) -> Logged:
        """Return the log with the texts that it did not keep, by id or by the text's hash (`read_texts`)."""
        key = "id" if "id" in texts.columns else "text_hash"
        given = texts.lazy().select(key, given="text").unique(key, keep="last")
        rows = self.rows.join(given, on=key, how="left")
        rows = rows.with_columns(text=pl.coalesce("given", "text")).select(list(SCHEMA))
        return Logged(rows, self.corrections, self.name)


def read_texts(path: Path, columns: Sequence[str], steps: Sequence[str]) -> pl.DataFrame:
    """Return a file's texts, normalised, with their hashes, and where the file has a column `id`, the answers' ids.

    Raises `DataError` for a missing column, `SourceError` for a file that cannot be read.
    """
    from copydesk.data.sources import read_sources, source_of_path  # needs `data`; a log with its texts does not

    frame = read_sources([source_of_path(path)]).frame
    texts = [normalise(text, steps) for text in joined_texts(frame, columns)]
    found = pl.DataFrame({"text": texts, "text_hash": [text_id(text) for text in texts]})
    return found.with_columns(frame["id"].cast(pl.String)) if "id" in frame.columns else found


def read_log(address: str, since: datetime | None = None, until: datetime | None = None) -> Logged:
    """Return a log's rows of some time, and all its corrections. Raises `UsageError` if there is no log."""
    log = open_log(address)
    return Logged(log.read(since, until), log.corrections(), shown(address))
