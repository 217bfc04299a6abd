"""What users say was wrong: checked, then kept in the prediction log, or without one in a file of JSON lines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from copydesk.errors import CopydeskError, DataError, LogUnavailable
from copydesk.files import append_lines
from copydesk.serve.schemas import read_as, refused
from copydesk.tasks import Task
from copydesk.types import Label, Signal, Text, characters_in

LOG = logging.getLogger("copydesk.serve")
_MOST_LABELS = 1_000


class RightSignal(BaseModel):
    """What one category should have been."""

    model_config = ConfigDict(extra="forbid", strict=True)

    category: str
    score: Annotated[float, Field(ge=-1, le=1)]
    tag: str = ""


class FeedbackBody(BaseModel):
    """The right label of a prediction, in the form of the model's task; the text too, if it may be kept."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"id": "0123456789ab.0011223344556677", "label": "news"}]},
    )

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}\.[0-9a-f]{8,64}$", description="The prediction's id.")
    label: str | None = Field(None, description="Task `single`.")
    labels: list[str] | None = Field(None, max_length=_MOST_LABELS, description="Task `multi`.")
    signals: list[RightSignal] | None = Field(None, max_length=_MOST_LABELS, description="Task `signals`.")
    text: Text | None = Field(
        None, description="The text; without it the correction has the text of the log, where that keeps texts."
    )
    comment: str | None = Field(None, max_length=2_000)


class Feedback:
    """Takes corrections; `keep` keeps their lines and raises `CopydeskError` where it cannot."""

    def __init__(self, keep: Callable[[Sequence[Mapping[str, Any]]], None]) -> None:
        self._keep = keep

    @classmethod
    def in_file(cls, path: Path) -> Feedback:
        """Return what keeps corrections in a file of JSON lines."""
        return cls(lambda lines: append_lines(path, lines))

    def add(self, body: bytes, task: Task, *, most_chars: int) -> str:
        """Check and keep a correction; return the version it is about. Raises `InvalidRequest`, `LogUnavailable`."""
        given = read_feedback(body, task, most_chars=most_chars)
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **given}
        try:
            self._keep([line])
        except CopydeskError as error:
            LOG.error("a correction was refused", extra={"fields": {"error": str(error)}})
            raise LogUnavailable("Corrections cannot be kept at the moment. Come again later.") from None
        return str(given["id"]).rpartition(".")[0]


def read_feedback(body: bytes, task: Task, *, most_chars: int) -> dict[str, Any]:
    """Return a correction without what is not given. Raises `InvalidRequest` for a label that the task has not."""
    found = read_as(FeedbackBody, body)
    labels: dict[str, Label | None] = {
        "label": found.label,
        "labels": None if found.labels is None else tuple(found.labels),
        "signals": None
        if found.signals is None
        else tuple(Signal(one.category, one.score, one.tag) for one in found.signals),
    }
    given = {name: label for name, label in labels.items() if label is not None}
    if list(given) != [task.field]:
        raise refused(("body", task.field), f"The task '{task.name}' takes {task.field!r}, and it alone.", "label")
    try:
        task.encode([given[task.field]])
    except DataError as error:
        raise refused(("body", task.field), str(error), "label") from None
    size = characters_in(found.text or "")
    if size > most_chars:
        raise refused(("body", "text"), f"The text has {size:,} characters; at most {most_chars:,} are kept.", "text")
    return found.model_dump(exclude_none=True)
