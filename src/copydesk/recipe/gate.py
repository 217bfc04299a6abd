"""The recipe's `gate` section: what a candidate must reach before it is promoted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copydesk.recipe.base import Section


class AgainstProduction(Section):
    """How a candidate is compared with the model in production."""

    metric: str = "accuracy"
    max_drop: float = Field(0.002, ge=0)
    test: Literal["paired_bootstrap", "mcnemar"] = "paired_bootstrap"


class Gate(Section):
    """What a candidate must reach before it is promoted."""

    floors: dict[str, float] = {}
    against_production: AgainstProduction | None = None
