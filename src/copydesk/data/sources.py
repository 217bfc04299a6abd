"""Files of raw texts to one table, each row with its provenance.

Reads CSV, TSV, JSONL, Parquet and one-text-per-line, gzipped or not. Every value is read as the text it is: an
integer label stays the name it was written as. It does not clean, and knows no label but what the file or the recipe
says.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from copydesk.data.fetch import fetch
from copydesk.errors import MissingExtra, SourceError, UsageError
from copydesk.files import sha256_of
from copydesk.recipe import SourceFile

try:
    import polars as pl
except ImportError:  # pragma: no cover - shown in an environment without the extra
    raise MissingExtra("Reading data", "data", "polars") from None

if TYPE_CHECKING:
    from os import PathLike

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "lines",
}


_CONSTANTS = {"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}
"""NaN is what Python writes for a missing value; a column of lists could not hold it."""


@dataclass(frozen=True)
class RawTable:
    """Rows as the files hold them, plus `_source` and `_row` (from 1), and each file's name and SHA-256.

    Where a source names its part, `_part` holds it.
    """

    frame: pl.DataFrame
    files: list[dict[str, str]]


def source_of_path(path: str | PathLike[str]) -> SourceFile:
    """Return the source for a path given by hand; `UsageError` if it does not exist."""
    text = str(path)
    if "://" not in text and not Path(text).exists():
        raise UsageError(f"Data '{text}' does not exist.")
    if "://" not in text and Path(text).is_dir():
        raise UsageError(f"Data '{text}' is a folder without a Dataset in it (no manifest.json and data.parquet).")
    return SourceFile(url=text, format="auto", label=None, sha256=None, quoting=None)


def read_sources(sources: Sequence[SourceFile], *, label_column: str | None = None) -> RawTable:
    """Read every file and stack the rows; a source with a fixed `label` gets it as a column `label_column`.

    Raises `SourceError` naming the file and, where there is one, the line.
    """
    frames, files = [], []
    for source in sources:
        path = _local(source)
        frame = _read(source, path)
        if source.label is not None and label_column is not None:
            frame = frame.with_columns(pl.lit(source.label).alias(label_column))
        if source.part is not None:
            frame = frame.with_columns(pl.lit(source.part).alias("_part"))
        name = source.url.rpartition("/")[2]
        rows = pl.Series("_row", range(1, frame.height + 1), dtype=pl.Int64)
        frames.append(frame.with_columns(pl.lit(name).alias("_source"), rows))
        files.append({"url": source.url, "sha256": sha256_of(path)})
    return RawTable(pl.concat(frames, how="diagonal_relaxed"), files)


def _local(source: SourceFile) -> Path:
    if "://" in source.url:
        return fetch(source.url, sha256=source.sha256)
    path = Path(source.url)
    if not path.exists():
        raise SourceError(f"Source file '{path}' does not exist.")
    if source.sha256 and (found := sha256_of(path)) != source.sha256:
        raise SourceError(f"'{path}' has SHA-256 {found}, but the recipe pins {source.sha256}.")
    return path


def _read(source: SourceFile, path: Path) -> pl.DataFrame:
    kind = source.format if source.format != "auto" else _format_of(source.url)
    raw = _unpacked(path, source.url)
    if not raw:
        raise SourceError(f"'{source.url}' is empty.")
    try:
        return _READERS[kind](raw, source)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SourceError(f"'{source.url}' cannot be read as {kind}: {first}") from error


def _format_of(url: str) -> str:
    name = url.partition("?")[0].rpartition("/")[2].lower().removesuffix(".gz")
    for suffix, kind in SUFFIXES.items():
        if name.endswith(suffix):
            return kind
    raise UsageError(
        f"The format of '{url}' cannot be told from its name. Known endings: {', '.join(SUFFIXES)} (and .gz); "
        "or set `format` in the recipe's source."
    )


def _unpacked(path: Path, url: str) -> bytes:
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"'{url}' is a damaged or truncated gzip file: {error}.") from error


def _decoded(raw: bytes, url: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"'{url}' is not UTF-8: byte 0x{raw[error.start]:02x} in line {line}. Convert it first, e.g. "
            "iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW."
        ) from None


def _read_csv(raw: bytes, source: SourceFile) -> pl.DataFrame:
    quoting = True if source.quoting is None else source.quoting
    return _read_delimited(raw, source, ",", quoting)


def _read_tsv(raw: bytes, source: SourceFile) -> pl.DataFrame:
    return _read_delimited(raw, source, "\t", bool(source.quoting))


def _read_delimited(raw: bytes, source: SourceFile, separator: str, quoting: bool) -> pl.DataFrame:
    text = _decoded(raw, source.url)
    quote = '"' if quoting else None
    return pl.read_csv(io.StringIO(text), separator=separator, quote_char=quote, infer_schema=False)


def _read_jsonl(raw: bytes, source: SourceFile) -> pl.DataFrame:
    rows = []
    for number, line in enumerate(_decoded(raw, source.url).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_CONSTANTS.__getitem__)
        except (json.JSONDecodeError, RecursionError) as error:
            raise SourceError(f"'{source.url}' line {number} is not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise SourceError(
                f"'{source.url}' line {number} holds {type(row).__name__}, not an object like {{\"text\": …}}."
            )
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def _read_parquet(raw: bytes, source: SourceFile) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(raw))


def _read_lines(raw: bytes, source: SourceFile) -> pl.DataFrame:
    lines = (line.strip() for line in _decoded(raw, source.url).split("\n"))
    return pl.DataFrame({"text": [line for line in lines if line]}, schema={"text": pl.String})


_READERS: dict[str, Callable[[bytes, SourceFile], pl.DataFrame]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "lines": _read_lines,
}
