"""The web page: files that come with the package, read once, the same for everyone.

They hold nothing secret, so they need no API key; what the page asks for does. Nothing but these files can be had here:
a name is looked up among them, never on the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePath

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

_FOLDERS = ("page", "serve/page")
"""What all of Copydesk's pages share, and this page's own; relative to the package."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""`no-cache`: kept by the browser, and asked about each time; unchanged it is answered with 304."""


@dataclass(frozen=True)
class PageFile:
    """A file, and the headers it is sent with."""

    content: bytes
    headers: Mapping[str, str]


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
    found = page_files().get(name)
    if found is None:
        raise HTTPException(404, f"The page has no file {name[:100]!r}.")
    if found.headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=found.headers)
    return Response(found.content, headers=found.headers)


@cache
def page_files() -> Mapping[str, PageFile]:
    """Return the page's files by name."""
    package = files("copydesk")
    found = {}
    for folder in _FOLDERS:
        for file in package.joinpath(folder).iterdir():
            if (kind := _TYPES.get(PurePath(file.name).suffix)) is not None:
                content = file.read_bytes()
                tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
                found[file.name] = PageFile(content, {**_HEADERS, "Content-Type": kind, "ETag": tag})
    return found
