"""What clients send and get, as pydantic models for the documentation, and the reading of what they send.

Everything is checked here, before a text meets another: what passes can be answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from copydesk.errors import InvalidRequest
from copydesk.types import Text, characters_in

MAX_JOB_TEXTS = 100_000
Model = TypeVar("Model", bound=BaseModel)
_MOST_FAULTS = 20
_MOST_NAMES = 10
_MOST_NAME = 40
_ONE = ("body", "text")


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

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": {"name": "clickbait", "version": "3"},
                    "predictions": [{"id": "3.88b0c59f3b5b3ec7", "label": "clickbait", "score": 0.99987}],
                }
            ]
        }
    )

    model: ServedModel
    predictions: list[dict[str, Any]] = Field(
        description="`single`: `label` and `score`; `multi`: `labels`; `signals`: `signals`, each with `category`, "
        "`score`, `tag` and `intensity`. With `scores=true` every label's in `scores`. `id` is what feedback names."
    )


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

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"detail": [{"loc": ["body", "text"], "msg": "The text is empty.", "type": "text"}]}]
        }
    )

    detail: list[Fault]


class Refusal(BaseModel):
    """Why a request was not answered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"detail": "There is no job '0123'."}]})

    detail: str


def read_texts(body: bytes, columns: Sequence[str], *, most_texts: int, most_chars: int) -> list[Text]:
    """Return the texts of a request's body; `columns` are the ones the model reads.

    Raises `InvalidRequest`: no JSON, nested too deep, an unknown key, both or neither of `text` and `texts`, too many,
    one that is no text, empty or too long, a column that is missing or unknown.
    """
    texts, place = _texts_in(_object_in(body))
    if not texts:
        raise refused(("body", "texts"), "There is no text in it; at least 1 is expected.", "too_short")
    if len(texts) > most_texts:
        message = f"There are {len(texts):,} texts in it; at most {most_texts:,} are taken at once."
        raise refused(("body", "texts"), message, "too_long")
    messages = ((number, fault_in(text, columns, most_chars)) for number, text in enumerate(texts))
    faulty = islice(((number, message) for number, message in messages if message), _MOST_FAULTS)
    is_one = place == _ONE
    faults = [fault(place if is_one else (*place, number), message, "text") for number, message in faulty]
    if faults:
        raise InvalidRequest(faults)
    return texts


def _texts_in(found: dict[str, Any]) -> tuple[list[Any], tuple[str, ...]]:
    """Return what stands where texts should be, and where that is. Faults are told by the first few, not gathered."""
    unknown = [name for name in found if name not in TextsBody.model_fields]
    if unknown:
        extra = "Extra inputs are not permitted."
        raise InvalidRequest([fault(("body", name[:_MOST_NAME]), extra, "extra") for name in unknown[:_MOST_FAULTS]])
    if len(found) != 1:
        raise refused(("body",), "Send either 'text' or 'texts'.", "one_of")
    if "text" in found:
        return [found["text"]], _ONE
    if not isinstance(found["texts"], list):
        raise refused(("body", "texts"), "Input should be a valid array of texts.", "list_type")
    return found["texts"], ("body", "texts")


def read_as(model: type[Model], body: bytes) -> Model:
    """Return a small body as a model. Raises `InvalidRequest` with its first faults.

    Not for a body of megabytes: pydantic collects every fault, and one fault takes a hundred times its place there.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:_MOST_FAULTS]
        raise InvalidRequest([_fault_of(one) for one in found]) from None


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        found = from_json(body, cache_strings=False)
    except ValueError as error:
        raise refused(("body",), f"Invalid JSON: {error}", "json_invalid") from None
    if not isinstance(found, dict):
        raise refused(("body",), "Input should be an object.", "model_type")
    return found


def refused(where: tuple[str | int, ...], message: str, kind: str) -> InvalidRequest:
    """Return the error for one fault of a request."""
    return InvalidRequest([fault(where, message, kind)])


def fault(where: tuple[str | int, ...], message: str, kind: str) -> dict[str, Any]:
    """Return a fault of a request, in the form in which it is told."""
    return {"loc": list(where), "msg": message, "type": kind}


def fault_in(text: object, columns: Sequence[str], most_chars: int) -> str:
    """Return what is wrong with a text of a request; "" for one that can be answered."""
    if isinstance(text, str):
        empty = not text.strip()
    elif not isinstance(text, dict):
        return "Input should be a valid string, or an object of columns."
    else:
        if set(text) != set(columns):
            return f"It has the columns {_listed(text)}; the model reads {_listed(columns)}."
        if not all(isinstance(value, str) for value in text.values()):
            return "Every column should be a valid string."
        empty = not any(value.strip() for value in text.values())
    if empty:
        return "The text is empty."
    size = characters_in(text)
    return f"The text has {size:,} characters; at most {most_chars:,} are read." if size > most_chars else ""


def _listed(names: Mapping[str, str] | Sequence[str]) -> str:
    """Return names in a line that stays short whatever a client sends."""
    shown = ", ".join(name[:_MOST_NAME] for name in sorted(names)[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else shown or "none"


def _fault_of(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return pydantic's fault without the value, which may be large or private, and without its union branches."""
    branches = ("str", "dict[str,str]")
    return {
        "loc": ["body", *(part for part in error["loc"] if part not in branches)],
        "msg": error["msg"],
        "type": error["type"],
    }
