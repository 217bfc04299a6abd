"""The routes under `/v1/jobs`: take a job, tell how far it is, give its results, cancel it.

Stores are synchronous, so every call of one runs in a thread; results and progress are streamed a chunk at a time. It
does not know which store there is, nor what a text may be (`accept` does), nor which error has which status (`app.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from copydesk.errors import JobsUnavailable, Overloaded, RequestRefused
from copydesk.serve.jobs import Jobs, Submission, progress_of
from copydesk.serve.limits import Limits, read_body, wants_scores
from copydesk.serve.routes import SCORES, body_of
from copydesk.serve.schemas import Answers, Invalid, Refusal, ServedModel, TextsBody, refused
from copydesk.types import Job, JobStatus, ModelVersion, Text

Accept = Callable[[bytes], tuple[ModelVersion, list[Text]]]
"""Reads a body: the version that will answer, and the texts. Raises `InvalidRequest`."""
_RETRY = {"Retry-After": "1"}
_LOOK_EVERY_S = 0.5
_ALIVE_EVERY_S = 15.0
_MOST_KEY_CHARS = 255
_MOST_WATCHED = 256
"""Streams of progress that one process keeps open; each asks the store twice a second."""


class JobState(BaseModel):
    """How far a job is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "5f0c7ab19d5e4f6f8f7ad7f3b1a2c3d4",
                    "status": "running",
                    "model": {"name": "clickbait", "version": "3"},
                    "texts": 50000,
                    "done": 12800,
                    "created_at": "2026-11-22T02:23:52.123+00:00",
                    "finished_at": None,
                    "expires_at": None,
                    "error": None,
                }
            ]
        }
    )

    id: str
    status: JobStatus
    model: ServedModel
    texts: int
    done: int
    created_at: str
    finished_at: str | None
    expires_at: str | None
    error: str | None


class JobAnswers(Answers):
    """The results of a job, in the order of its texts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": {"name": "clickbait", "version": "3"},
                    "predictions": [{"id": "3.88b0c59f3b5b3ec7", "label": "clickbait", "score": 0.99987}],
                    "id": "5f0c7ab19d5e4f6f8f7ad7f3b1a2c3d4",
                    "status": "succeeded",
                    "texts": 1,
                    "created_at": "2026-11-22T02:23:52.123+00:00",
                    "finished_at": "2026-11-22T02:23:53.456+00:00",
                    "expires_at": "2026-11-23T02:23:53.456+00:00",
                }
            ]
        }
    )

    id: str
    status: JobStatus
    texts: int
    created_at: str
    finished_at: str
    expires_at: str


def job_routes(
    jobs: Jobs, accept: Accept, *, limits: Callable[[], Limits] = Limits, draining: Callable[[], bool] = lambda: False
) -> APIRouter:
    """Return the routes. `limits` are those of the served model; `draining` tells that the server is about to end.

    Streams of progress end with it: a client that still wants to know asks the next server.
    """
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    router.post("", status_code=202, responses=_SUBMIT, openapi_extra=_BODY)(_submit(jobs, accept, limits))
    router.get("/{job_id}", responses=_READ)(_read(jobs))
    router.get("/{job_id}/events", responses=_EVENTS)(_events(jobs, draining))
    router.delete("/{job_id}", responses=_CANCEL)(_cancel(jobs))
    return router


def _submit(jobs: Jobs, accept: Accept, limits: Callable[[], Limits]) -> Callable[..., Any]:
    async def submit(request: Request) -> Response:
        """Take texts to be answered later, on the version that is served now."""
        key, scores, most = _key(request), wants_scores(request), limits()
        body = await read_body(request, most_bytes=most.job_body_bytes, timeout_s=most.body_timeout_s)

        def take() -> Job:
            model, texts = accept(body)
            fingerprint = hashlib.sha256(body)
            fingerprint.update(b"?scores" if scores else b"")
            return jobs.submit(Submission(model, texts, scores, key, fingerprint.hexdigest()))

        job = await run_in_threadpool(take)
        _facts(request)["job"] = job.id
        path = f"{request.scope.get('root_path', '')}/v1/jobs/{job.id}"
        return JSONResponse(progress_of(job), 202, {"Location": path, **_RETRY})

    return submit


def _read(jobs: Jobs) -> Callable[..., Any]:
    async def read(job_id: str) -> Response:
        """Tell how far a job is (202), or give its results (200; of a cancelled job only that it was)."""
        job = await run_in_threadpool(jobs.get, job_id)
        if job.status == "succeeded":
            return StreamingResponse(_results(jobs, job), media_type="application/json")
        if job.status == "failed":
            return JSONResponse({"detail": job.error, **progress_of(job)}, 500)
        return JSONResponse(progress_of(job)) if job.has_ended else JSONResponse(progress_of(job), 202, _RETRY)

    return read


def _events(jobs: Jobs, draining: Callable[[], bool]) -> Callable[..., Any]:
    watched = 0

    async def progress(job: Job) -> AsyncIterator[bytes]:
        nonlocal watched
        watched += 1
        try:
            async for event in _progress(jobs, job, draining):
                yield event
        finally:
            watched -= 1

    async def events(job_id: str) -> Response:
        """Stream the job's progress as server-sent events until it has ended."""
        if watched >= _MOST_WATCHED:
            raise Overloaded(f"{watched} streams of progress are open, as many as may be. Ask for the job instead.")
        job = await run_in_threadpool(jobs.get, job_id)  # an unknown job is a status, not a stream
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(progress(job), media_type="text/event-stream", headers=headers)

    return events


