"""Where raw texts come from: files, and GDELT's index of the world's news."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from copydesk.recipe.base import Section, as_list

Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "lines"]

GDELT = "https://api.gdeltproject.org/api/v2/doc/doc"
_NAME = re.compile(r"[^\W\d_][^\d_\"()<>:]*")


class SourceFile(Section):
    """One file of raw texts."""

    url: str = Field(
        description="A path, relative to the recipe, or an https, hf, kaggle, s3 or gs address; gzip is unpacked."
    )
    format: Format = Field("auto", description="`auto` goes by the file name; `lines` is one text per line.")
    label: str | None = Field(None, description="The label of every text in this file, if it has no label column.")
    part: Literal["train", "validation", "test"] | None = Field(
        None, description="The part that this file's rows belong to, if the split is given."
    )
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="The file's pinned SHA-256, checked.")
    quoting: bool | None = Field(None, description="Whether double quotes enclose fields; default: csv yes, tsv no.")
    encoding: str = Field("auto", description="`auto`: UTF-8, or what a byte-order mark says; e.g. `windows-1252`.")

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, value: str) -> str:
        try:
            "".encode("utf-8" if value == "auto" else value)
        except LookupError:
            raise ValueError(f"{value!r} is no text encoding; known are utf-8, utf-16, windows-1252 …") from None
        return value


def _as_date(value: Any) -> Any:  # noqa: ANN401 (YAML may hold anything here)
    """Refuse what only looks like a date: pydantic takes 20260131 for seconds since 1970."""
    written = value.isoformat() if isinstance(value, date) else value
    if not isinstance(written, str) or not re.match(r"\d{4}-\d\d-\d\d", written):
        raise ValueError(f"{value!r} is not a date such as 2026-01-31, or a time such as 2026-01-31T12:00")
    return written


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Names = Annotated[list[str], BeforeValidator(as_list)]
Moment = Annotated[
    datetime,
    BeforeValidator(_as_date),
    AfterValidator(_as_utc),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d"}),
]


class Gdelt(Section):
    """A search in GDELT's index of the world's news: titles, addresses and dates of articles, without their text."""

    query: str = Field(
        "", description='Words, "phrases", (one OR other), -not, and GDELT\'s operators (theme:, domain:).'
    )
    countries: Names = Field([], description="Only media of these countries, by English name: Sweden, United Kingdom.")
    languages: Names = Field([], description="Only articles in these languages, by English name: Swedish, English.")
    since: Moment = Field(description="The first day or moment (UTC).")
    until: Moment = Field(description="The day or moment (UTC) before which it ends.")
    window_hours: float = Field(
        24, ge=0.25, description="How much time one request covers; halved where news is dense."
    )
    seconds_per_request: float = Field(5, ge=0, description="The least pause between requests; GDELT asks for 5.")
    endpoint: str = Field(GDELT, pattern=r"^https?://[^/]+", description="Another address of the same service.")

    @field_validator("countries", "languages")
    @classmethod
    def _are_names(cls, names: list[str], info: ValidationInfo) -> list[str]:
        example, code = ("Sweden", 3) if info.field_name == "countries" else ("Swedish", 2)
        for name in names:
            if len(name) <= code:  # in GDELT's code (FIPS) SE is the Seychelles and SW is Sweden
                raise ValueError(f"{name!r} is a code, and GDELT's are not the usual ones; write a name like {example}")
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a name such as {example}")
        return names

    @model_validator(mode="after")
    def _asks_for_something(self) -> Gdelt:
        if not (self.query.strip() or self.countries or self.languages):
            raise ValueError("nothing is asked for; give a query, countries or languages")
        if self.since >= self.until:
            raise ValueError(f"since ({self.since:%Y-%m-%d %H:%M}) is not before until ({self.until:%Y-%m-%d %H:%M})")
        return self


class GdeltSource(Section):
    """News that `copydesk collect` gathers from GDELT."""

    gdelt: Gdelt


def _kind_of(value: Any) -> str:  # noqa: ANN401 (YAML may hold anything here)
    is_gdelt = isinstance(value, GdeltSource) or (isinstance(value, dict) and "gdelt" in value)
    return GdeltSource.__name__ if is_gdelt else SourceFile.__name__


Source = Annotated[
    Annotated[SourceFile, Tag(SourceFile.__name__)] | Annotated[GdeltSource, Tag(GdeltSource.__name__)],
    Discriminator(_kind_of),
]
"""Told apart by the key `gdelt`, so that a mistake in one kind is not reported as a mistake in the other."""
