"""What a server's answers hold, as frozen values; keys that a newer server adds are ignored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from copydesk.errors import ServiceError
from copydesk.types import Job, ModelVersion, Prediction

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Answer(Prediction):
    """A prediction with its `id`, for feedback, and the model that gave it.

    During a change of versions the answers of one long list may come from two models.
    """

    id: str
    model: ModelVersion


@dataclass(frozen=True)
class Limits:
    """How much a server takes at once."""

    max_text_chars: int
    max_batch_texts: int
    max_job_texts: int


@dataclass(frozen=True)
class Headline:
    """The metric a model is compared by, on its test part, with its 95 % interval."""

    metric: str
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class ServedModel:
    """A model that a server answers with; `report` is the path of its report's page."""

    name: str
    version: str
    task: str
    labels: list[str]
    text: list[str]
    limits: Limits
    kind: str = ""
    created: str = ""
    headline: Headline | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    tested_on: int = 0
    report: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Health:
    """Whether a server's process lives, and whether it takes requests; `reason` is what it says when it does not."""

    alive: bool
    ready: bool
    reason: str = ""


@dataclass(frozen=True)
class _Answered:
    model: ModelVersion
    predictions: list[dict[str, Any]]


@dataclass(frozen=True)
class _Models:
    models: list[ServedModel]


def read_answers(body: bytes) -> list[Answer]:
    """Return the answers of a body with `model` and `predictions`. Raises `ServiceError`."""
    found = _read(_Answered, body)
    return _checked(list[Answer], [{**one, "model": found.model} for one in found.predictions])


def read_models(body: bytes) -> list[ServedModel]:
    """Return the served models. Raises `ServiceError`."""
    return _read(_Models, body).models


def read_job(body: bytes | str) -> Job:
    """Return a job's state; all texts of one that succeeded are done. Raises `ServiceError`."""
    job = _read(Job, body)
    return replace(job, done=job.texts) if job.status == "succeeded" else job


def is_job(body: bytes) -> bool:
    """Tell whether a body is a job's state."""
    try:
        read_job(body)
    except ServiceError:
        return False
    return True


def _read(kind: type[T], body: bytes | str) -> T:
    try:
        return TypeAdapter(kind).validate_json(body)
    except ValidationError as error:
        raise _strange(error) from None


def _checked(kind: type[T], value: Any) -> T:  # noqa: ANN401 (decoded JSON)
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise _strange(error) from None


def _strange(error: ValidationError) -> ServiceError:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return ServiceError(
        f"The server's answer is not one of Copydesk's: {place + ': ' if place else ''}{first['msg']}. "
        "Check the address, and that server and client are of one version."
    )
