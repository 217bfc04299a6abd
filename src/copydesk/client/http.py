"""Steps done with httpx: one exchange, and what its errors mean. Shared by the sync and the async client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from copydesk import __version__
from copydesk.client.steps import NoReply, Patience, Reply, Request
from copydesk.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    import httpx


def options(url: str, api_key: str | None) -> dict[str, Any]:
    """Return what both kinds of httpx client are made with. Raises `UsageError`, and `MissingExtra` without httpx."""
    try:
        import httpx
    except ImportError:
        raise MissingExtra("The client", "client", "httpx") from None
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise UsageError(f"{url!r} is not an address ({error}). Expected: http://HOST:PORT") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise UsageError(f"{url!r} is not the address of a server. Expected: http://HOST:PORT or https://HOST")
    headers = {"User-Agent": f"copydesk/{__version__}", "Accept": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    return {"base_url": address, "headers": headers}


def arguments(request: Request) -> dict[str, Any]:
    """Return a request as httpx takes it. The server is told how long somebody waits for the answer."""
    headers = {**request.headers, "X-Request-Timeout": f"{request.timeout_s:.3f}"}
    return {
        "method": request.method,
        "url": request.path,
        "content": request.body,
        "headers": headers,
        "timeout": request.timeout_s,
    }


def no_reply(error: httpx.TransportError, request: Request) -> NoReply:
    """Return why nothing came back, and whether the server may have got the request."""
    import httpx

    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        raise UsageError(f"The request cannot be sent: {error}.") from None
    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    late = isinstance(error, httpx.TimeoutException)
    reason = f"no answer within {request.timeout_s:.1f} s" if late else str(error) or type(error).__name__
    return NoReply(reason, was_sent=not unsent)


def reply(response: httpx.Response) -> Reply:
    """Return what came back."""
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )


def stream_of(path: str, patience: Patience) -> dict[str, Any]:
    """Return the request of a stream of events as httpx takes it; a silence of `timeout_s` ends it."""
    return {"method": "GET", "url": path, "headers": {"Accept": "text/event-stream"}, "timeout": patience.timeout_s}


class EventReader:
    """Server-sent events (WHATWG HTML, section 9.2) from their lines; only their data counts."""

    def __init__(self) -> None:
        self._data: list[str] = []

    def read(self, line: str) -> str:
        """Take a line and return the data of the event that it ends; the empty string otherwise."""
        if not line:
            data, self._data = "\n".join(self._data), []
            return data
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        return ""
