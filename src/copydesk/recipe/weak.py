"""How texts that nobody labelled get labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from copydesk.recipe.base import Section, as_list


class Weak(Section):
    """Labels by labelling functions instead of people; see docs/label.md."""

    functions: Annotated[list[str], BeforeValidator(as_list)] = Field(
        [], description="Files of labelling functions (.yaml or .py), relative to the recipe."
    )
    votes: Literal["auto", "majority", "dawid_skene"] = Field("auto", description="How votes become probabilities.")
    labels: list[str] = Field([], description="The labels there are; default: those that labelling files name.")
    gold: str | None = Field(None, description="The column of labels that people gave; they outrank the functions'.")
