"""How texts that nobody labelled get labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copydesk.recipe.base import Section


class Weak(Section):
    """Labels by labelling functions instead of people."""

    functions: list[str] = Field([], description="Files of labelling functions (.yaml or .py).")
    votes: Literal["auto", "majority", "dawid_skene"] = Field("auto", description="How votes become probabilities.")
    gold: str | None = Field(None, description="The column of labels that people gave; they outrank the functions'.")
