"""What a report can be made of: answers that are there already, a prediction log, or texts still to be scored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from copydesk.data.raw import KEY
from copydesk.errors import SourceError
from copydesk.monitor.log import POSTGRES, open_log
from copydesk.score.destination import MANIFEST
from copydesk.score.inputs import files_of
from copydesk.signals.columns import answers_in
from copydesk.signals.rows import rows_of_log

_DAYS = "????-??-??"


def is_log(source: str) -> bool:
    """Tell whether this is a prediction log: a database, or a folder of days."""
    return source.startswith(POSTGRES) or ("://" not in source and any(Path(source).glob(_DAYS)))


def log_rows(source: str, held: Path) -> pl.LazyFrame:
    """Return the rows of a prediction log, read once: the few columns that count are held in a file."""
    rows_of_log(open_log(source).read()).sink_parquet(held)
    return pl.scan_parquet(held)


def scored_files(source: str) -> list[str]:
    """Return the Parquet files with a signals model's answers that this names; none if it is something else."""
    if "://" in source:
        return []
    files = files_of(source)
    if not all(file.endswith((".parquet", ".pq")) for file in files):
        return []
    try:
        schema = pl.Schema(pl.DataFrame(pq.read_schema(files[0]).empty_table()).schema)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"'{files[0]}' cannot be read as parquet: {error}. Copy or download it again.") from None
    return files if answers_in(schema) else []


def scored_by(source: str, files: Sequence[str]) -> Mapping[str, Any] | None:
    """Return the model that `copydesk score` says it wrote these files by; None where it does not say."""
    manifest = Path(source) / MANIFEST
    try:
        told = (
            manifest.read_text("utf-8")
            if manifest.is_file()
            else (pq.read_metadata(files[0]).metadata or {})[KEY.encode()]
        )
        model = json.loads(told)["model"]
    except (KeyError, ValueError, TypeError, OSError):
        return None
    return model if isinstance(model, dict) else None
