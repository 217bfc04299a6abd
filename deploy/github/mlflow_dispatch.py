"""From MLflow's webhook to GitHub's: a version that got the alias `staging` starts the workflow promote.yml.

A WSGI application that needs Python alone. MLflow's body and headers are fixed, so somebody has to hold GitHub's token
and say it in GitHub's words. Only what MLflow signed, in the last five minutes, is passed on, and of it a name and a
number. A message that comes twice starts the workflow twice.

    WEBHOOK_SECRET=… GITHUB_REPOSITORY=OWNER/REPO GITHUB_TOKEN=… python mlflow_dispatch.py [PORT]
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import make_server

MOST_BYTES = 10_000
NEWEST_S = 300
_NAME, _VERSION = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}"), re.compile(r"[1-9][0-9]{0,8}")
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")

Send = Callable[[dict[str, Any]], None]
Answer = Callable[[str, list[tuple[str, str]]], object]


@dataclass(frozen=True)
class Refused(Exception):
    """A message that is not passed on, and the status that says so."""

    status: str


def translated(headers: Mapping[str, str], body: bytes, *, secret: str, now: float) -> dict[str, Any] | None:
    """Return what GitHub is to be sent for a message of MLflow, None if it is of no concern. Raises `Refused`."""
    _require_signed(headers, body, secret, now)
    try:
        message = json.loads(body)
        event, data = f"{message['entity']}.{message['action']}", message["data"]
        if event != "model_version_alias.created" or data["alias"] != "staging":
            return None
        name, version = str(data["name"]), str(data["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused("400 Bad Request") from None
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise Refused("422 Unprocessable Content")
    return {"event_type": "copydesk-staging", "client_payload": {"name": name, "version": version}}


def _require_signed(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> None:
    """Raise `Refused` unless MLflow signed delivery, time and body with the secret, and did so just now."""
    sent, delivery = headers.get("X-MLflow-Timestamp", ""), headers.get("X-MLflow-Delivery-Id", "")
    if not re.fullmatch("[0-9]{1,12}", sent) or abs(now - int(sent)) > NEWEST_S:
        raise Refused("401 Unauthorized")
    digest = hmac.new(secret.encode(), f"{delivery}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(digest).decode()}"
    if not hmac.compare_digest(headers.get("X-MLflow-Signature", "").encode(), expected.encode()):
        raise Refused("401 Unauthorized")


def application(
    send: Send, *, secret: str, clock: Callable[[], float] = time.time
) -> Callable[[dict[str, Any], Answer], Iterable[bytes]]:
    """Return the WSGI application; `send` tells GitHub, and raises `OSError` if it cannot."""

    def answer(environ: dict[str, Any], start: Answer) -> Iterable[bytes]:
        try:
            size = environ.get("CONTENT_LENGTH") or "0"
            if environ["REQUEST_METHOD"] != "POST" or not size.isdecimal() or int(size) > MOST_BYTES:
                raise Refused("400 Bad Request")
            body = environ["wsgi.input"].read(int(size))
            headers = {
                name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "")
                for name in ("X-MLflow-Timestamp", "X-MLflow-Delivery-Id", "X-MLflow-Signature")
            }
            dispatch = translated(headers, body, secret=secret, now=clock())
            if dispatch is not None:
                send(dispatch)
            status = "204 No Content"
        except Refused as refused:
            status = refused.status
        except OSError as error:  # MLflow asks again
            print(f"GitHub did not take it: {error}", file=sys.stderr)  # noqa: T201 (this is its log)
            status = "502 Bad Gateway"
        start(status, [("Content-Length", "0")])
        return [b""]

    return answer


def to_github(repository: str, token: str, api: str = "https://api.github.com") -> Send:
    """Return a function that starts workflows of a repository. Raises `ValueError` for what is no OWNER/REPO."""
    if not _REPOSITORY.fullmatch(repository):
        raise ValueError(f"GITHUB_REPOSITORY is {repository!r}; expected is OWNER/REPO.")

    def send(dispatch: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"{api}/repos/{repository}/dispatches",
            data=json.dumps(dispatch).encode(),
            headers={"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=20):  # nosec B310 # https://api.github.com, see above
            pass

    return send


def main() -> None:
    """Serve until told to stop."""
    missing = [name for name in ("WEBHOOK_SECRET", "GITHUB_REPOSITORY", "GITHUB_TOKEN") if not os.environ.get(name)]
    if missing:
        sys.exit(f"Set {', '.join(missing)}.")
    send = to_github(os.environ["GITHUB_REPOSITORY"], os.environ["GITHUB_TOKEN"])
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with make_server("127.0.0.1", port, application(send, secret=os.environ["WEBHOOK_SECRET"])) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
