"""The HTTP API: its routes, and the one table of which error is answered with which status."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig
from pydantic_core import to_json
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from copydesk import __version__, errors
from copydesk.serve.access import FAILED, Door, Guard, Keys
from copydesk.serve.explain_routes import explain_routes
from copydesk.serve.feedback import Feedback
from copydesk.serve.job_routes import job_routes
from copydesk.serve.jobs import Jobs
from copydesk.serve.logs import flush_logs
from copydesk.serve.page_routes import page_routes
from copydesk.serve.routes import (
    CLASSIFY,
    Endpoint,
    answer_routes,
    classifying,
    feedback_routes,
    model_routes,
    probe_routes,
)
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
    errors.LogUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlinePassed: HTTPStatus.GATEWAY_TIMEOUT,
}
_TELLS_WHEN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_TOLD_TO_PAGES = ["Location", "Retry-After", "Server-Timing", "X-Request-Id"]
_JSON = "application/json"
_UNTOLD = TelemetryConfig(tracing=False, metrics=False, logs=False)
"""FastAPI would report every request to OpenTelemetry where that is installed; `metrics.py` counts what matters."""
Refuse = Callable[[Request, Exception], Awaitable[Response]]


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
) -> ASGIApp:
    """Return the API of a service; service and jobs are closed with it, `started` is called once it is ready."""
    access = access or Access()

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        started()
        yield
        await service.close()
        if jobs is not None:
            jobs.close()
        flush_logs()

    classify, refuse = classifying(service, log_texts=access.log_texts), _refusal(service)
    api = create_api(service, feedback=feedback, jobs=jobs, classify=classify, life=life)
    for kind in STATUS:
        api.add_exception_handler(kind, refuse)
    api.add_exception_handler(Exception, _failed)
    app: ASGIApp = Direct(api, Route(CLASSIFY, classify, methods=["POST"]), refuse)
    if access.keys.names:
        app = Guard(app, keys=access.keys, metrics=service.metrics)
    if access.origins:
        methods = ["GET", "POST", "DELETE"]
        app = CORSMiddleware(app, access.origins, methods, allow_headers=["*"], expose_headers=_TOLD_TO_PAGES)
    return Door(app, metrics=service.metrics, is_draining=lambda: service.is_draining)


def create_api(
    service: Service,
    *,
    feedback: Feedback,
    jobs: Jobs | None,
    classify: Endpoint,
    life: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Return the routes and their OpenAPI description, without what stands around them."""
    api = FastAPI(title="Copydesk", version=__version__, lifespan=life, summary="A text classifier.", telemetry=_UNTOLD)
    api.include_router(answer_routes(classify))
    api.include_router(explain_routes(service))
    api.include_router(feedback_routes(service, feedback))
    api.include_router(model_routes(service))
    api.include_router(probe_routes(service, jobs))
    if jobs is not None:
        limits, draining = (lambda: service.limits), (lambda: service.is_draining)
        api.include_router(job_routes(jobs, service.accept_job, limits=limits, draining=draining))
    api.include_router(page_routes())
    return api


class Direct:
    """Answers the one route that is asked thousands of times a second without FastAPI's routing around it.

    That costs about as much as a linear model's answer. The route stands in FastAPI too, which documents it.
    """

    def __init__(self, app: ASGIApp, route: Route, refuse: Refuse) -> None:
        self._app, self._route, self._refuse = app, route, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the route, hand everything else on."""
        if scope["type"] != "http" or scope["path"] != self._route.path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        request = Request(scope, receive, send)
        try:
            response = await self._route.endpoint(request)
        except errors.RequestRefused as error:
            response = await self._refuse(request, error)
        await response(scope, receive, send)


async def _failed(_: Request, error: Exception) -> Response:
    """Answer what nobody foresaw; Starlette raises it again, and `Door` logs it."""
    return Response(to_json({"detail": FAILED}), HTTPStatus.INTERNAL_SERVER_ERROR, media_type=_JSON)


def _refusal(service: Service) -> Refuse:
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
