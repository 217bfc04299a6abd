"""The web page: files that come with the package, read once, the same for everyone.

They hold nothing secret, so they need no API key; what the page asks for does. Nothing but these files can be had here:
a name is looked up among them, never on the disk.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from copydesk.page.files import SECURITY_HEADERS, page_files

PAGE = Path(__file__).parent / "page"
_HEADERS = {**SECURITY_HEADERS, "Cache-Control": "no-cache"}
"""`no-cache`: kept by the browser, and asked about each time; unchanged it is answered with 304."""


def page_routes() -> APIRouter:
    """Return `GET /` and the page's files under `/page/`."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return _sent(request, "index.html")

    @routes.api_route("/page/{name}", methods=["GET", "HEAD"])
    async def file(request: Request, name: str) -> Response:
        return _sent(request, name)

    @routes.api_route("/favicon.ico", methods=["GET", "HEAD"])
    async def icon(request: Request) -> Response:
        """Answer what browsers ask for beside pages that name no icon: the report, /docs."""
        return _sent(request, "mark.svg")

    return routes


def _sent(request: Request, name: str) -> Response:
    found = page_files(PAGE).get(name)
    if found is None:
        raise HTTPException(404, f"The page has no file {name[:100]!r}.")
    headers = {**_HEADERS, "Content-Type": found.type, "ETag": found.tag}
    if found.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers)
