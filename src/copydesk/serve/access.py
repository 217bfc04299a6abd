"""Around every request: who may ask, under which id, how long it took, and one line about it in the log.

Plain ASGI, as it is on the path of every request. What fails unforeseen ends here: the log has the traceback, the
client a request id. Logs hold no keys; a key is known by its name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from copydesk.errors import UsageError
from copydesk.serve.ids import new_id
from copydesk.serve.metrics import Metrics

LOG = logging.getLogger("copydesk.access")
KEYS_VARIABLE = "COPYDESK_API_KEYS"
_LEAST_KEY = 16
_GUARDED = "/v1/"
FAILED = "The server failed; its log says why, under this request's X-Request-Id."
_NO_KEY = "An API key is needed: send it as Authorization: Bearer KEY, or as X-API-Key."
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: counted, not logged."""


@dataclass(frozen=True)
class Keys:
    """The names of the API keys that are known, by SHA-256 digest. Without any, nobody is asked.

    Two keys may have one name: while a key is changed for another, both are good.
    """

    names: dict[bytes, str]

    @classmethod
    def read(cls, file: Path | None, environment: str | None = None) -> Keys:
        """Return the keys of a file (a line each: `KEY` or `NAME KEY`) and of the environment (parted by commas).

        Raises `UsageError` for a file that cannot be read or has no key, and for a key that could be guessed.
        """
        lines = []
        if file is not None:
            try:
                lines = [
                    line for line in map(str.strip, file.read_text("utf-8").splitlines()) if line[:1] not in ("", "#")
                ]
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"The API keys cannot be read from '{file}': {error}.") from None
            if not lines:
                raise UsageError(f"'{file}' holds no API key. Write one a line: KEY, or NAME KEY.")
        given = os.environ.get(KEYS_VARIABLE) if environment is None else environment
        more = [one.strip() for one in (given or "").split(",") if one.strip()]
        if given is not None and not more and environment is None:
            raise UsageError(f"{KEYS_VARIABLE} is set and holds no API key. Write one into it, or unset it.")
        return cls(dict(_named(lines + more)))

    def owner(self, key: str) -> str | None:
        """Return whose key this is; the time it takes does not depend on how much of it is right."""
        digest, found = _digest(key), None
        for known, name in self.names.items():
            if hmac.compare_digest(digest, known):
                found = name
        return found


class Door:
    """The outermost ASGI layer: request ids, metrics, the log, and what fails unforeseen."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, is_draining: Callable[[], bool]) -> None:
        self._app, self._metrics, self._is_draining = app, metrics, is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(dict(scope["headers"]))
        facts: dict[str, Any] = {"request_id": request_id}
        scope.setdefault("state", {})["facts"] = facts
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("latin-1"))]
                if self._is_draining():
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            LOG.exception("failed", extra={"fields": facts})
            if not status:
                await _send(answer, 500, FAILED)
        finally:
            self._note(scope, status, time.perf_counter() - started, facts)

    def _note(self, scope: MutableMapping[str, Any], status: int, seconds: float, facts: dict[str, Any]) -> None:
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        self._metrics.request(route, scope["method"] if route != "unmatched" else "any", status, seconds)
        if scope["path"] not in _QUIET and LOG.isEnabledFor(logging.INFO):
            line = {"method": scope["method"], "path": scope["path"], "status": status, "ms": round(seconds * 1000, 2)}
            LOG.info("request", extra={"fields": line | facts})


class Guard:
    """Lets those in who have a key. It stands within CORS, so that a web page can read that it has none."""

    def __init__(self, app: ASGIApp, *, keys: Keys, metrics: Metrics) -> None:
        self._app, self._keys, self._metrics = app, keys, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "http" and _is_guarded(scope):
            owner = self._keys.owner(_key(dict(scope["headers"])))
            if owner is None:
                self._metrics.refused("Unauthorised")
                await _send(send, 401, _NO_KEY, (b"www-authenticate", b"Bearer"))
                return
            scope["state"]["facts"]["key"] = owner
        await self._app(scope, receive, send)


async def _send(send: Send, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    body = json.dumps({"detail": detail}).encode()
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})


def _is_guarded(scope: Scope) -> bool:
    return str(scope["path"]).startswith(_GUARDED) and scope["method"] != "OPTIONS"


def _key(headers: dict[bytes, bytes]) -> str:
    if own := headers.get(b"x-api-key", b"").decode("latin-1").strip():
        return own  # `Authorization` may hold a token for a gate before us, as Cloud Run's
    kind, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else new_id()


def _named(lines: Iterable[str]) -> Iterable[tuple[bytes, str]]:
    for number, line in enumerate(lines, 1):
        name, _, key = line.rpartition(" ")
        if len(key) < _LEAST_KEY:
            raise UsageError(f"API key {number} has {len(key)} characters; at least {_LEAST_KEY} are expected.")
        yield _digest(key), name.strip() or f"key {number}"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
