"""What clients send and get, as pydantic models for the documentation, and the reading of what they send.

Everything is checked here, before a text meets another: what passes can be answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from copydesk.errors import InvalidRequest

Text = str | dict[str, str]
"""One text, or its columns by name."""
MAX_JOB_TEXTS = 100_000
_MOST_FAULTS = 20
_MOST_NAMES = 10
_MOST_NAME = 40


class TextsBody(BaseModel):
    """One text or several; either `text` or `texts`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "oneOf": [{"required": ["text"]}, {"required": ["texts"]}],
            "examples": [
                {"text": "17 Things Only Cat Owners Understand"},
                {"texts": ["Senate passes the budget", "You won't believe what happened next"]},
            ],
        },
    )

    text: Text = Field("", description="One text: a string, or its columns by name where the model reads several.")
    texts: list[Text] = Field(
        [], description="Several texts, answered in this order.", json_schema_extra={"minItems": 1}
    )


class ServedModel(BaseModel):
    """Which model answered."""

    name: str
    version: str


class Answers(BaseModel):
    """A prediction for each text, in order; what one holds is the task's to say."""

    model: ServedModel
    predictions: list[dict[str, Any]]


class ModelLimits(BaseModel):
    """What one request may hold."""

    max_text_chars: int
    max_batch_texts: int
    max_job_texts: int


class Headline(BaseModel):
    """The metric the model is compared by, on its test part."""

    metric: str
    value: float
    interval: tuple[float, float] | None


class ModelFacts(ServedModel):
    """What is known of the served version."""

    task: str
    labels: list[str]
    tags: dict[str, list[str]] = Field(description="Task `signals`: each category's tags.")
    text: list[str] = Field(description="The text columns it reads.")
    kind: str
    created: str
    headline: Headline | None
    metrics: dict[str, float]
    tested_on: int
    limits: ModelLimits
    report: str | None = Field(description="Where its report is.")
    notes: list[str]


class Models(BaseModel):
    """The models served here."""

    models: list[ModelFacts]


class Readiness(BaseModel):
    """Whether requests should be sent here, and if not, why."""

    status: str


class Fault(BaseModel):
    """Where a request is wrong, and how."""

    loc: list[str | int]
    msg: str
    type: str


class Invalid(BaseModel):
    """What is wrong with a request."""

    detail: list[Fault]


class Refusal(BaseModel):
    """Why a request was not answered."""

    detail: str


def read_texts(body: bytes, columns: Sequence[str], *, most_texts: int, most_chars: int) -> list[Text]:
    """Return the texts of a request's body; `columns` are the ones the model reads.

    Raises `InvalidRequest`: no JSON, nested too deep, an unknown key, both or neither of `text` and `texts`, too many,
    one that is no text, empty or too long, a column that is missing or unknown.
    """
    try:
        found = TextsBody.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest([fault_of(one) for one in error.errors(include_url=False)[:_MOST_FAULTS]]) from None
    given = found.model_fields_set
    if len(given) != 1:
        raise refused(("body",), "Send either 'text' or 'texts'.", "one_of")
    if "text" in given:
        texts, places = [found.text], [("body", "text")]
    else:
        texts = found.texts
        places = [("body", "texts", place) for place in range(len(texts))]  # type: ignore[misc]
    if not texts:
        raise refused(("body", "texts"), "There is no text in it; at least 1 is expected.", "too_short")
    if len(texts) > most_texts:
        message = f"There are {len(texts):,} texts in it; at most {most_texts:,} are taken at once."
        raise refused(("body", "texts"), message, "too_long")
    faults = []
    for text, place in zip(texts, places, strict=True):
        fault = fault_in(text, columns, most_chars)
        if fault:
            faults.append({"loc": list(place), "msg": fault, "type": "text"})
            if len(faults) == _MOST_FAULTS:
                break
    if faults:
        raise InvalidRequest(faults)
    return texts


def refused(where: tuple[str | int, ...], message: str, kind: str) -> InvalidRequest:
    """Return the error for one fault of a request."""
    return InvalidRequest([{"loc": list(where), "msg": message, "type": kind}])


def fault_in(text: Text, columns: Sequence[str], most_chars: int) -> str:
    """Return what is wrong with a text of a request; "" for one that can be answered."""
    if isinstance(text, str):
        size, empty = len(text), not text.strip()
    else:
        if set(text) != set(columns):
            return f"It has the columns {_listed(text)}; the model reads {_listed(columns)}."
        size, empty = sum(map(len, text.values())), not any(value.strip() for value in text.values())
    if empty:
        return "The text is empty."
    return f"The text has {size:,} characters; at most {most_chars:,} are read." if size > most_chars else ""


def _listed(names: Mapping[str, str] | Sequence[str]) -> str:
    """Return names in a line that stays short whatever a client sends."""
    shown = ", ".join(name[:_MOST_NAME] for name in sorted(names)[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else shown or "none"


def fault_of(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return pydantic's fault without the value, which may be large or private, and without its union branches."""
    branches = ("str", "dict[str,str]")
    return {
        "loc": ["body", *(part for part in error["loc"] if part not in branches)],
        "msg": error["msg"],
        "type": error["type"],
    }
