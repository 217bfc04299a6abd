"""Telling a webhook that an alarm begins or ends: one POST of JSON, which chat programs show by its `text`.

The address is the operator's own, from the command line or the environment and never from a recipe, which may be
somebody else's: so it may lead to a private host, where such receivers mostly stand. Redirects are not followed, and
the address, which is often a secret, is never logged whole. With a secret the body is signed, and the time with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from copydesk import __version__
from copydesk.errors import UsageError
from copydesk.monitor.memory import Event

SECRET = "COPYDESK_WEBHOOK_SECRET"
"""The environment variable with the secret that signs what is posted."""
SIGNATURE, TIMESTAMP = "X-Copydesk-Signature", "X-Copydesk-Timestamp"
TIMEOUT_S = 10.0
_SIGNS = {"begins": "⚠", "ends": "✓"}


class NotTold(Exception):
    """The webhook did not take it; it may later."""


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 (urllib's own signature)
        """Follow none: what was meant for one receiver must not go to another."""


def require_webhook(url: str) -> str:
    """Return an address that can be posted to. Raises `UsageError`."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"--webhook {shown(url)!r} is no address. Expected: https://HOST/PATH.")
    return url


def shown(url: str) -> str:
    """Return what may be logged of an address: not its path, which is often the secret."""
    scheme, colon, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    return f"{scheme}://{host}/…" if colon else "…"


def message_of(event: Event) -> dict[str, Any]:
    """Return what is posted."""
    alarm = event.alarm
    said = {"begins": alarm.what, "ends": f"no longer: {alarm.what}"}[event.state]
    text = f"{_SIGNS[event.state]} {event.model} (version {event.version}): {said}."
    return {
        "text": f"{text} {alarm.remedy}" if event.state == "begins" else text,
        "id": event.id,
        "state": event.state,
        "model": event.model,
        "version": event.version,
        "rule": alarm.rule,
        "what": alarm.what,
        "remedy": alarm.remedy,
        "since": alarm.since.isoformat(timespec="seconds"),
        "at": event.at.isoformat(timespec="seconds"),
    }


def signature_of(body: bytes, timestamp: str, secret: str) -> str:
    """Return the HMAC-SHA256 of `TIMESTAMP.BODY`; who knows the secret can check who posted, and when."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def post(url: str, event: Event, *, secret: str | None, now: datetime) -> None:
    """Post an event. Raises `NotTold` unless the answer is a success."""
    body, timestamp = json.dumps(message_of(event), ensure_ascii=False).encode(), str(int(now.timestamp()))
    headers = {"Content-Type": "application/json", "User-Agent": f"copydesk/{__version__}"}
    if secret:
        headers |= {TIMESTAMP: timestamp, SIGNATURE: signature_of(body, timestamp, secret)}
    try:
        with build_opener(_NoRedirect).open(Request(url, body, headers), timeout=TIMEOUT_S) as answer:
            answer.read(1 << 16)
    except HTTPError as error:
        error.close()
        raise NotTold(f"{shown(url)} answered {error.code}") from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise NotTold(f"{shown(url)} cannot be reached: {reason}") from None
