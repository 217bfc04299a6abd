"""How much is read of a request: checked while it arrives, so that nothing large is ever held."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from copydesk.errors import BodyRefused, BodyTooLarge, BodyTooSlow, ClientGone
from copydesk.recipe import Serve
from copydesk.serve.schemas import MAX_JOB_TEXTS, refused

_MEGABYTE = 1_000_000
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_MOST_CHAR_BYTES = 12
"""A character beyond the basic plane as two escapes: `\\ud83d\\ude00`."""
_AROUND_TEXT_BYTES = 1 << 17
TIMEOUT_HEADER = "x-request-timeout"


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and how long it may take to say so."""

    text_chars: int = 20_000
    batch_texts: int = 256
    queue_texts: int = 2_048
    queue_seconds: float = 0.25
    job_texts: int = MAX_JOB_TEXTS
    body_bytes: int = 8 * _MEGABYTE
    job_body_bytes: int = 64 * _MEGABYTE
    body_timeout_s: float = 30.0

    @property
    def one_text_bytes(self) -> int:
        """How large a body may be that holds one text, however its characters are written, and little else."""
        return min(self.body_bytes, _MOST_CHAR_BYTES * self.text_chars + _AROUND_TEXT_BYTES)

    @classmethod
    def of(cls, serve: Serve) -> Limits:
        """Return a recipe's limits."""
        return cls(
            text_chars=serve.max_text_chars,
            batch_texts=serve.max_batch_texts,
            queue_texts=serve.queue_texts,
            queue_seconds=serve.queue_seconds,
            body_bytes=serve.max_body_mb * _MEGABYTE,
            job_body_bytes=serve.max_job_body_mb * _MEGABYTE,
        )


async def read_body(request: Request, *, most_bytes: int, timeout_s: float) -> bytes:
    """Return a JSON request's body. Raises `BodyRefused`, `BodyTooLarge`, `BodyTooSlow`, `ClientGone`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise BodyRefused(f"The content type is {kind or 'not given'!r}; application/json is expected.")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise BodyRefused(f"The body is encoded as {encoding!r}; send it as it is.")
    message = f"The body is larger than {most_bytes:,} bytes. Send fewer texts at once, or use /v1/jobs."
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes:
        raise BodyTooLarge(message)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > most_bytes:
                    raise BodyTooLarge(message)
    except TimeoutError:
        raise BodyTooSlow(f"The body did not arrive within {timeout_s:g} seconds.") from None
    except ClientDisconnect:
        raise ClientGone("The client left before it had sent its request.") from None
    return b"".join(parts)


def wants_scores(request: Request) -> bool:
    """Tell whether every label's score is asked for: `?scores=true`. Raises `InvalidRequest` for what is no boolean.

    Read here and not by FastAPI, whose way costs a tenth of a short answer.
    """
    given = request.query_params.get("scores", "false")
    if given.lower() in _BOOLEANS:
        return _BOOLEANS[given.lower()]
    raise refused(("query", "scores"), f"{given[:40]!r} is neither true nor false.", "bool_parsing")


def seconds_allowed(request: Request) -> float | None:
    """Return how long the client waits, where it says so. Raises `InvalidRequest` for what is no positive number."""
    given = request.headers.get(TIMEOUT_HEADER)
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise refused(("header", "X-Request-Timeout"), f"{given[:40]!r} is no positive number of seconds.", "float")
    return seconds
