"""Which words moved an answer, over HTTP.

An explanation costs up to fifty times what an answer costs, so it takes no place in the queue: one is made at a time,
a few wait, the others are told to come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from copydesk.errors import Overloaded, UsageError
from copydesk.runtime.explain import Explanation, Method, explain
from copydesk.serve.limits import read_body
from copydesk.serve.routes import ANSWER_REFUSALS, body_of
from copydesk.serve.schemas import ServedModel, fault_in, read_as, refused
from copydesk.serve.service import Service
from copydesk.types import Text

MOST_WAITING = 16
_DIGITS = 5


class ExplainBody(BaseModel):
    """One text, and the label that is asked about; without one the answer's own."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"text": "17 Things Only Cat Owners Understand"},
                {"text": "Senate passes the budget", "label": "clickbait"},
            ]
        },
    )

    text: Text = Field(description="A string, or its columns by name where the model reads several.")
    label: str | None = Field(None, description="Why this label, or why not; for signals a category.")


class ExplainedSpan(BaseModel):
    """Characters (Unicode code points) `start` to `end` (exclusive) of the text that was sent, and what they added."""

    start: int
    end: int
    weight: float = Field(description="Positive: speaks for the label (raises the signal's score); negative: against.")
    column: str = Field("", description="The column they stand in, where the text was sent in columns.")


class ExplainedLabel(BaseModel):
    """Which words moved one label; with an exact method all weights and `base` add up to `value`."""

    label: str
    rival: str | None = Field(description="The strongest other label, where labels exclude each other.")
    method: Method
    exact: bool
    value: float = Field(description="The label's logit, less the rival's.")
    base: float | None = Field(description="What is there without any word.")
    spans: list[ExplainedSpan]
    stage: str | None = Field(description="The model of a cascade that answered.")


class Explanations(BaseModel):
    """An explanation for each label of the answer; none for an answer without labels."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": {"name": "clickbait", "version": "3"},
                    "explanations": [
                        {
                            "label": "clickbait",
                            "rival": "news",
                            "method": "leave_out",
                            "exact": False,
                            "value": 16.1,
                            "base": None,
                            "spans": [{"start": 0, "end": 2, "weight": 8.06}, {"start": 3, "end": 9, "weight": 1.11}],
                            "stage": None,
                        }
                    ],
                }
            ]
        }
    )

    model: ServedModel
    explanations: list[ExplainedLabel]


def explain_routes(service: Service) -> APIRouter:
    """Return `POST /v1/explain`."""
    routes = APIRouter(tags=["explain"])
    one_at_a_time = asyncio.Semaphore(1)
    waiting = 0

    @routes.post(
        "/v1/explain",
        responses=ANSWER_REFUSALS,
        response_model=Explanations,
        openapi_extra=body_of(ExplainBody),
    )
    async def explain_one(request: Request) -> Response:
        """Tell which words of one text moved the answer."""
        nonlocal waiting
        limits = service.limits
        body = await read_body(request, most_bytes=limits.one_text_bytes, timeout_s=limits.body_timeout_s)
        served = service.served
        classifier = served.classifier
        asked = read_question(body, classifier.settings.text, most_chars=limits.text_chars)
        if waiting >= MOST_WAITING:
            raise Overloaded(f"{waiting} explanations are waited for. Come again in a moment.")
        waiting += 1
        try:
            async with one_at_a_time:
                found = await asyncio.to_thread(explain, classifier, asked.text, asked.label)
        except UsageError as error:
            raise refused(("body", "label"), str(error), "label") from None
        finally:
            waiting -= 1
        version = {"name": served.version.name, "version": served.version.version}
        return Response(
            to_json({"model": version, "explanations": [_to_json(one) for one in found]}), media_type="application/json"
        )

    return routes


def read_question(body: bytes, columns: Sequence[str], *, most_chars: int) -> ExplainBody:
    """Return what a request asks. Raises `InvalidRequest` for a text that `POST /v1/classify` would not take either."""
    asked = read_as(ExplainBody, body)
    if fault := fault_in(asked.text, columns, most_chars):
        raise refused(("body", "text"), fault, "text")
    return asked


def _to_json(found: Explanation) -> dict[str, Any]:
    spans = [
        {
            "start": span.start,
            "end": span.end,
            "weight": round(span.weight, _DIGITS),
            **({"column": span.column} if span.column else {}),
        }
        for span in found.spans
    ]
    return {
        "label": found.label,
        "rival": found.rival or None,
        "method": found.method,
        "exact": found.is_exact,
        "value": found.value,
        "base": found.base,
        "spans": spans,
        "stage": found.stage or None,
    }
