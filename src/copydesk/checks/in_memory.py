"""The real server application in memory: the same routes, limits and errors as behind a port, without one.

It speaks ASGI to the application, one request at a time unless several are asked together; what a real socket, a proxy
or a slow client would do is not seen.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.runtime.engine import Classifier
from copydesk.serve.app import create_app
from copydesk.serve.feedback import Feedback
from copydesk.serve.limits import Limits
from copydesk.serve.metrics import Metrics
from copydesk.serve.service import Reference, Service
from copydesk.types import ModelVersion, Text

_PATIENCE_S = 60.0
_SHADOWED = "copydesk_shadow_texts_total"
CLASSIFY = "/v1/classify"
OK = 200


@dataclass(frozen=True)
class Answer:
    """A response: its status and its body."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 (any JSON value)
        """Return the body as JSON."""
        return json.loads(self.body)


class Shelf:
    """A name that leads to one model now and may lead to another later."""

    def __init__(self, classifier: Classifier, version: str) -> None:
        self.put(classifier, version)

    def put(self, classifier: Classifier, version: str) -> None:
        """Let the name lead to this model."""
        self.classifier, self.version = classifier, version

    @property
    def reference(self) -> Reference:
        """The name, as the service looks it up."""
        return Reference("checked", lambda: self.version, self._load)

    def _load(self) -> tuple[Classifier, ModelVersion]:
        return self.classifier, ModelVersion("checked", self.version)


class Client:
    """Asks an application that runs in memory."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 (an ASGI application)
        self._app = app

    async def ask(self, path: str, body: bytes, *, kind: str = "application/json", query: str = "") -> Answer:
        """Send a POST request and return the answer."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        sent = [{"type": "http.request", "body": body, "more_body": False}]
        parts: list[dict[str, Any]] = []
        ended = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if sent:
                return sent.pop()
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            parts.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended.set()

        await asyncio.wait_for(self._app(scope, receive, send), _PATIENCE_S)
        return Answer(parts[0]["status"], b"".join(part.get("body", b"") for part in parts[1:]))

    async def classify(self, value: Any, *, scores: bool = False) -> Answer:  # noqa: ANN401 (any JSON value)
        """Send a value as the body of `POST /v1/classify`."""
        body = json.dumps(value).encode()
        return await self.ask(CLASSIFY, body, query="scores=true" if scores else "")


def service_of(shelf: Shelf, *, shadow: Shelf | None = None) -> Service:
    """Return a service of what the shelf holds, with its recipe's limits, patient enough for a busy machine.

    Every answered text is asked of the `shadow` too.
    """
    classifier = shelf.classifier
    limits = Limits.of(classifier.recipe.serve) if classifier.is_bundle else Limits()
    return Service(
        shelf.reference,
        metrics=Metrics(),
        limits=replace(limits, queue_seconds=_PATIENCE_S),
        shadow=None if shadow is None else (shadow.reference, 1.0),
        look_s=_PATIENCE_S,
    )


def as_sent(text: str, classifier: Classifier) -> Text:
    """Return a Dataset's text as a client sends it: of several columns, each by its name."""
    names = classifier.settings.text
    if len(names) == 1:
        return text
    columns = text.split(COLUMN_SEPARATOR)
    return dict(zip(names, [*columns, *[""] * (len(names) - len(columns))], strict=False))


def shadow_counts(service: Service) -> dict[str, int]:
    """Return how many texts the service's shadow answered: `yes` alike, `no` otherwise, `failed`."""
    found = {}
    for family in text_string_to_metric_families(service.metrics.page().decode()):
        for sample in family.samples:
            if sample.name == _SHADOWED:
                found[sample.labels["agrees"]] = int(sample.value)
    return found


@asynccontextmanager
async def running(service: Service, work: Path) -> AsyncIterator[Client]:
    """Run the application of a service; feedback goes to a file in `work`. Raises what its start raises."""
    app: Any = create_app(service, feedback=Feedback.in_file(work / "feedback.jsonl"))
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await inbox.put({"type": "lifespan.startup"})
    life = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, inbox.get, outbox.put)
    )
    try:
        await _told(outbox, life)
        yield Client(app)
        await inbox.put({"type": "lifespan.shutdown"})
        await _told(outbox, life)
    finally:
        if not life.done():
            life.cancel()
        await asyncio.gather(life, return_exceptions=True)


async def _told(outbox: asyncio.Queue[dict[str, Any]], life: asyncio.Task[Any]) -> None:
    """Wait until the application says that a step is done. Raises what it failed with."""
    heard = asyncio.create_task(outbox.get())
    await asyncio.wait({heard, life}, return_when=asyncio.FIRST_COMPLETED)
    if not heard.done():
        heard.cancel()
        life.result()
    elif heard.result()["type"].endswith(".failed"):
        await life  # Starlette raises the reason itself
        raise RuntimeError(heard.result().get("message", "the server did not start"))
