"""What was said of answers: one JSON line each, as the server writes them, to values and to a table.

The same form whoever said it: users through `POST /v1/feedback`, or an import (`feedback_file.py`), which adds `chance`
and `via`. A line is kept for ever and never changed: of several about one answer the last counts. It does not know
whether what was said is true.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.types import Label, Signal, Text

Field = Literal["label", "labels", "signals"]
"""The form of the right answer: that of the task `single`, `multi`, `signals`."""
SERVER = "server"
CORRECTIONS: dict[str, pl.DataType] = {
    "at": pl.Datetime("us", "UTC"),
    "id": pl.String(),
    "field": pl.String(),
    "labels": pl.List(pl.String()),
    "scores": pl.List(pl.Float32()),
    "tags": pl.List(pl.String()),
    "text": pl.String(),
    "comment": pl.String(),
    "chance": pl.Float64(),
    "via": pl.String(),
}
"""`labels` are what would have been right, or the categories of which something is said, with `scores` and `tags`."""


@dataclass(frozen=True)
class Correction:
    """What somebody said would have been right for the answer `id`: that may be what was answered.

    `chance` is the probability with which the text was drawn for somebody to look at; None where nobody drew it, but
    a user spoke up or it was picked for being doubtful. `via` is `server` or the name of the file it came in.
    """

    at: datetime
    id: str
    field: Field
    label: Label
    text: Text | None = None
    comment: str = ""
    chance: float | None = None
    via: str = SERVER

    @property
    def version(self) -> str:
        """The version that answered."""
        return self.id.rpartition(".")[0]

    def to_json(self) -> dict[str, Any]:
        """Return the line's value, without what does not apply."""
        label: Any = self.label
        if self.field == "signals":
            label = [{"category": one.category, "score": one.score, "tag": one.tag} for one in self.label]  # type: ignore[union-attr]
        values = {"at": self.at.isoformat(timespec="milliseconds"), "id": self.id, self.field: label}
        others = {"text": self.text, "comment": self.comment, "chance": self.chance}
        via = {} if self.via == SERVER else {"via": self.via}
        return values | {name: value for name, value in others.items() if value not in (None, "")} | via


@dataclass(frozen=True)
class Read:
    """The corrections that some lines hold, and how many lines hold none, by reason."""

    corrections: list[Correction] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def read_corrections(path: Path, only: Field | None = None) -> Read:
    """Read a file of lines; one that is not there holds none. With `only`, lines of other tasks are left out."""
    if not path.is_file():
        return Read()
    return corrections_in(path.read_text("utf-8", "replace").split("\n"), only)


def corrections_in(lines: Iterable[str], only: Field | None = None) -> Read:
    """Return what lines hold. The last one may be half-written, or about to be."""
    found = Read()
    for line in lines:
        if not line.strip():
            continue
        correction = _read(line)
        if correction is None:
            found.left_out["not readable"] += 1
        elif only not in (None, correction.field):
            found.left_out["of another task"] += 1
        else:
            found.corrections.append(correction)
    return found


def table_of(corrections: Sequence[Correction]) -> pl.DataFrame:
    """Return corrections as a table with the columns `CORRECTIONS`, in their order."""
    names, scores, tags = zip(*map(_parts, corrections), strict=True) if corrections else ((), (), ())
    columns = {
        "at": [one.at for one in corrections],
        "id": [one.id for one in corrections],
        "field": [one.field for one in corrections],
        "labels": names,
        "scores": scores,
        "tags": tags,
        "text": [_joined(one.text) for one in corrections],
        "comment": [one.comment for one in corrections],
        "chance": [one.chance for one in corrections],
        "via": [one.via for one in corrections],
    }
    return pl.DataFrame(columns, schema=CORRECTIONS)


def latest(corrections: pl.DataFrame) -> pl.DataFrame:
    """Return one row an answer: what was said last, and the chance with which it was ever drawn."""
    drawn = corrections.drop_nulls("chance").unique("id", keep="last").select("id", drawn="chance")
    last = corrections.sort("at", maintain_order=True).unique("id", keep="last", maintain_order=True)
    return last.join(drawn, on="id", how="left", maintain_order="left").with_columns(chance="drawn").drop("drawn")


def _read(line: str) -> Correction | None:
    """Return what a line holds, or None where it is half a line or something else."""
    try:
        value = json.loads(line)
        form = next(name for name in get_args(Field) if value.get(name) is not None)
        chance = value.get("chance")
        return Correction(
            at=_time(value["at"]),
            id=_text(value["id"]),
            field=form,
            label=_READERS[form](value[form]),
            text=value.get("text"),
            comment=str(value.get("comment") or ""),
            chance=None if chance is None else float(chance),
            via=str(value.get("via") or SERVER),
        )
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
        return None


def _time(value: str) -> datetime:
    at = datetime.fromisoformat(value)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _names(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(sorted({_text(value) for value in values}))


def _signals(values: Iterable[Mapping[str, Any]]) -> tuple[Signal, ...]:
    return tuple(
        sorted(Signal(_text(one["category"]), float(one["score"]), _text(one.get("tag") or "")) for one in values)
    )


_READERS: dict[str, Any] = {"label": _text, "labels": _names, "signals": _signals}


def _parts(correction: Correction) -> tuple[list[str], list[float], list[str]]:
    """Return the names of a right answer, and of signals their scores and tags."""
    if isinstance(correction.label, str):
        return [correction.label], [], []
    signals = [one for one in correction.label if isinstance(one, Signal)]
    names = [one.category if isinstance(one, Signal) else one for one in correction.label]
    return names, [one.score for one in signals], [one.tag for one in signals]


def _joined(text: Text | None) -> str | None:
    return COLUMN_SEPARATOR.join(text.values()) if isinstance(text, dict) else text
