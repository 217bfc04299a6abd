"""What every remote file can do, and the files that stand in stores which read from any place on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from copydesk.errors import MissingExtra, SourceError

CONNECT_TIMEOUT_S = 15
READ_TIMEOUT_S = 60
_BLOCK_BYTES = 1 << 23
_MARKS = ("ETag", "etag", "mtime", "LastModified", "Last-Modified", "created")
_NAMES = ("VersionId", "generation", "ETag", "etag")


@dataclass(frozen=True)
class Version:
    """What stands at an address: its size in bytes, a mark that changes with it, the revision as people name it."""

    size: int | None
    mark: str
    revision: str | None = None


class Remote(Protocol):
    """A file at a remote address."""

    @property
    def member(self) -> str | None:
        """The file's name inside the archive that a server may send instead of it."""
        ...

    def version(self) -> Version:
        """Ask what stands there."""
        ...

    def reading(self, start: int, version: Version) -> AbstractContextManager[tuple[Iterator[bytes], int]]:
        """Yield blocks of bytes from `start` on, and where they really start: 0 where the server cannot do better.

        Raises `SourceError` if the file is known to be another version by now.
        """
        ...


@dataclass(frozen=True)
class StoredFile:
    """A file in a store: a bucket, the hub, or any file system of fsspec's.

    `pinned` is its version where `path` names just that one, so that it cannot change.
    """

    url: str
    filesystem: Any
    path: str
    pinned: Version | None = None
    member: str | None = None

    def version(self) -> Version:
        """Ask what stands there; the revision is a bucket's version id or generation, else the ETag."""
        if self.pinned is not None:
            return self.pinned
        self.filesystem.invalidate_cache()
        info = self.filesystem.info(self.path)
        if info.get("type") == "directory":
            raise SourceError(f"'{self.url}' is a folder. Name one file in it.")
        name = next((str(info[key]).strip('"') for key in _NAMES if info.get(key)), None)
        return Version(info.get("size"), mark_of(info), name)

    @contextmanager
    def reading(self, start: int, version: Version) -> Iterator[tuple[Iterator[bytes], int]]:
        """Yield the bytes from `start` on, one request a block."""
        known = {} if self.pinned is None else {"size": version.size}  # else the client asks for it
        with self.filesystem.open(self.path, "rb", block_size=_BLOCK_BYTES, cache_type="none", **known) as file:
            if self.pinned is None and mark_of(getattr(file, "details", None) or {}) not in ("", version.mark):
                raise SourceError(f"'{self.url}' changed while it was downloaded. Start again.")
            file.seek(start)
            yield iter(lambda: file.read(_BLOCK_BYTES), b""), start


def mark_of(info: Mapping[str, Any]) -> str:
    """Return what in a client's answer changes with the file: its ETag, else its time."""
    return next((str(info[key]) for key in _MARKS if info.get(key)), "")


def module(name: str, url: str, extra: str) -> Any:  # noqa: ANN401 (a module)
    """Import a client. Raises `MissingExtra` with the pip command."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtra(f"Reading '{url}'", extra, name) from None
