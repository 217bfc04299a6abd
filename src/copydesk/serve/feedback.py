"""What users say was wrong: one JSON line for each correction, in a file that any tool can read.

A line is written in one call to a file opened for appending, so several processes may write.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from copydesk.errors import DataError
from copydesk.serve.schemas import read_as, refused
from copydesk.tasks import Task
from copydesk.types import Label, Signal, Text, characters_in

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
    text: Text | None = Field(None, description="The text; the server itself keeps none.")
    comment: str | None = Field(None, max_length=2_000)


class Feedback:
    """The file of corrections."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, body: bytes, task: Task, *, most_chars: int) -> str:
        """Check and write a correction; return the version it is about. Raises `InvalidRequest`."""
        given = read_feedback(body, task, most_chars=most_chars)
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **given}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
        finally:
            os.close(file)
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
