"""Remote files to a local cache: whole or not at all, resumed after a break, checked against a pinned SHA-256.

Any fsspec URL works (`https://`, `s3://`, `gs://`, `memory://` …). HTTP addresses come from recipes and may be
hostile: private, loopback and link-local addresses are refused after name resolution, redirects included, unless
COPYDESK_ALLOW_PRIVATE_HOSTS=1. It does not retry for long; a failed download is continued by the next call.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from filelock import FileLock

from copydesk.errors import MissingExtra, SourceError
from copydesk.files import sha256_of

ALLOW_PRIVATE_HOSTS = "COPYDESK_ALLOW_PRIVATE_HOSTS"
CACHE = "COPYDESK_CACHE"
_BLOCK_BYTES = 1 << 18
_ATTEMPTS = 4
_CONNECT_TIMEOUT_S = 15
_READ_TIMEOUT_S = 60


def cache_folder() -> Path:
    """Return where downloads are kept: COPYDESK_CACHE, else the user's cache folder."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "copydesk"


def fetch(
    url: str, *, sha256: str | None = None, cache: Path | None = None, sleep: Callable[[float], None] = time.sleep
) -> Path:
    """Return a local file with the URL's content, from the cache if it is there.

    A file without a pinned SHA-256 is cached under its URL, size and version mark (ETag or modification time), so a
    changed remote file is fetched anew. Raises `SourceError`.
    """
    folder = (cache or cache_folder()) / "downloads"
    pinned = folder / sha256 if sha256 else None
    if pinned is not None and _is_whole(pinned, sha256):
        return pinned
    filesystem, path = _open_filesystem(url)
    description = _describe(url, filesystem, path, sleep)
    target = pinned or folder / _key(url, description)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{_key(url, description)}.part"
    with FileLock(f"{partial}.lock"):  # of several processes one downloads and the others wait
        if not _is_whole(target, sha256):
            _download(url, filesystem, path, partial, description["size"], sleep)
            _accept(url, partial, target, sha256)
    return target


def _is_whole(file: Path, sha256: str | None) -> bool:
    return file.exists() and (sha256 is None or sha256_of(file) == sha256)


def _accept(url: str, partial: Path, target: Path, sha256: str | None) -> None:
    """Give the downloaded file its name, if it is the pinned one."""
    found = sha256_of(partial)
    if sha256 and found != sha256:
        partial.unlink()
        raise SourceError(
            f"'{url}' has SHA-256 {found}, but the recipe pins {sha256}. The file changed or the download is not the "
            "real one; check it, then correct `sha256` in the recipe."
        )
    os.replace(partial, target)


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


def _open_filesystem(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise MissingExtra(f"Reading '{url}'", "data", "fsspec") from None
    options: dict[str, Any] = {}
    if url.startswith(("http://", "https://")):
        options = {"get_client": guarded_client, "skip_instance_cache": True}
    try:
        filesystem, path = fsspec.url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        raise SourceError(f"'{url}' cannot be opened: {error}") from None
    return filesystem, path


def _describe(url: str, filesystem: Any, path: str, sleep: Callable[[float], None]) -> dict[str, Any]:  # noqa: ANN401
    def ask() -> dict[str, Any]:
        info = filesystem.info(path)
        mark = next((str(info[key]) for key in ("ETag", "etag", "mtime", "LastModified", "created") if key in info), "")
        return {"size": info.get("size"), "mark": mark}

    description: dict[str, Any] = _retried(url, ask, sleep)
    return description


def _key(url: str, description: dict[str, Any]) -> str:
    identity = f"{url}\n{description['size']}\n{description['mark']}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _download(
    url: str,
    filesystem: Any,  # noqa: ANN401 (fsspec has no types)
    path: str,
    partial: Path,
    size: int | None,
    sleep: Callable[[float], None],
) -> None:
    def attempt() -> None:
        done = partial.stat().st_size if partial.exists() else 0
        if size is None or done > size:
            partial.unlink(missing_ok=True)
            done = 0
        with filesystem.open(path, "rb", cache_type="none", block_size=_BLOCK_BYTES if size else 0) as remote:
            if done:
                remote.seek(done)
            with partial.open("ab") as local:
                _copy(remote, local)
        found = partial.stat().st_size
        if size is not None and found != size:
            raise OSError(f"{found} of {size} bytes arrived")

    _retried(url, attempt, sleep)


def _copy(remote: BinaryIO, local: BinaryIO) -> None:
    while block := remote.read(_BLOCK_BYTES):
        local.write(block)
    local.flush()
    os.fsync(local.fileno())


def _retried(url: str, ask: Callable[[], Any], sleep: Callable[[float], None]) -> Any:  # noqa: ANN401
    """Call until it works, at most four times, waiting 0.5, 1 and 2 s; what cannot get better is not repeated."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return ask()
        except Exception as raised:
            error = _cause(raised)
            status = getattr(error, "status", None)
            if isinstance(error, SourceError):
                raise error from None
            if isinstance(error, FileNotFoundError) or status == 404:
                raise SourceError(f"'{url}' does not exist.") from None
            hopeless = isinstance(error, PermissionError) or (status is not None and status < 500 and status != 429)
            unresolved = isinstance(getattr(error, "os_error", None), socket.gaierror)
            if attempt == _ATTEMPTS or hopeless or unresolved:
                reason = str(error) or type(error).__name__
                raise SourceError(
                    f"'{url}' cannot be fetched: {reason}. Check the address and the network, or download the file "
                    "yourself and give it with --data."
                ) from error
            sleep(0.5 * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def _cause(error: BaseException) -> BaseException:
    """Return what really happened: fsspec's HTTP client turns every failure into FileNotFoundError."""
    while isinstance(error.__cause__, Exception) and not isinstance(error, SourceError):
        error = error.__cause__
    return error


async def guarded_client(**options: Any) -> Any:  # noqa: ANN401 (aiohttp's client session)
    """Return an HTTP client that refuses private addresses at every connection, redirects included."""
    import aiohttp

    connector = aiohttp.TCPConnector(socket_factory=_guarded_socket)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=_READ_TIMEOUT_S)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, **options)


def _guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one resolved address, or refuse: the last moment at which no name can lie."""
    family, kind, protocol, _, where = address
    _require_public(where[0])
    return socket.socket(family, kind, protocol)


def _require_public(host: str) -> None:
    address = ipaddress.ip_address(host.partition("%")[0])
    if not address.is_global and os.environ.get(ALLOW_PRIVATE_HOSTS) != "1":
        raise SourceError(
            f"The address {address} is private or local, and recipes may not reach those. Set {ALLOW_PRIVATE_HOSTS}=1 "
            "if this host is yours."
        )
