"""How a finished encoder answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copydesk.recipe.base import Section


class Runtime(Section):
    """What an encoder is turned into after training, to answer without torch."""

    precision: Literal["auto", "fp32", "int8", "none"] = Field(
        "auto", description="`auto`: the fastest that the validation part allows; `none`: not exported, torch answers."
    )
    max_drop: float = Field(0.001, ge=0, lt=1, description="How much of the headline metric speed may cost.")
    min_agreement: float = Field(0.995, ge=0, le=1, description="The least share of texts with the same answer.")
