"""Files at HTTP addresses, which may be hostile: the guard stands at the socket.

Private, loopback and link-local addresses are refused after name resolution, and so at each redirect, unless
COPYDESK_ALLOW_PRIVATE_HOSTS=1. A file is one streamed answer; after a break it goes on by Range.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from copydesk.errors import SourceError
from copydesk.remote.base import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Version, mark_of, module

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ALLOW_PRIVATE_HOSTS = "COPYDESK_ALLOW_PRIVATE_HOSTS"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_BLOCK_BYTES = 1 << 16
"""aiohttp buffers at least twice as much, and throws that away when the connection breaks."""


@dataclass(frozen=True)
class WebFile:
    """A file at an HTTP address. `headers` go to its own host only; `revision` names it better than its ETag."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    member: str | None = None

    def version(self) -> Version:
        """Ask for size and ETag (or the time of the last change)."""
        info = self._filesystem().info(self.url)
        etag = str(info.get("ETag", "")).removeprefix("W/").strip('"')
        return Version(info.get("size"), mark_of(info), self.revision or etag or None)

    @contextmanager
    def reading(self, start: int, version: Version) -> Iterator[tuple[Iterator[bytes], int]]:
        """Yield the bytes from `start` on; all of them, and 0, where the server has no ranges or another version."""
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        if start and version.mark.startswith('"'):  # a strong ETag
            headers["If-Range"] = version.mark
        size = version.size or 1  # else fsspec asks for it once more
        with self._filesystem().open(self.url, "rb", block_size=0, size=size, headers=headers) as file:
            total = str(file.r.headers.get("Content-Range", "")).rpartition("/")[2]
            if total.isdecimal() and version.size is not None and int(total) != version.size:
                raise SourceError(f"'{self.url}' changed while it was downloaded. Start again.")
            yield iter(lambda: file.read(_BLOCK_BYTES), b""), start if file.r.status == 206 else 0

    def content(self) -> bytes:
        """Return all of a small file."""
        body: bytes = self._filesystem().cat_file(self.url)
        return body

    def _filesystem(self) -> Any:  # noqa: ANN401 (fsspec has no types)
        http = module("fsspec.implementations.http", self.url, "data")
        return http.HTTPFileSystem(
            get_client=guarded_client, client_kwargs={"headers": dict(self.headers)}, skip_instance_cache=True
        )


async def guarded_client(**options: Any) -> Any:  # noqa: ANN401 (aiohttp's client session)
    """Return an HTTP client that refuses private addresses at every connection, redirects included."""
    import aiohttp

    connector = aiohttp.TCPConnector(socket_factory=_guarded_socket)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=_BLOCK_BYTES, **options)


def _guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one resolved address, or refuse: the last moment at which no name can lie."""
    family, kind, protocol, _, where = address
    _require_public(where[0])
    return socket.socket(family, kind, protocol)


def _require_public(host: str) -> None:
    address = ipaddress.ip_address(host.partition("%")[0])
    if not (address.is_global and _inner(address).is_global) and not private_hosts_allowed():
        raise SourceError(
            f"The address {address} is private or local, and recipes may not reach those. Set {ALLOW_PRIVATE_HOSTS}=1 "
            "if this host is yours."
        )


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one leads to by way of 6to4 or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.sixtofour or address


def private_hosts_allowed() -> bool:
    """Tell whether the user lets recipes reach any host."""
    return os.environ.get(ALLOW_PRIVATE_HOSTS) == "1"
