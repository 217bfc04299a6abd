"""The translator between MLflow's webhooks and GitHub's, told by MLflow's own code."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parent.parent / "deploy" / "github" / "mlflow_dispatch.py"
SECRET = "between the two of us"  # noqa: S105 (a test's)


@pytest.fixture(scope="module")
def dispatch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mlflow_dispatch", FILE)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Session:
    """Takes what MLflow would send over the network."""

    def post(self, url: str, data: bytes, headers: dict[str, str], timeout: float) -> None:
        self.body, self.headers = data, headers


@pytest.fixture(scope="module")
def sent() -> tuple[dict[str, str], bytes]:
    """What MLflow sends when version 3 of clickbait gets the alias staging."""
    delivery = pytest.importorskip("mlflow.webhooks.delivery")
    from mlflow.entities.webhook import Webhook, WebhookEvent

    event, session = WebhookEvent.from_str("model_version_alias.created"), Session()
    webhook = Webhook("1", "staging", "https://example.com/", [event], 0, 0, secret=SECRET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "_validate_webhook_url", lambda url: None)  # it would ask the DNS
        data = {"name": "clickbait", "alias": "staging", "version": "3"}
        delivery._send_webhook_request(webhook, data, event, session)
    return session.headers, session.body


def _signed(message: object, *, at: float | None = None) -> tuple[dict[str, str], bytes]:
    from mlflow.webhooks.delivery import _generate_hmac_signature

    body, now = message if isinstance(message, str) else json.dumps(message), str(int(at or time.time()))
    signature = _generate_hmac_signature(SECRET, "d-1", now, body)
    headers = {"X-MLflow-Delivery-Id": "d-1", "X-MLflow-Timestamp": now, "X-MLflow-Signature": signature}
    return headers, body.encode()


def _message(**data: Any) -> dict[str, Any]:
    return {
        "entity": "model_version_alias",
        "action": "created",
        "data": {"name": "clickbait", "alias": "staging", "version": "3", **data},
    }


def test_what_mlflow_sends_becomes_what_github_takes(dispatch: ModuleType, sent: tuple[dict[str, str], bytes]) -> None:
    headers, body = sent
    assert dispatch.translated(headers, body, secret=SECRET, now=time.time()) == {
        "event_type": "copydesk-staging",
        "client_payload": {"name": "clickbait", "version": "3"},
    }


@pytest.mark.parametrize(
    "message",
    [_message(alias="x"), {**_message(), "action": "deleted"}, {**_message(), "entity": "prompt_alias"}],
)
def test_what_is_of_no_concern_is_not_passed_on(dispatch: ModuleType, message: dict[str, Any]) -> None:
    headers, body = _signed(message)
    assert dispatch.translated(headers, body, secret=SECRET, now=time.time()) is None


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (_message(name="../x"), "422"),
        (_message(name="x\n"), "422"),
        (_message(name="$(id)"), "422"),
        (_message(version="0"), "422"),
        (_message(version={"$gt": 1}), "422"),
        ("not JSON", "400"),
        ([], "400"),
        ({**_message(), "data": None}, "400"),
        ("[" * 5_000, "400"),
    ],
)
def test_what_is_no_name_and_number_is_refused(dispatch: ModuleType, message: object, status: str) -> None:
    headers, body = _signed(message)
    with pytest.raises(dispatch.Refused) as refused:
        dispatch.translated(headers, body, secret=SECRET, now=time.time())
    assert refused.value.status.startswith(status)


def test_what_mlflow_did_not_sign_just_now_is_refused(dispatch: ModuleType, sent: tuple[dict[str, str], bytes]) -> None:
    headers, body = sent
    now = time.time()
    wrong: list[tuple[dict[str, str], bytes, str, float]] = [
        (headers, body.replace(b'"3"', b'"4"'), SECRET, now),
        (headers, body, "another secret", now),
        ({**headers, "X-MLflow-Delivery-Id": "another"}, body, SECRET, now),
        ({**headers, "X-MLflow-Signature": "v1,é"}, body, SECRET, now),
        ({}, body, SECRET, now),
        (headers, body, SECRET, now + 400),
        (headers, body, SECRET, now - 400),
        (*_signed(_message(), at=now - 400), SECRET, now),
        ({**headers, "X-MLflow-Timestamp": "now"}, body, SECRET, now),
    ]
    for given, content, secret, at in wrong:
        with pytest.raises(dispatch.Refused) as refused:
            dispatch.translated(given, content, secret=secret, now=at)
        assert refused.value.status == "401 Unauthorized"


def _asked(app: Any, headers: dict[str, str], body: bytes, **changed: str) -> str:
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    environ |= {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), **changed}
    told: list[str] = []
    list(app({**environ, "wsgi.input": io.BytesIO(body)}, lambda status, headers: told.append(status)))
    return told[0]


def test_the_application_passes_on_and_says_how_it_went(dispatch: ModuleType) -> None:
    taken: list[dict[str, Any]] = []
    app = dispatch.application(taken.append, secret=SECRET)
    headers, body = _signed(_message())
    assert _asked(app, headers, body) == "204 No Content" and len(taken) == 1
    assert _asked(app, *_signed(_message(alias="x"))) == "204 No Content" and len(taken) == 1
    assert _asked(app, {}, body).startswith("401")
    for changed in ({"REQUEST_METHOD": "GET"}, {"CONTENT_LENGTH": "10001"}, {"CONTENT_LENGTH": "-1"}):
        assert _asked(app, headers, body, **changed).startswith("400")

    def fails(_: dict[str, Any]) -> None:
        raise OSError("no route")

    assert _asked(dispatch.application(fails, secret=SECRET), headers, body).startswith("502")


def test_github_is_asked_with_the_token(dispatch: ModuleType) -> None:
    seen: list[tuple[str, str | None, Any]] = []

    class GitHub(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 (the base class's name)
            content = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["Authorization"], json.loads(content)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), GitHub) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        dispatch.to_github("owner/repo", "t0ken", f"http://127.0.0.1:{server.server_port}")({"event_type": "x"})
        thread.join()
    assert seen == [("/repos/owner/repo/dispatches", "Bearer t0ken", {"event_type": "x"})]
    with pytest.raises(ValueError, match="expected is OWNER/REPO"):
        dispatch.to_github("owner/repo/../x", "t0ken")
