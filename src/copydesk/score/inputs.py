"""The files that are to be scored, as one run of rows with the same columns."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from copydesk.data.dataset import DATA_FILE, is_dataset
from copydesk.data.sources import SUFFIXES, format_of
from copydesk.data.stream import Batch, Surveyed, stream, survey
from copydesk.errors import DataError, SourceError, UsageError
from copydesk.progress import Progress
from copydesk.remote.addresses import access_to, stored_at
from copydesk.remote.fetch import fetch
from copydesk.remote.retry import Retries

_WILD = "*?["
_LISTED = tuple(suffix + packed for suffix in SUFFIXES if suffix != ".json" for packed in ("", ".gz"))
"""What is taken from a folder. A `.json` there is more often a manifest than data."""


@dataclass(frozen=True)
class Input:
    """Surveyed files end to end, in the order of their names; `text` are the columns that the model reads."""

    files: tuple[Surveyed, ...]
    schema: pa.Schema
    text: tuple[str, ...]

    @property
    def rows(self) -> int:
        """The rows of all files."""
        return sum(file.rows for file in self.files)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Yield the rows from number `start` (from 0) on, with the columns of all files."""
        for file in self.files:
            if start < file.rows:
                for batch in stream(file, _local(file.url, file.bytes), self.text, start=start):
                    yield Batch(self._aligned(batch.table, file.url), batch.odd)
            start = max(start - file.rows, 0)

    def _aligned(self, table: pa.Table, url: str) -> pa.Table:
        """Return the table with every column of the schema, null where the file does not have it."""
        if table.schema.equals(self.schema):
            return table
        try:
            columns = [
                table[field.name].cast(field.type)
                if field.name in table.schema.names
                else pa.nulls(len(table), field.type)
                for field in self.schema
            ]
        except pa.ArrowException as error:
            raise SourceError(f"'{url}' does not fit to the other files: {error}") from error
        return pa.Table.from_arrays(columns, schema=self.schema)


class Forward:
    """Takes runs of rows out of an input, opening it once as long as they come in order.

    What lies between is skipped: in Parquet unread, in other files read without a use.
    """

    def __init__(self, found: Input) -> None:
        self._found = found
        self._at = 0
        self._open: Iterator[Batch] | None = None
        self._rest: Batch | None = None
        self._skips = all(file.kind == "parquet" for file in found.files)

    def take(self, start: int, stop: int) -> Iterator[tuple[int, Batch]]:
        """Yield the rows from number `start` to `stop` (exclusive) in batches, each with its first row's number."""
        if self._open is None or start < self._at or (start > self._at and self._skips):
            self._at, self._open, self._rest = start, self._found.batches(start), None
        while self._at < stop:
            batch = self._rest or next(self._open)
            first, rows = self._at, batch.table.num_rows
            end = min(first + rows, stop)
            self._at, self._rest = end, batch.part(end - first, rows) if end < first + rows else None
            if end > start:
                yield max(first, start), batch.part(max(start - first, 0), end - first)


def read_input(path: str, text: Sequence[str], progress: Progress) -> Input:
    """List the files, fetch remote ones, and read each once for its rows and columns.

    Raises `UsageError` if there is nothing, `SourceError` for a damaged file, `DataError` without the text columns.
    """
    files = []
    for url in files_of(path):
        format_of(url)  # before anything is fetched
        with progress.track(f"reading {url.rpartition('/')[2]}", 0, "rows") as advance:
            local = fetch(url, progress=progress).path if "://" in url else Path(url)
            files.append(survey(local, url, text, advance))
    found = Input(tuple(files), _united(files), tuple(text))
    if not found.rows:
        raise DataError(f"'{path}' has no rows.")
    _require_texts(found)
    for file in files:
        if odd := sorted(file.json - set(text)):
            progress.warn(f"'{file.url}': the values of {odd[0]!r} are of several kinds; they are kept as JSON text.")
    return found


def files_of(path: str) -> list[str]:
    """Return the files that a path, folder, glob or address names, sorted. Raises `UsageError` if there are none."""
    if "://" in path:
        return _remote_files(path)
    if Path(path).is_file():
        return [path]
    if Path(path).is_dir():
        if is_dataset(Path(path)):
            return [str(Path(path) / DATA_FILE)]
        found = [str(file) for file in sorted(Path(path).rglob("*")) if file.is_file()]
        return _data_files(path, found)
    found = sorted(file for file in glob.glob(path, recursive=True) if Path(file).is_file())
    if not found:
        raise UsageError(f"Input '{path}' " + ("matches no file." if set(path) & set(_WILD) else "does not exist."))
    return found


def _remote_files(url: str) -> list[str]:
    stored = stored_at(url)
    if stored is None:
        return [url]
    named = stored.filesystem.unstrip_protocol
    ask = partial(Retries(), url, access=access_to(url))
    if set(stored.path) & set(_WILD):
        found = ask(lambda: sorted(stored.filesystem.glob(stored.path)))
        if not found:
            raise UsageError(f"Input '{url}' matches no file.")
        return [named(name) for name in found]
    if not ask(lambda: stored.filesystem.isdir(stored.path)):
        return [url]
    return _data_files(url, [named(name) for name in ask(lambda: sorted(stored.filesystem.find(stored.path)))])


def _data_files(folder: str, found: list[str]) -> list[str]:
    """Return the files whose names are data's; what begins with a dot or an underscore, or lies below such, is not."""
    below = len(folder.rstrip("/")) + 1
    seen = [name for name in found if not any(part[0] in "._" for part in name[below:].split("/") if part)]
    files = [name for name in seen if name.lower().endswith(_LISTED)]
    if not files:
        raise UsageError(
            f"The folder '{folder}' holds no data. Files with these endings count: {', '.join(_LISTED[::2])}."
        )
    return files


def _united(files: Sequence[Surveyed]) -> pa.Schema:
    united = files[0].schema
    for file in files[1:]:
        try:
            united = pa.unify_schemas([united, file.schema], promote_options="permissive")
        except pa.ArrowException as error:
            reason = str(error).removeprefix("Unable to merge: ")
            raise DataError(
                f"'{file.url}' and '{files[0].url}' do not go together: {reason}. Score them apart."
            ) from None
    return united


def _require_texts(found: Input) -> None:
    for name in found.text:
        if name not in found.schema.names:
            raise DataError(
                f"Column {name!r} is missing; the data has: {', '.join(found.schema.names)}. Name it with --text."
            )
        kind = found.schema.field(name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (
            pa.types.is_null(inner)
            or pa.types.is_string(inner)
            or pa.types.is_large_string(inner)
            or pa.types.is_string_view(inner)
        ):
            raise DataError(f"Column {name!r} holds {kind}, not text. Name the column of the texts with --text.")


def _local(url: str, size: int) -> Path:
    """Return where the file's bytes are on this machine. Raises `SourceError` if it is not the surveyed file."""
    path = fetch(url).path if "://" in url else Path(url)
    if not path.is_file():
        raise SourceError(f"'{url}' is not on this machine. Every machine that scores must see the same files.")
    if path.stat().st_size != size:
        raise SourceError(f"'{url}' changed while it was scored: {path.stat().st_size:,} bytes, not {size:,}.")
    return path
