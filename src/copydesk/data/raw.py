"""Raw tables on disk: one Parquet file each, with how it came to be in the file's own metadata.

What `collect` writes and `label` reads: any Parquet reader sees the rows; the key `copydesk` of the file's metadata
holds JSON.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.errors import SourceError
from copydesk.files import refuse_existing, writing

RAW = Path("raw")
KEY = "copydesk"


def next_file(folder: Path, name: str) -> Path:
    """Return the first of `folder/NAME-1.parquet`, `-2`, … that does not exist and that nothing is under way for."""
    number = 1
    while (file := folder / f"{name}-{number}.parquet").exists() or any(folder.glob(f".{file.name}.*")):
        number += 1
    return file


def newest_file(folder: Path, name: str) -> Path | None:
    """Return the file `folder/NAME-N.parquet` with the highest N, if there is one."""
    found = [file for file in folder.glob(f"{name}-*.parquet") if file.stem.removeprefix(f"{name}-").isdecimal()]
    return max(found, key=lambda file: int(file.stem.rpartition("-")[2]), default=None)


def write_raw(path: Path, frame: pl.DataFrame, facts: dict[str, Any]) -> None:
    """Write a table with its facts, whole or not at all. Raises `UsageError` if the file exists."""
    refuse_existing(path)
    temporary = path.with_name(f".{path.name}.new")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            frame.write_parquet(temporary, metadata={KEY: json.dumps(facts, ensure_ascii=False)})
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)


def read_facts(path: Path) -> dict[str, Any]:
    """Return how a raw table came to be; nothing for a Parquet file of another origin. Raises `SourceError`."""
    try:
        facts = json.loads(pl.read_parquet_metadata(path).get(KEY, "{}"))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise SourceError(f"'{path}' cannot be read as a raw table: {str(error).splitlines()[0]}") from None
    return facts if isinstance(facts, dict) else {}
