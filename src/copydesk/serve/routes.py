"""The routes of one model: answers, corrections, what is served, and the probes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from copydesk.errors import ClientGone, JobsUnavailable, Overloaded, UnknownModel
from copydesk.serve.batcher import Ticket
from copydesk.serve.feedback import Feedback, FeedbackBody
from copydesk.serve.jobs import Jobs
from copydesk.serve.limits import read_body, seconds_allowed, wants_scores
from copydesk.serve.metrics import CONTENT_TYPE
from copydesk.serve.schemas import (
    Answers,
    Headline,
    Invalid,
    ModelFacts,
    ModelLimits,
    Models,
    Readiness,
    Refusal,
    TextsBody,
    read_texts,
)
from copydesk.serve.served import Answered
from copydesk.serve.service import Service

LOG = logging.getLogger("copydesk.texts")
Responses = dict[int | str, dict[str, Any]]
_REFUSALS: Responses = {
    401: {"model": Refusal, "description": "No API key, or none that is known."},
    408: {"model": Refusal, "description": "The body did not arrive in time."},
    413: {"model": Refusal, "description": "The body is too large."},
    415: {"model": Refusal, "description": "Not JSON, or compressed."},
    422: {"model": Invalid, "description": "What is wrong with the body, and where."},
    503: {"model": Refusal, "description": "Not ready; Retry-After says when to come again."},
}
ANSWER_REFUSALS: Responses = {
    **_REFUSALS,
    429: {"model": Refusal, "description": "The queue is full; Retry-After says when to come again."},
    504: {"model": Refusal, "description": "The time that X-Request-Timeout allows was over."},
}


SCORES = {
    "name": "scores",
    "in": "query",
    "description": "Give every label's score too.",
    "schema": {"type": "boolean", "default": False},
}
CLASSIFY = "/v1/classify"
_MOST_CORRECTIONS = 64
_MOMENT_S = 0.01
_TIMEOUT = {
    "name": "X-Request-Timeout",
    "in": "header",
    "description": "Seconds after which nobody waits for the answer any more.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}


def body_of(model: type[Any]) -> dict[str, Any]:
    """Return the OpenAPI description of a body that a route reads by itself."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _whole(schema, parts)}}}}


