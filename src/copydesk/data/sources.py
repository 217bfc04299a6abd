"""Files of raw texts to one table, each row with its provenance.

Reads CSV, TSV, JSONL, Parquet and one-text-per-line, gzipped or not. Every value is read as the text it is: an
integer label stays the name it was written as. It does not clean, and knows no label but what the file or the recipe
says.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from copydesk.data.batches import Bounds, bounded
from copydesk.data.decoding import text_lines, unpacked
from copydesk.data.delimited import Delimited, read_delimited, separator_of
from copydesk.data.jsonl import read_jsonl
from copydesk.errors import MissingExtra, SourceError, UsageError
from copydesk.files import sha256_of
from copydesk.progress import Progress
from copydesk.recipe import SourceFile
from copydesk.remote.fetch import Fetched, fetch

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


_REVISION = re.compile(r"[?#].*$|@\d+$")
"""What may follow the name of a file in an address: a query, a generation, a version."""
_LINES = {"text": pl.String}
_BATCH = Bounds(rows=50_000)


@dataclass(frozen=True)
class RawTable:
    """Rows as the files hold them, plus `_source` and `_row` (from 1).

    `files` has each file's `url`, `sha256` and, where it came from a server that names one, the `revision`: a commit,
    a version, an ETag. Where a source names its part, `_part` holds it.
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
    return SourceFile(url=text, format="auto", label=None, sha256=None, quoting=None, encoding="auto")


def read_sources(
    sources: Sequence[SourceFile], *, label_column: str | None = None, progress: Progress | None = None
) -> RawTable:
    """Read every file and stack the rows; a source with a fixed `label` gets it as a column `label_column`.

    Raises `SourceError` naming the file and, where there is one, the line.
    """
    frames, files = [], []
    for source in sources:
        local = _local(source, progress)
        frame = _read(source, local.path)
        if source.label is not None and label_column is not None:
            frame = frame.with_columns(pl.lit(source.label).alias(label_column))
        if source.part is not None:
            frame = frame.with_columns(pl.lit(source.part).alias("_part"))
        name = source.url.rpartition("/")[2]
        if not {"_source", "_row"} <= set(frame.columns):  # a collected table brings them along
            rows = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_row")
            frame = frame.with_columns(pl.lit(name).alias("_source"), rows)
        frames.append(frame)
        revision = {"revision": local.revision} if local.revision else {}
        files.append({"url": source.url, **revision, "sha256": source.sha256 or sha256_of(local.path)})
    return RawTable(pl.concat(frames, how="diagonal_relaxed"), files)


def _local(source: SourceFile, progress: Progress | None) -> Fetched:
    if "://" in source.url:
        return fetch(source.url, sha256=source.sha256, progress=progress)
    path = Path(source.url)
    if not path.exists():
        raise SourceError(f"Source file '{path}' does not exist.")
    if source.sha256 and (found := sha256_of(path)) != source.sha256:
        raise SourceError(f"'{path}' has SHA-256 {found}, but the recipe pins {source.sha256}.")
    return Fetched(path, None)


def _read(source: SourceFile, path: Path) -> pl.DataFrame:
    kind = source.format if source.format != "auto" else format_of(source.url)
    try:
        frame = _READERS[kind](path, source)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SourceError(f"'{source.url}' cannot be read as {kind}: {first}") from error
    if frame.is_empty():
        columns = f" (its columns: {', '.join(frame.columns)})" if frame.columns else ""
        raise SourceError(f"'{source.url}' has no rows{columns}.")
    return frame


def format_of(url: str) -> str:
    """Return the format that a file's name stands for. Raises `UsageError` if it says nothing."""
    address = _REVISION.sub("", url) if "://" in url else url
    name = address.rpartition("/")[2].lower().removesuffix(".gz")
    for suffix, kind in SUFFIXES.items():
        if name.endswith(suffix):
            return kind
    raise UsageError(
        f"The format of '{url}' cannot be told from its name. Known endings: {', '.join(SUFFIXES)} (and .gz); "
        "or set `format` in the recipe's source."
    )


def _read_csv(path: Path, source: SourceFile) -> pl.DataFrame:
    separator = separator_of(path, source.url, source.encoding)
    return read_delimited(Delimited(path, source.url, separator, source.quoting is not False, source.encoding))


def _read_tsv(path: Path, source: SourceFile) -> pl.DataFrame:
    return read_delimited(Delimited(path, source.url, "\t", bool(source.quoting), source.encoding))


def _read_jsonl(path: Path, source: SourceFile) -> pl.DataFrame:
    return read_jsonl(path, source.url, encoding=source.encoding)


def _read_parquet(path: Path, source: SourceFile) -> pl.DataFrame:
    with unpacked(path, source.url) as file:
        try:
            return pl.read_parquet(io.BytesIO(file.read()) if isinstance(file, gzip.GzipFile) else path)
        except pl.exceptions.PolarsError as error:
            raise SourceError(
                f"'{source.url}' cannot be read as parquet: {error}. If it was cut short, copy or download it again."
            ) from error


def _read_lines(path: Path, source: SourceFile) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=_LINES), *line_batches(path, source.url, _BATCH, source.encoding)])


def line_batches(path: Path, url: str, bounds: Bounds, encoding: str = "auto") -> Iterator[pl.DataFrame]:
    """Yield the lines that are not blank as a column `text`, stripped, in batches."""
    with text_lines(path, url, encoding) as lines:
        texts = (text for line in lines if (text := line.strip()))
        for batch in bounded(texts, bounds, lambda some: sum(map(len, some))):
            yield pl.DataFrame({"text": batch}, schema=_LINES)


_READERS: dict[str, Callable[[Path, SourceFile], pl.DataFrame]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "lines": _read_lines,
}
