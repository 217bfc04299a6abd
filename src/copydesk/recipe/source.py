"""Where raw texts come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copydesk.recipe.base import Section

Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "lines"]


class SourceFile(Section):
    """One file of raw texts."""

    url: str = Field(description="A path (relative to the recipe) or any fsspec URL; a final .gz is unpacked.")
    format: Format = Field("auto", description="`auto` goes by the file name; `lines` is one text per line.")
    label: str | None = Field(None, description="The label of every text in this file, if it has no label column.")
    part: Literal["train", "validation", "test"] | None = Field(
        None, description="The part that this file's rows belong to, if the split is given."
    )
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="The file's pinned SHA-256, checked.")
    quoting: bool | None = Field(None, description="Whether double quotes enclose fields; default: csv yes, tsv no.")
