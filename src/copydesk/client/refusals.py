"""What a server's status codes mean to its client: the reverse of the table in `serve/app.py`."""

from __future__ import annotations

import json
from typing import Any

from copydesk.client.steps import Reply
from copydesk.errors import (
    BodyRefused,
    BodyTooLarge,
    BodyTooSlow,
    CopydeskError,
    DeadlinePassed,
    ExpiredJob,
    InvalidRequest,
    JobsUnavailable,
    NotReady,
    Overloaded,
    RequestRefused,
    ServiceError,
    Unauthorised,
    UnknownJob,
)

_KINDS: dict[int, type[CopydeskError]] = {
    401: Unauthorised,
    408: BodyTooSlow,
    413: BodyTooLarge,
    415: BodyRefused,
    503: NotReady,
    504: DeadlinePassed,
}
_KINDS_OF_JOBS: dict[int, type[CopydeskError]] = {**_KINDS, 404: UnknownJob, 410: ExpiredJob, 503: JobsUnavailable}


def accepted(reply: Reply, *, of_job: bool = False, first_text: int = 0) -> Reply:
    """Return a reply that is no refusal, else raise what it means.

    `first_text` is the place of the request's first text in the caller's list: faults are told by the caller's places.
    """
    if 200 <= reply.status < 300:
        return reply
    detail = _detail(reply.body)
    if isinstance(detail, list):
        raise InvalidRequest([_moved(fault, first_text) for fault in detail])
    message = detail or f"The server answered with HTTP {reply.status} and no reason."
    if reply.status == 429:
        raise Overloaded(message, retry_after_s=max(round(reply.retry_after_s), 1))
    known = (_KINDS_OF_JOBS if of_job else _KINDS).get(reply.status)
    if known is not None:
        raise known(message)
    ours = 400 <= reply.status < 500 and reply.status != 404  # a path that is not there is no fault of the request's
    raise (RequestRefused if ours else ServiceError)(f"HTTP {reply.status}: {message}")


def asks_for_fewer(reply: Reply) -> bool:
    """Tell whether a refused list of texts may pass in parts."""
    if reply.status == 413:
        return True
    detail = _detail(reply.body) if reply.status == 422 else ""
    return isinstance(detail, list) and any(
        fault["loc"] == ["body", "texts"] and fault.get("type") == "too_long" for fault in detail
    )


def _moved(fault: dict[str, Any], first_text: int) -> dict[str, Any]:
    place = list(fault["loc"])
    if place[:2] == ["body", "texts"] and len(place) > 2 and isinstance(place[2], int):
        place[2] += first_text
    return {**fault, "loc": place}


def _detail(body: bytes) -> list[dict[str, Any]] | str:
    """Return why a request was refused: a 422's faults, else a line; of a body that is not ours, its beginning."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return " ".join(body[:200].decode("utf-8", "replace").split())
    if (
        isinstance(detail, list)
        and detail
        and all(isinstance(one, dict) and {"loc", "msg"} <= set(one) for one in detail)
    ):
        return detail
    return detail if isinstance(detail, str) else json.dumps(detail)
