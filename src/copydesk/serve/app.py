"""The HTTP API: its routes, and the one table of which error is answered with which status."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic_core import to_json
from starlette.middleware.cors import CORSMiddleware

from copydesk import __version__, errors
from copydesk.serve.access import Door, Keys
from copydesk.serve.feedback import Feedback
from copydesk.serve.job_routes import job_routes
from copydesk.serve.jobs import Jobs
from copydesk.serve.routes import answer_routes, feedback_routes, model_routes, probe_routes
from copydesk.serve.service import Service

STATUS: dict[type[Exception], HTTPStatus] = {
    errors.Unauthorised: HTTPStatus.UNAUTHORIZED,
    errors.UnknownJob: HTTPStatus.NOT_FOUND,
    errors.UnknownModel: HTTPStatus.NOT_FOUND,
    errors.BodyTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.ExpiredJob: HTTPStatus.GONE,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BodyRefused: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ClientGone: HTTPStatus.BAD_REQUEST,  # nobody reads it
    errors.NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.JobsUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlinePassed: HTTPStatus.GATEWAY_TIMEOUT,
}
_TELLS_WHEN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_JSON = "application/json"


@dataclass(frozen=True)
class Access:
    """Who may ask (API keys, web pages of other origins), and whether the log holds what was asked."""

    keys: Keys = Keys({})
    origins: Sequence[str] = ()
    log_texts: bool = False


def create_app(
    service: Service,
    *,
    feedback: Feedback,
    jobs: Jobs | None = None,
    access: Access | None = None,
    started: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Return the API of a service; service and jobs are closed with it, `started` is called once it is ready."""
    access = access or Access()

    def draining() -> bool:
        return service.is_draining

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        started()
        yield
        await service.close()
        if jobs is not None:
            jobs.close()

    app = FastAPI(title="Copydesk", version=__version__, lifespan=life, summary="A text classifier.", docs_url="/docs")
    for kind in STATUS:
        app.add_exception_handler(kind, _refusal(service))
    app.include_router(answer_routes(service, log_texts=access.log_texts))
    app.include_router(feedback_routes(service, feedback))
    app.include_router(model_routes(service))
    app.include_router(probe_routes(service, jobs))
    if jobs is not None:
        app.include_router(job_routes(jobs, service.accept_job, limits=lambda: service.limits, draining=draining))
    if access.origins:
        methods = ["GET", "POST", "DELETE"]
        app.add_middleware(
            CORSMiddleware, allow_origins=list(access.origins), allow_methods=methods, allow_headers=["*"]
        )
    app.add_middleware(Door, keys=access.keys, metrics=service.metrics, is_draining=draining)
    return app


def _refusal(service: Service) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return what answers a refused request."""

    async def answer(_: Request, error: Exception) -> Response:
        status = STATUS[type(error)]
        service.metrics.refused(type(error).__name__)
        headers = {}
        if status in _TELLS_WHEN:
            headers["Retry-After"] = str(getattr(error, "retry_after_s", 1))
        if isinstance(error, errors.BodyTooLarge | errors.BodyTooSlow | errors.BodyRefused):
            headers["Connection"] = "close"  # the rest of the body is not read
        detail = error.faults if isinstance(error, errors.InvalidRequest) else str(error)
        return Response(to_json({"detail": detail}), status, headers, media_type=_JSON)

    return answer
