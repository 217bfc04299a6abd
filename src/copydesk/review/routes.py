"""What the review page's server answers: a request in, a response out; no socket.

    GET  /, /NAME         the page's files: they say nothing about the texts, so they need no token
    GET  /api/review      the header and how far the review has come
    GET  /api/places      places and decisions of the items with a `reason`, a `state` and the words of a `search`
    GET  /api/items       the items at `places`
    POST /api/decide      {place, revision, decision, new_label}
    POST /api/undo        {revision}

Other pages in the same browser can send requests here, too. None of them knows the token, none can set its header or
send JSON without being asked first (and the answer to that is 405), and a name that was bound to this address (DNS
rebinding) is not among the hosts.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from copydesk.errors import CopydeskError, DataError, Stale
from copydesk.page.files import page_files
from copydesk.review.counts import Counts, counts_by_reason, counts_of
from copydesk.review.session import Seen, Session

TOKEN_HEADER = "x-copydesk-token"
MOST_BYTES = 1 << 20
"""A label of thousands of names fits."""
MOST_ITEMS = 20
_PAGE = Path(__file__).parent / "page"


@dataclass(frozen=True)
class Request:
    """A request; the names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's values; of a name that is repeated, the last."""
        values = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return {name: found[-1] for name, found in values.items()}


@dataclass(frozen=True)
class Response:
    """An answer; every one carries `SECURITY_HEADERS` besides."""

    status: int
    body: bytes
    type: str = "application/json"


@dataclass(frozen=True)
class Guard:
    """Who is let in: whoever knows the token, at one of the hosts (`name:port`)."""

    token: str
    hosts: frozenset[str]

    def refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that is not the page's own, or None."""
        if request.headers.get("host", "").lower() not in self.hosts:
            return _refused(HTTPStatus.FORBIDDEN, "This address is not the review's own.")
        if not request.path.startswith("/api/"):
            return None
        origin = request.headers.get("origin")
        if origin is not None and origin.lower().removeprefix("http://") not in self.hosts:
            return _refused(HTTPStatus.FORBIDDEN, "Requests of other pages are refused.")
        if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), self.token.encode()):
            return _refused(HTTPStatus.UNAUTHORIZED, "The token is not this review's. Open the address it printed.")
        return None


class _BadRequest(Exception):
    """A request that the page would not send."""


def answer(request: Request, session: Session, guard: Guard) -> Response:
    """Return the response to a request."""
    if (refusal := guard.refusal(request)) is not None:
        return refusal
    if not request.path.startswith("/api/"):
        return _file(request)
    methods = {method: handle for (path, method), handle in _ROUTES.items() if path == request.path}
    if not methods:
        return _refused(HTTPStatus.NOT_FOUND, f"There is nothing at {request.path}.")
    if request.method not in methods:
        return _refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path} takes {', '.join(methods)}.")
    try:
        value = methods[request.method](request, session)
    except _BadRequest as problem:
        return _refused(HTTPStatus.BAD_REQUEST, str(problem))
    except CopydeskError as problem:
        return _refused(_STATUS.get(type(problem), HTTPStatus.INTERNAL_SERVER_ERROR), str(problem))
    return _json(HTTPStatus.OK, value)


_STATUS = {Stale: HTTPStatus.CONFLICT, DataError: HTTPStatus.UNPROCESSABLE_ENTITY}
"""Any other error of ours is the disk's: the decision was not saved."""


def _file(request: Request) -> Response:
    files = page_files(_PAGE)
    name = request.path.removeprefix("/") or "index.html"
    if request.method != "GET":
        return _refused(HTTPStatus.METHOD_NOT_ALLOWED, "The page's files can be read only.")
    if name not in files:
        return _refused(HTTPStatus.NOT_FOUND, f"There is nothing at {request.path}.")
    return Response(HTTPStatus.OK, files[name].content, files[name].type)


def _overview(request: Request, session: Session) -> dict[str, Any]:
    header = session.header
    return {
        "file": session.path.name,
        "task": header.task,
        "labels": header.labels,
        "categories": header.categories,
        "recipe": header.recipe,
        **_state(session),
    }


def _places(request: Request, session: Session) -> dict[str, Any]:
    query = request.query
    places = session.places(reason=query.get("reason"), state=query.get("state", ""), search=query.get("search", ""))
    items = session.items
    return {"places": places, "decisions": [items[place].decision for place in places]}


def _items(request: Request, session: Session) -> dict[str, Any]:
    wanted = request.query.get("places", "").split(",")
    if len(wanted) > MOST_ITEMS or not all(place.isascii() and place.isdigit() for place in wanted):
        raise _BadRequest(f"`places` are 1 to {MOST_ITEMS} whole numbers, parted by commas.")
    return {"items": [_shown(session.seen(int(place))) for place in wanted]}


def _decide(request: Request, session: Session) -> dict[str, Any]:
    values = _body(request, {"place": int, "revision": int, "decision": str}, optional={"new_label"})
    seen = session.decide(values["place"], values["decision"], values.get("new_label"), seen=values["revision"])
    return {"item": _shown(seen), **_state(session)}


def _undo(request: Request, session: Session) -> dict[str, Any]:
    values = _body(request, {"revision": int})
    return {"item": _shown(session.undo(seen=values["revision"])), **_state(session)}


_ROUTES: dict[tuple[str, str], Callable[[Request, Session], dict[str, Any]]] = {
    ("/api/review", "GET"): _overview,
    ("/api/places", "GET"): _places,
    ("/api/items", "GET"): _items,
    ("/api/decide", "POST"): _decide,
    ("/api/undo", "POST"): _undo,
}


def _body(request: Request, needed: Mapping[str, type], optional: frozenset[str] | set[str] = frozenset()) -> Any:  # noqa: ANN401
    """Return the JSON object in the body. Raises `_BadRequest` unless it has these keys with values of these types."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _BadRequest("The body must be application/json.")
    try:
        values = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise _BadRequest(f"The body is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise _BadRequest("The body must be an object.")
    for name, kind in needed.items():
        if type(values.get(name)) is not kind:
            raise _BadRequest(f"`{name}` must be given, as {kind.__name__}.")
    if unknown := values.keys() - needed.keys() - optional:
        raise _BadRequest(f"Unknown key {min(unknown)!r}.")
    return values


def _state(session: Session) -> dict[str, Any]:
    """Return what changes with every decision."""
    tally = session.tally
    return {
        "revision": session.revision,
        "can_undo": session.can_undo,
        **_counts(counts_of(tally)),
        "reasons": [{"reason": name, **_counts(counts)} for name, counts in counts_by_reason(tally).items()],
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {"all": counts.all, "decided": counts.decided, "skipped": counts.skipped}


def _shown(seen: Seen) -> dict[str, Any]:
    return {"place": seen.place, "revision": seen.revision, **vars(seen.item)}


def _refused(status: int, message: str) -> Response:
    return _json(status, {"error": message})


def _json(status: int, value: dict[str, Any]) -> Response:
    return Response(status, json.dumps(value).encode())
