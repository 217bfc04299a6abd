"""Where raw texts come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from copydesk.recipe.base import Section

Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "lines"]


class SourceFile(Section):
    """One file of raw texts."""

    url: str = Field(
        description="A path, relative to the recipe, or an https, hf, kaggle, s3 or gs address; gzip is unpacked."
    )
    format: Format = Field("auto", description="`auto` goes by the file name; `lines` is one text per line.")
    label: str | None = Field(None, description="The label of every text in this file, if it has no label column.")
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
