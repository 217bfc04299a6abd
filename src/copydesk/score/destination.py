"""Where the answers go: a folder of parts whose manifest is written last, or one file put together at the end.

OUT/request.json, part-….parquet      under way
OUT/part-….parquet, manifest.json     finished
.OUT.parquet.scoring/                 the same for one file, until it is finished
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from copydesk.errors import UsageError
from copydesk.files import writing
from copydesk.remote.store import Bucket, Folder, Store
from copydesk.score.parts import COMPRESSION, GROUP_BYTES, GROUP_ROWS, KEY, Rows

REQUEST = "request.json"
MANIFEST = "manifest.json"
_LOCK = ".lock"
_SUFFIXES = (".parquet", ".pq")
_OTHER_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".txt", ".gz")


class Destination:
    """OUT, as it was given. `store` is where the parts are."""

    def __init__(self, out: str) -> None:
        self.out = out
        if out.lower().endswith(_OTHER_SUFFIXES):
            raise UsageError(f"Output '{out}' will be Parquet. Name a folder, or a file that ends in .parquet.")
        parent, slash, self._file = out.rstrip("/").rpartition("/")
        if "://" not in out and not out.endswith(_SUFFIXES) and Path(out).is_file():
            raise UsageError(f"Output '{out}' is a file. Name a new folder, or a new file that ends in .parquet.")
        self._single = out.endswith(_SUFFIXES)
        self._outer = _store(parent + slash if self._single and slash else "." if self._single else out)
        self.store = _store(f"{parent}{slash}.{self._file}.scoring") if self._single else self._outer

    def finished(self) -> str | None:
        """Return the manifest, if all is done; an empty text where OUT is something else."""
        if not self._single:
            return self.store.read(MANIFEST)
        if self._file not in self._outer.names():
            return None
        try:
            with self._outer.opened(self._file) as file:
                metadata = pq.read_metadata(file).metadata or {}
        except (pa.ArrowException, OSError):
            return ""
        return (metadata.get(KEY.encode()) or b"").decode()

    def begun(self) -> str | None:
        """Return the request that OUT was begun for. Raises `UsageError` if it holds something else."""
        request = self.store.read(REQUEST)
        names = set(self.store.names()) - {_LOCK}
        if request is None and names:
            raise UsageError(f"Output '{self.out}' exists already, and holds '{min(names)}'. Choose another OUT.")
        return request

    def begin(self, request: dict[str, Any]) -> None:
        """Note the request; from now on the parts belong to it."""
        self.store.write(REQUEST, _json(request))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes of this machine out, and sweep up after one that was killed."""
        if not isinstance(self.store, Folder):
            yield
            return
        with writing(self.store.path):
            self.store.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.store.path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"Another process is scoring into '{self.out}'. Wait for it, or end it.") from None
        try:
            self.store.sweep()
            yield
        finally:
            (self.store.path / _LOCK).unlink(missing_ok=True)
            lock.release()

    def finish(self, manifest: dict[str, Any], parts: list[Rows], schema: pa.Schema) -> None:
        """Write the manifest; one file is put together first, and holds it in its metadata."""
        if not self._single:
            self.store.write(MANIFEST, _json(manifest))
            self.store.drop(REQUEST)
            return
        draft = self.store.draft()
        try:
            with writing(Path(self.out)), pq.ParquetWriter(draft, schema, compression=COMPRESSION) as writer:
                for table in _groups(self.store, parts):
                    writer.write_table(table, row_group_size=GROUP_ROWS)
                writer.add_key_value_metadata({KEY: json.dumps(manifest)})
            self._outer.keep(draft, self._file)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self.store.remove()

    def tidy(self) -> None:
        """Remove what a run leaves that was killed after its last step."""
        if self._single:
            self.store.remove()
        else:
            self.store.drop(REQUEST)


def _groups(store: Store, parts: list[Rows]) -> Iterator[pa.Table]:
    """Yield the parts' rows in tables that are as large as row groups should be."""
    held: list[pa.Table] = []
    for rows in parts:
        with store.opened(rows.part) as file, pq.ParquetFile(file) as part:
            for number in range(part.num_row_groups):
                held.append(part.read_row_group(number))
                if sum(map(len, held)) >= GROUP_ROWS or sum(table.nbytes for table in held) >= GROUP_BYTES:
                    yield pa.concat_tables(held)
                    held = []
    if held:
        yield pa.concat_tables(held)


def _store(path: str) -> Store:
    return Bucket(path) if "://" in path else Folder(Path(path))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
