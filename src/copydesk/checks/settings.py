"""`checks.yaml`: limits of a team's own, and signed notes of checks that were done by hand.

    forbidden_columns: [author]        # columns that no text may be made of
    max_age_days: 90                   # how old a model may be in production
    notes:
      - id: model.spec_reviewed
        date: 2026-11-02
        by: Ada Lovelace
        note: Reviewed with Charles, see pull request 12.

A note is half a point for a check that could not be executed; it says nothing about one that failed. It expires, since
what was true of a model half a year ago need not be true of this one.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from copydesk.errors import UsageError
from copydesk.recipe.base import Section
from copydesk.recipe.strict_yaml import read_yaml

VALID_DAYS = 180
"""For so long a note counts."""
FILE = "checks.yaml"


class Note(Section):
    """A check that somebody did by hand: who, when, and what was found."""

    id: str
    date: datetime.date
    by: str = Field(min_length=2, pattern=r"\S")
    note: str = Field(min_length=10, pattern=r"\S")

    def expires(self) -> datetime.date:
        """Return the last day on which it counts."""
        return self.date + datetime.timedelta(days=VALID_DAYS)


class CheckSettings(Section):
    """What a `checks.yaml` may hold."""

    forbidden_columns: list[str] = []
    max_age_days: int = Field(90, ge=1)
    notes: list[Note] = []

    def note_for(self, check: str, today: datetime.date) -> Note | None:
        """Return the newest note of a check that still counts."""
        valid = [note for note in self.notes if note.id == check and today <= note.expires()]
        return max(valid, key=lambda note: note.date, default=None)

    def expired(self, check: str, today: datetime.date) -> Note | None:
        """Return the newest note of a check, if that does not count any more."""
        notes = [note for note in self.notes if note.id == check]
        newest = max(notes, key=lambda note: note.date, default=None)
        return newest if newest is not None and today > newest.expires() else None


def load_settings(path: Path, *, known: list[str], today: datetime.date) -> CheckSettings:
    """Read the file. Raises `UsageError` for an unknown key or check, a wrong value, or a date that has not come."""
    values = read_yaml(path, "Checks file")
    if values is None:
        return CheckSettings()
    try:
        settings = CheckSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"'{path}': {place}: {first['msg']}. See docs/checks.md.") from None
    for note in settings.notes:
        if note.id not in known:
            raise UsageError(f"'{path}': there is no check {note.id!r}. The checks are: {', '.join(known)}.")
        if note.date > today:
            raise UsageError(f"'{path}': the note of {note.id} is dated {note.date}, which has not come yet.")
    return settings
