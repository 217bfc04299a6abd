"""How a model is made quick for use."""

from __future__ import annotations

from pydantic import Field

from copydesk.recipe.base import Section


class Runtime(Section):
    """What quickness may cost."""

    max_drop: float = Field(
        0.001, gt=0, lt=1, description="How much quality may fall at most, as a share of the texts."
    )
