"""One HTTP request and its whole answer, with the same guard against private addresses as downloads have.

It asks once: when to ask again is `patience.py`'s matter, and what an answer means `answers.py`'s.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from copydesk import __version__
from copydesk.errors import MissingExtra, SourceError
from copydesk.remote.web import guarded_client

TIMEOUT_S = 120.0  # GDELT often thinks for 15 to 25 seconds
_MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Reply:
    """What came back: the status, what `Retry-After` asks for in seconds, and the body."""

    status: int
    body: bytes
    retry_after_s: float = 0.0


class NoReply(Exception):
    """Nothing whole came back. `hopeless`: there is no such host, or none that listens and can be trusted."""

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


def request(url: str, parameters: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> Reply:
    """Ask once. Raises `NoReply` for what may work later, and `SourceError` for an address that is not allowed."""
    try:
        import aiohttp
    except ImportError:
        raise MissingExtra("Collecting from GDELT", "data", "aiohttp") from None
    try:
        return asyncio.run(_request(url, parameters, timeout_s))
    except TimeoutError:
        raise NoReply(f"no answer within {timeout_s:.0f} s") from None
    except (aiohttp.ClientError, OSError) as error:
        cause = getattr(error, "os_error", None)
        if isinstance(cause, socket.gaierror):
            raise NoReply("its name cannot be resolved", hopeless=True) from None
        if isinstance(cause, ConnectionRefusedError):
            raise NoReply("nobody listens there", hopeless=True) from None
        hopeless = isinstance(error, aiohttp.InvalidURL | aiohttp.ClientConnectorCertificateError)
        raise NoReply(str(error) or type(error).__name__, hopeless=hopeless) from None


async def _request(url: str, parameters: Mapping[str, str], timeout_s: float) -> Reply:
    client = await guarded_client(headers={"User-Agent": f"copydesk/{__version__}"})
    async with client, asyncio.timeout(timeout_s), client.get(url, params=parameters) as response:
        body = bytearray()
        async for block in response.content.iter_chunked(1 << 16):
            body += block
            if len(body) > _MOST_BYTES:
                raise SourceError(f"'{url}' sends more than {_MOST_BYTES >> 20} MiB; that is not a list of articles.")
        return Reply(response.status, bytes(body), _seconds(response.headers))


def _seconds(headers: Any) -> float:  # noqa: ANN401 (aiohttp's case-insensitive mapping)
    wanted = headers.get("Retry-After", "")
    return float(wanted) if wanted.isdecimal() else 0.0
