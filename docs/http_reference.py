"""The page of the HTTP API, from the server's own OpenAPI description."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from schema_words import Schema, cell, described, meaning, reference_of, table, type_of

from copydesk.serve.app import create_api
from copydesk.serve.feedback import Feedback
from copydesk.serve.metrics import Metrics
from copydesk.serve.open_jobs import open_jobs
from copydesk.serve.routes import classifying
from copydesk.serve.service import Reference, Service

_HEAD = """<!-- Made by docs/make_reference.py (make reference) from the code. Change it there. -->

# HTTP API

The routes of `copydesk serve` with what they take and answer, from its own description, which a running server gives at
`/openapi.json`. How it behaves (queue, versions, feedback, metrics) is in [Serve](serve.md), jobs in [Jobs](jobs.md),
the Python client in [Client](client.md). With API keys every route under `/v1/` wants `Authorization: Bearer KEY` or
`X-API-Key: KEY`.
"""
_WIDTH = 100
_JSON = "application/json"
_NOT_OURS = ("HTTPValidationError", "ValidationError")
"""FastAPI promises these for every path with a name in it; none of ours can be invalid."""


def openapi() -> Schema:
    """Return the description of a server with jobs; no model is loaded for it."""

    def load() -> Any:  # noqa: ANN401 (never called)
        raise NotImplementedError("Nothing is served here.")

    with tempfile.TemporaryDirectory() as folder:
        service = Service(Reference("documented", lambda: "1", load), metrics=Metrics(), threads=1)
        api = create_api(
            service,
            feedback=Feedback.in_file(Path(folder) / "feedback.jsonl"),
            jobs=open_jobs(f"sqlite:///{folder}/jobs.db"),
            classify=classifying(service, log_texts=False),
        )
        return api.openapi()


def http_reference(api: Schema) -> str:
    """Return the page."""
    parts = api["components"]["schemas"]
    routes = [
        _route(f"{method.upper()} {path}", route)
        for path, found in api["paths"].items()
        for method, route in found.items()
    ]
    answers = [_answer(name, parts) for name in sorted(parts) if name not in _NOT_OURS]
    return "\n".join([_HEAD, *routes, "## What is answered", "", *answers])


def _route(title: str, route: Schema) -> str:
    given = [
        (f"`{one['name']}`", one["in"], type_of(one["schema"]), cell(one.get("description", "")))
        for one in route.get("parameters", [])
    ]
    answers = [
        (status, _content(found), cell(_when(found)))
        for status, found in sorted(route["responses"].items())
        if not {name for name, _ in _schemas_of(found)} & set(_NOT_OURS)
    ]
    lines = [f"## `{title}`", "", route["description"], ""]
    lines += table(("parameter", "in", "what it may be", "meaning"), given) if given else []
    lines += _body(route["requestBody"]["content"][_JSON]["schema"]) if "requestBody" in route else []
    return "\n".join([*lines, *table(("status", "body", "when"), answers)])


def _body(schema: Schema) -> list[str]:
    rows = [
        (f"`{key}`", type_of(value), cell(value.get("description", ""))) for key, value in schema["properties"].items()
    ]
    lines = [f"{described(schema)} Unknown keys are refused.", "", *table(("key", "what it may be", "meaning"), rows)]
    return lines + _examples(schema)


def _examples(schema: Schema) -> list[str]:
    return [line for one in schema.get("examples", []) for line in ("```json", _written(one), "```", "")]


def _written(value: object) -> str:
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _WIDTH else json.dumps(value, ensure_ascii=False, indent=2)


def _schemas_of(response: Schema) -> list[tuple[str, str]]:
    return [one for kind in response.get("content", {}).values() for one in reference_of(kind.get("schema", {}))]


def _content(response: Schema) -> str:
    kinds = response.get("content", {})
    plain = (
        [kind for kind, one in kinds.items() if one.get("schema")] or [kind for kind in kinds if kind != _JSON] or kinds
    )
    named = [f"[{name}](#{name.lower()})" for name, _ in _schemas_of(response)]
    return ", ".join(named or [f"`{kind}`" for kind in plain]) or "none"


def _when(response: Schema) -> str:
    text = str(response["description"]).rstrip(".")
    return "Done." if text == "Successful Response" else f"{text}."


def _answer(name: str, parts: Schema) -> str:
    part = parts[name]
    rows = [(f"`{key}`", type_of(value), cell(meaning(value, parts))) for key, value in part["properties"].items()]
    lines = [f"### {name}", "", described(part), "", *table(("key", "what it is", "meaning"), rows), *_examples(part)]
    return "\n".join(lines)