def _cancel(jobs: Jobs) -> Callable[..., Any]:
    async def cancel(job_id: str) -> Response:
        """Cancel a job; one that has ended stays as it is. The answer says how it stands."""
        return JSONResponse(progress_of(await run_in_threadpool(jobs.cancel, job_id)))

    return cancel


def _results(jobs: Jobs, job: Job) -> Iterator[bytes]:
    """Yield the body of a job that succeeded; Starlette runs this in a thread, a chunk at a time is in memory."""
    state = {name: value for name, value in progress_of(job).items() if name not in ("done", "error")}
    yield json.dumps(state).encode()[:-1] + b', "predictions": ['
    for place, answers in enumerate(jobs.answers(job)):
        yield (b", " if place else b"") + answers[1:-1]  # what is between the brackets of the array
    yield b"]}"


async def _progress(jobs: Jobs, job: Job, draining: Callable[[], bool]) -> AsyncIterator[bytes]:
    told, quiet_s = b"", 0.0
    while True:
        event = f"event: {'ended' if job.has_ended else 'progress'}\ndata: {json.dumps(progress_of(job))}\n\n".encode()
        if event != told:
            yield event
            told, quiet_s = event, 0.0
        elif quiet_s >= _ALIVE_EVERY_S:
            yield b": still there\n\n"
            quiet_s = 0.0
        if job.has_ended or draining():
            return
        await asyncio.sleep(_LOOK_EVERY_S)
        quiet_s += _LOOK_EVERY_S
        try:
            job = await run_in_threadpool(jobs.get, job.id)
        except JobsUnavailable:
            continue  # the store may come back; the client sees that the stream lives
        except RequestRefused:
            return  # it expired


def _key(request: Request) -> str:
    """Return what a job is found by for its Idempotency-Key: the keys of clients with other API keys never meet."""
    given = request.headers.get("idempotency-key", "")
    if not given:
        return ""
    if len(given) > _MOST_KEY_CHARS:
        message = f"It has {len(given):,} characters; at most {_MOST_KEY_CHARS} are taken. A UUID will do."
        raise refused(("header", "Idempotency-Key"), message, "too_long")
    client = _facts(request).get("key", "")  # the name of its API key
    return hashlib.sha256(f"{client}\0{given}".encode()).hexdigest()


def _facts(request: Request) -> dict[str, Any]:
    """Return what the log will say of the request (`access.py`)."""
    facts: dict[str, Any] = request.scope.setdefault("state", {}).setdefault("facts", {})
    return facts


def _refusals(**statuses: str) -> dict[int | str, dict[str, Any]]:
    return {int(name[1:]): {"description": text, "model": Refusal} for name, text in statuses.items()}


_GONE = _refusals(
    _401="No API key, or none that is known",
    _404="No job has this id",
    _410="Its results have expired",
    _503="The job store does not answer",
)
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A name for this request: sent again under it, it is the same job.",
    "schema": {"type": "string", "maxLength": _MOST_KEY_CHARS},
}
_BODY = {**body_of(TextsBody), "parameters": [SCORES, _KEY]}
_SUBMIT: dict[int | str, dict[str, Any]] = {
    202: {"description": "Accepted; `Location` is where to ask for it", "model": JobState},
    422: {"description": "A wrong body, or an Idempotency-Key of another request", "model": Invalid},
    **_refusals(
        _401="No API key, or none that is known",
        _408="The body did not arrive in time",
        _415="Not JSON, or compressed",
    ),
    **_refusals(_413="Too large", _429="Too many texts are waiting", _503="The job store does not answer"),
}
_READ: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "It succeeded: the predictions, in order. Or it was cancelled",
        "model": JobAnswers | JobState,
    },
    202: {"description": "It waits or runs", "model": JobState},
    **_GONE,
    **_refusals(_500="It failed; `detail` says why"),
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress`, and at last `ended`, each a JobState",
        "content": {"text/event-stream": {}},
    },
    **_refusals(_429="Too many streams are open"),
    **_GONE,
}
_CANCEL: dict[int | str, dict[str, Any]] = {200: {"description": "How it stands now", "model": JobState}, **_GONE}
