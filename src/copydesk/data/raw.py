"""Raw tables on disk: one Parquet file each, with how it came to be in the file's own metadata.

What `collect` writes and `label` reads: any Parquet reader sees the rows; the key `copydesk` of the file's metadata
holds JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.errors import SourceError
from copydesk.files import refuse_existing, writing

RAW = Path("raw")
LABELLED = Path("labelled")
PARQUET = ".parquet"
KEY = "copydesk"


def newest_file(folder: Path, name: str) -> Path | None:
    """Return the file `folder/NAME-N.parquet` with the highest N, if there is one."""
    found = [file for file in folder.glob(f"{name}-*{PARQUET}") if file.stem.removeprefix(f"{name}-").isdecimal()]
    return max(found, key=lambda file: int(file.stem.rpartition("-")[2]), default=None)


def write_raw(path: Path, frame: pl.DataFrame, facts: dict[str, Any]) -> None:
    """Write a table with its facts, whole or not at all. Raises `UsageError` if the file exists."""
    write_raw_parts(path, [frame], lambda: facts)


def write_raw_parts(path: Path, parts: Iterable[pl.DataFrame], facts: Callable[[], dict[str, Any]]) -> None:
    """Write a table of which only one part is held at a time, whole or not at all; `facts` are asked for at the end.

    Raises `UsageError` if the file exists.
    """
    import pyarrow.parquet as pq

    refuse_existing(path)
    temporary = path.with_name(f".{path.name}.new")
    with writing(path), ExitStack() as opened:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened.callback(temporary.unlink, missing_ok=True)
        writer: pq.ParquetWriter | None = None
        for part in parts:
            table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
            if writer is None:
                writer = opened.enter_context(pq.ParquetWriter(temporary, table.schema))
            writer.write_table(table)
        if writer is None:
            raise ValueError("a table has at least one part, if only an empty one")
        writer.add_key_value_metadata({KEY: json.dumps(facts(), ensure_ascii=False)})
        writer.close()
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.rename(path)


def read_facts(path: Path) -> dict[str, Any]:
    """Return how a raw table came to be; nothing for a Parquet file of another origin. Raises `SourceError`."""
    try:
        facts = json.loads(pl.read_parquet_metadata(path).get(KEY, "{}"))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise SourceError(f"'{path}' cannot be read as a raw table: {str(error).splitlines()[0]}") from None
    return facts if isinstance(facts, dict) else {}
