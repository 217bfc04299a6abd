"""Where parts and manifests are kept: a folder on this machine, or one in a bucket. A file appears whole or not at all.

A bucket has no lock: two processes that score into the same one at the same time are not kept apart, but found out
at the end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, TypeVar

from copydesk.errors import CopydeskError, SourceError, UsageError
from copydesk.files import put_in_place, replace_text, writing
from copydesk.remote.addresses import access_to, stored_at
from copydesk.remote.retry import Retries

T = TypeVar("T")
_SCHEMES = ("s3", "gs", "gcs", "file", "memory")
_DRAFT = ".copydesk-"
_RETRIES = Retries(remedy="Check the address and the network.")


def is_address(place: str) -> bool:
    """Tell whether a place is an address in a store that only those write to whom its owner lets.

    Neither a path nor a registry's reference is, nor a place on the web.
    """
    scheme, separator, _ = place.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


class Store(Protocol):
    """A folder of files."""

    def names(self) -> list[str]:
        """Return the files' names, sorted; nothing where there is no folder yet."""
        ...

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that name."""
        ...

    def read(self, name: str) -> str | None:
        """Return a file's text, or None if it is not there."""
        ...

    def write(self, name: str, text: str) -> None:
        """Write a text file, replacing one of that name."""
        ...

    def draft(self) -> Path:
        """Return a new file on this machine to write to."""
        ...

    def keep(self, draft: Path, name: str) -> None:
        """Make a finished draft the file of that name, replacing one."""
        ...

    def opened(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Yield a file, open for reading anywhere in it."""
        ...

    def drop(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder on this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> list[str]:
        """Return the files' names, sorted."""
        return sorted(file.name for file in self.path.iterdir()) if self.path.is_dir() else []

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that name."""
        return (self.path / name).is_file()

    def read(self, name: str) -> str | None:
        """Return a file's text, or None if it is not there."""
        return (self.path / name).read_text("utf-8") if self.has(name) else None

    def write(self, name: str, text: str) -> None:
        """Write a text file, replacing one of that name."""
        replace_text(self.path / name, text)

    def draft(self) -> Path:
        """Return a new file in the same folder, whose name begins with a dot."""
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_DRAFT, dir=self.path)
        os.close(descriptor)
        return Path(name)

    def keep(self, draft: Path, name: str) -> None:
        """Make a finished draft the file of that name, flushed to the disk."""
        put_in_place(draft, self.path / name)

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a file, open for reading."""
        with (self.path / name).open("rb") as file:
            yield file

    def drop(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a killed process was writing."""
        for file in self.path.glob(f"{_DRAFT}*"):
            file.unlink()


class Bucket:
    """A folder in a store of fsspec's, at an address; `what` errors call it. Names may lead into folders in it."""

    def __init__(self, url: str, what: str = "Output") -> None:
        stored = stored_at(url.rstrip("/"))
        if stored is None:
            raise UsageError(
                f"{what} '{url}' cannot be written to. Give a folder, or an address like s3://BUCKET/FOLDER."
            )
        self.url, self._files, self._path = url.rstrip("/"), stored.filesystem, stored.path.rstrip("/")
        self._what = what

    def __str__(self) -> str:
        return self.url

    def __reduce__(self) -> tuple[type[Bucket], tuple[str, str]]:
        """Open the store anew on another machine."""
        return Bucket, (self.url, self._what)

    def within(self, name: str) -> Bucket:
        """Return a folder in this one, through the same client."""
        inner = Bucket.__new__(Bucket)  # not `copy`, which would open the store anew
        inner.__dict__ |= {**self.__dict__, "url": f"{self.url}/{name}", "_path": f"{self._path}/{name}"}
        return inner

    def names(self) -> list[str]:
        """Return the files' names, sorted."""
        self._files.invalidate_cache()
        found = self._ask(lambda: self._files.ls(self._path, detail=False) if self._files.exists(self._path) else [])
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def files(self) -> list[str]:
        """Return the names of all files in the folder and in the folders in it, sorted."""
        self._files.invalidate_cache()
        found = self._ask(lambda: self._files.find(self._path))
        root = self._files._strip_protocol(self._path).rstrip("/")
        return sorted(name.removeprefix(root).lstrip("/") for name in found)

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that name."""
        self._files.invalidate_cache()
        return self._ask(lambda: bool(self._files.exists(f"{self._path}/{name}")))

    def read(self, name: str) -> str | None:
        """Return a file's text, or None if it is not there."""
        if not self.has(name):
            return None
        return self._ask(lambda: str(self._files.cat_file(f"{self._path}/{name}").decode()))

    def write(self, name: str, text: str) -> None:
        """Write a text file, replacing one of that name."""
        self._ask(lambda: self._files.pipe_file(f"{self._path}/{name}", text.encode()))

    def read_at_most(self, name: str, most: int) -> bytes | None:
        """Return the first bytes of a file that somebody else may have written, or None if it is not there."""
        if not self.has(name):
            return None
        return self._ask(lambda: bytes(self._files.cat_file(f"{self._path}/{name}", start=0, end=most)))

    def upload(self, file: Path, name: str) -> None:
        """Make a copy of a file on this machine the file of that name."""
        self._ask(lambda: self._files.put_file(str(file), f"{self._path}/{name}"))

    def download(self, name: str, file: Path) -> None:
        """Copy the file of that name to this machine."""
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._ask(lambda: self._files.get_file(f"{self._path}/{name}", str(file)))

    def draft(self) -> Path:
        """Return a new file in this machine's folder for such."""
        descriptor, name = tempfile.mkstemp(prefix=_DRAFT)
        os.close(descriptor)
        return Path(name)

    def keep(self, draft: Path, name: str) -> None:
        """Upload a finished draft as the file of that name."""
        self.upload(draft, name)
        draft.unlink()

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a file, open for reading."""
        with self._ask(lambda: self._files.open(f"{self._path}/{name}", "rb")) as file:
            yield file

    def drop(self, name: str) -> None:
        """Remove a file, if it is there."""
        if self.has(name):
            self._ask(lambda: self._files.rm_file(f"{self._path}/{name}"))

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        self._ask(lambda: self._files.rm(self._path, recursive=True) if self._files.exists(self._path) else None)

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return _RETRIES(self.url, question, access=access_to(self.url))
        except SourceError as error:
            raise CopydeskError(f"{self._what} '{self.url}' cannot be used: {error}") from error