def _whole(schema: Any, parts: dict[str, Any]) -> Any:  # noqa: ANN401 (a piece of a JSON Schema)
    """Return a schema with its parts where they are referred to: FastAPI does not know of them."""
    if isinstance(schema, list):
        return [_whole(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: _whole(value, parts) for key, value in schema.items()}


Endpoint = Callable[[Request], Awaitable[Response]]


def answer_routes(classify: Endpoint) -> APIRouter:
    """Return `POST /v1/classify`."""
    routes = APIRouter(tags=["classify"])

    documented = {**body_of(TextsBody), "parameters": [SCORES, _TIMEOUT]}
    routes.post(CLASSIFY, responses=ANSWER_REFUSALS, response_model=Answers, openapi_extra=documented)(classify)
    return routes


def classifying(service: Service, *, log_texts: bool) -> Endpoint:
    """Return what answers `POST /v1/classify`."""

    async def classify(request: Request) -> Response:
        """Classify one text or several at once."""
        limits = service.limits
        body = await read_body(request, most_bytes=limits.body_bytes, timeout_s=limits.body_timeout_s)
        columns = service.served.classifier.settings.text
        texts = read_texts(body, columns, most_texts=limits.batch_texts, most_chars=limits.text_chars)
        scores, allowed = wants_scores(request), seconds_allowed(request)
        ticket = Ticket(None if allowed is None else time.monotonic() + allowed)
        async with while_wanted(request):
            answered = await service.predict(texts, ticket, scores=scores)
        _note(request, answered, texts if log_texts else None)
        return Response(to_json(answered.to_json()), headers=_timing(answered), media_type="application/json")

    return classify


@asynccontextmanager
async def while_wanted(request: Request) -> AsyncIterator[None]:
    """Give up what is done inside when the client leaves. Raises `ClientGone`.

    Only what takes longer than a moment is watched: most answers are there before a watch would pay.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    watches: list[asyncio.Future[Message]] = []

    def watch() -> None:
        watches.append(asyncio.ensure_future(request.receive()))
        watches[0].add_done_callback(lambda left: left.cancelled() or task is None or task.cancel())

    later = loop.call_later(_MOMENT_S, watch)
    try:
        yield
    except asyncio.CancelledError:
        if task is None or not watches or not watches[0].done():
            raise
        task.uncancel()
        raise ClientGone("The client left before it had its answer.") from None
    finally:
        later.cancel()
        for left in watches:
            left.cancel()


def _timing(answered: Answered) -> dict[str, str]:
    times = answered.times
    stages = (("queue", times.queue), ("tokenise", times.tokenise), ("inference", times.inference))
    return {"Server-Timing": ", ".join(f"{stage};dur={seconds * 1000:.2f}" for stage, seconds in stages)}


def _note(request: Request, answered: Answered, texts: list[Any] | None) -> None:
    facts = request.state.facts
    facts["model"], facts["texts"] = answered.version.version, len(answered.predictions)
    if texts is not None:
        LOG.info("answered", extra={"fields": {**facts, "asked": texts, "given": answered.to_json()["predictions"]}})


def feedback_routes(service: Service, feedback: Feedback) -> APIRouter:
    """Return `POST /v1/feedback`.

    A database that is away holds a correction up for seconds: only some wait, in a thread that texts do not need.
    """
    routes = APIRouter(tags=["feedback"])
    one_at_a_time = CapacityLimiter(1)
    refused: Responses = {**_REFUSALS, 429: {"model": Refusal, "description": "Too many corrections wait."}}

    @routes.post("/v1/feedback", status_code=204, responses=refused, openapi_extra=body_of(FeedbackBody))
    async def correct(request: Request) -> Response:
        """Say what a prediction should have been."""
        limits = service.limits
        body = await read_body(request, most_bytes=limits.one_text_bytes, timeout_s=limits.body_timeout_s)
        if one_at_a_time.statistics().tasks_waiting >= _MOST_CORRECTIONS:
            raise Overloaded(f"{_MOST_CORRECTIONS} corrections wait to be kept. Come again in a moment.")
        add = partial(feedback.add, body, service.served.classifier.task, most_chars=limits.text_chars)
        version = await to_thread.run_sync(add, limiter=one_at_a_time)
        service.metrics.corrected(version)
        return Response(status_code=204)

    return routes


def model_routes(service: Service) -> APIRouter:
    """Return `GET /v1/models` and the report of the served version."""
    routes = APIRouter(tags=["models"])
    refused: Responses = {code: _REFUSALS[code] for code in (401, 503)}

    @routes.get("/v1/models", responses=refused)
    async def models() -> Models:
        """Tell which version answers, what it can do and how well."""
        return Models(models=[facts_of(service)])

    @routes.get(
        "/v1/models/{name}/report",
        responses={**refused, 200: {"content": {"text/html": {}}}, 404: {"model": Refusal}},
        response_class=FileResponse,
    )
    async def report(name: str) -> FileResponse:
        """Show the served version's evaluation as a page."""
        served = service.served
        if name != served.version.name or not served.classifier.is_bundle:
            raise UnknownModel(
                f"No report of a model {name[:100]!r} is served here; the model is {served.version.name!r}."
            )
        return FileResponse(served.classifier.bundle.layout.report_page, media_type="text/html")

    return routes


def facts_of(service: Service) -> ModelFacts:
    """Return what is known of the served version."""
    served, limits = service.served, service.limits
    classifier, version = served.classifier, served.version
    report = served.report
    headline = None
    if report is not None and report.headline in report.metrics:
        interval = report.intervals.get(report.headline)
        headline = Headline(metric=report.headline, value=report.metrics[report.headline], interval=interval)
    return ModelFacts(
        name=version.name,
        version=version.version,
        task=classifier.task.name,
        labels=list(classifier.labels),
        tags={category: list(tags) for category, tags in classifier.settings.categories.items()},
        text=list(classifier.settings.text),
        kind=classifier.settings.model,
        created=report.created if report else "",
        headline=headline,
        metrics=report.metrics if report else {},
        tested_on=report.n if report else 0,
        limits=ModelLimits(
            max_text_chars=limits.text_chars, max_batch_texts=limits.batch_texts, max_job_texts=limits.job_texts
        ),
        report=f"/v1/models/{version.name}/report" if report else None,
        notes=classifier.notes + (report.notes if report else []),
    )


def probe_routes(service: Service, jobs: Jobs | None) -> APIRouter:
    """Return the probes and the metrics."""
    routes = APIRouter(tags=["operations"])

    def page() -> bytes:
        try:
            counts = jobs.counts() if jobs is not None else None
        except JobsUnavailable:
            counts = None  # the other metrics are wanted all the more
        return service.metrics.page(counts)

    @routes.get("/healthz")
    async def alive() -> Readiness:
        """Tell that the process answers."""
        return Readiness(status="alive")

    @routes.get("/readyz", responses={503: {"model": Readiness}}, response_model=Readiness)
    async def ready() -> Response:
        """Tell whether requests should be sent here: the model is loaded, the queue not full, the end not near."""
        why = service.unready
        return JSONResponse({"status": why or "ready"}, 503 if why else 200, {"Retry-After": "1"} if why else None)

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Return the metrics of all processes in Prometheus' text form."""
        return Response(await run_in_threadpool(page), media_type=CONTENT_TYPE)  # as jobs: texts have other threads

    return routes
