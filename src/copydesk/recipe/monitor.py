"""The recipe's `monitor` section: what is an alarm, beside drift that is certain and large enough to matter."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from copydesk.recipe.base import Section, as_list


class Monitor(Section):
    """What is an alarm; see docs/monitor.md."""

    max_accuracy_drop: float | None = Field(
        0.05, gt=0, lt=1, description="Expected accuracy may be so much below that of the held-out texts."
    )
    accuracy_floor: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="What accuracy from feedback must reach: the upper end of its interval. Default: that of the "
        "held-out texts, less `max_accuracy_drop`.",
    )
    max_age_days: float | None = Field(365.0, gt=0, description="Days since training, after which a model is too old.")
    max_silence_hours: float | None = Field(24.0, gt=0, description="Hours without any text.")
    ignore: Annotated[list[str], BeforeValidator(as_list)] = Field(
        [], description="Detectors of drift that are shown and do not alarm, e.g. `languages`."
    )
    alarm_after: int = Field(2, ge=1, description="`watch`: so many of the last `alarm_of` windows begin an alarm.")
    alarm_of: int = Field(
        5, ge=1, le=100, description="`watch`: so many last windows count; an alarm ends when none speaks for it."
    )

    @model_validator(mode="after")
    def _after_is_at_most_of(self) -> Monitor:
        if self.alarm_after > self.alarm_of:
            raise ValueError(f"alarm_after is {self.alarm_after}, more than alarm_of, which is {self.alarm_of}")
        return self
