"""Remote files to a local cache: whole or not at all, resumed after a break, checked against a pinned SHA-256.

`remote/` knows the addresses, and which of them a recipe may name. It does not retry for long; a failed download is
continued by the next call.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from copydesk.errors import MissingExtra, SourceError
from copydesk.files import cache_folder, sha256_of, write_json, writing
from copydesk.progress import Progress, Silent
from copydesk.remote.addresses import access_to, open_remote
from copydesk.remote.base import Remote, Version
from copydesk.remote.retry import Retries, status_of

try:
    from filelock import FileLock
except ImportError:  # pragma: no cover - shown in an environment without the extra
    raise MissingExtra("Reading addresses", "data", "filelock") from None

T = TypeVar("T")

_WORTH_GOING_ON_BYTES = 1 << 20
"""An attempt that brought as much is no failure: a long download over a bad line goes on as long as it gets on."""


@dataclass(frozen=True)
class Fetched:
    """A local copy, and which revision it is of: a commit, a version, an ETag; None if the server names none."""

    path: Path
    revision: str | None


def fetch(
    url: str,
    *,
    sha256: str | None = None,
    cache: Path | None = None,
    retries: Retries | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Return a local copy of what stands at the URL, from the cache if it is there.

    A file without a pinned SHA-256 is cached under its URL, size and mark (commit, ETag or time of change), so a
    changed remote file is fetched anew. Raises `SourceError`.
    """
    folder = (cache or cache_folder()) / "downloads"
    pinned = folder / sha256 if sha256 else None
    if pinned is not None and _is_whole(pinned, sha256):
        return Fetched(pinned, _noted_revision(pinned, url))
    download = _Download(url, retries or Retries(), progress or Silent())
    remote = download.ask(lambda: open_remote(url))
    version = download.ask(remote.version)
    key = hashlib.sha256(f"{url}\n{version.size}\n{version.mark}".encode()).hexdigest()[:32]
    target = pinned or folder / key
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{key}.part"
    with FileLock(f"{partial}.lock"):  # of several processes one downloads and the others wait
        if not _is_whole(target, sha256):
            download.complete(partial, remote, version)
            whole = _unpacked(partial, remote.member)
            _require_pinned(url, whole, partial, sha256)
            write_json(_note(target), {"url": url, "revision": version.revision})
            os.replace(whole, target)
            partial.unlink(missing_ok=True)
    return Fetched(target, version.revision)


def is_reachable(url: str, timeout_s: float = 5.0) -> bool:
    """Tell whether the URL's host takes connections, or the file is there; quickly, for a choice, not a guarantee."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return bool(parts.scheme) or Path(url).exists()
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=timeout_s):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class _Download:
    """One download; each question to the server is repeated as `retries` say."""

    url: str
    retries: Retries
    progress: Progress

    def ask(self, question: Callable[[], T]) -> T:
        return self.retries(self.url, question, access=access_to(self.url))

    def complete(self, partial: Path, remote: Remote, version: Version) -> None:
        """Add to the partial file what it lacks."""
        name = self.url.partition("?")[0].rpartition("/")[2]
        with self.progress.track(f"downloading {name}", (version.size or 0) // 1000, "kB") as advance:
            told = 0

            def reached(position: int) -> None:
                nonlocal told
                advance(position // 1000 - told)
                told = position // 1000

            while not self.ask(lambda: _got_on(partial, remote, version, reached)):
                pass


def _got_on(partial: Path, remote: Remote, version: Version, reached: Callable[[int], None]) -> bool:
    """Tell whether the file is whole now. An attempt that brings neither that nor a good piece raises."""
    before = _size(partial)
    try:
        _continue(partial, remote, version, reached)
    except Exception as error:
        if status_of(error) == 416:  # the server has less than it announced
            partial.unlink(missing_ok=True)
            raise OSError(f"{before:,} of {version.size:,} bytes arrived") from None
        if _size(partial) - before < _WORTH_GOING_ON_BYTES:
            raise
        return False
    return True


def _continue(partial: Path, remote: Remote, version: Version, reached: Callable[[int], None]) -> None:
    """Read on from where the partial file ends. Raises `OSError` if less, or more, arrives than was announced."""
    done = _size(partial)
    if version.size is None or done > version.size:
        done = 0
    if done == 0 or done != version.size:
        with remote.reading(done, version) as (blocks, start), partial.open("r+b" if done else "wb") as local:
            local.truncate(start)
            local.seek(start)
            for block in blocks:
                with writing(partial):
                    local.write(block)
                reached(local.tell())
            local.flush()
            os.fsync(local.fileno())
    if version.size is not None and _size(partial) != version.size:
        raise OSError(f"{_size(partial):,} of {version.size:,} bytes arrived")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _unpacked(partial: Path, member: str | None) -> Path:
    """Return the file itself, taken out of the archive that a server may send instead."""
    if member is None or member.endswith(".zip") or not zipfile.is_zipfile(partial):
        return partial
    with zipfile.ZipFile(partial) as archive:
        if [Path(name).name for name in archive.namelist()] != [member]:
            return partial
        unpacked = partial.with_suffix(".unpacked")
        with archive.open(archive.namelist()[0]) as inside, unpacked.open("wb") as outside:
            shutil.copyfileobj(inside, outside)
    return unpacked


def _is_whole(file: Path, sha256: str | None) -> bool:
    return file.exists() and (sha256 is None or sha256_of(file) == sha256)


def _require_pinned(url: str, whole: Path, partial: Path, sha256: str | None) -> None:
    if sha256 and (found := sha256_of(whole)) != sha256:
        whole.unlink()
        partial.unlink(missing_ok=True)
        raise SourceError(
            f"'{url}' has SHA-256 {found}, but the recipe pins {sha256}. The file changed or the download is not the "
            "real one; check it, then correct `sha256` in the recipe."
        )


def _note(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _noted_revision(target: Path, url: str) -> str | None:
    """Return the revision that was noted when the file came, if it came from this URL."""
    try:
        noted = json.loads(_note(target).read_text("utf-8"))
        return noted["revision"] if noted["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
