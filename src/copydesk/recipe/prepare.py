"""How raw rows become a Dataset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from copydesk.errors import RecipeError
from copydesk.normalise import steps_of
from copydesk.recipe.base import Section, Share, as_list


class Split(Section):
    """How rows are divided into training, validation and test."""

    validation: Share = Field(0.1, description="Share of rows for early stopping, calibration and thresholds.")
    test: Share = Field(0.1, description="Share of rows that only the final evaluation sees.")
    by: Literal["group", "row", "time"] = Field(
        "group", description="`group`: similar texts go to the same part; `time`: the newest rows are the test part."
    )
    time: str | None = Field(None, description="The column with dates or times, for `by: time`.")
    column: str | None = Field(None, description="The column that names each row's part, if the split is given.")
    leaks: Literal["report", "drop"] = Field(
        "report", description="Texts that stand on both sides of a given split: `drop` leaves out the training side's."
    )
    similarity: float = Field(0.6, gt=0.5, le=1.0, description="From which Jaccard similarity texts form a group.")

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Split:
        if self.validation + self.test >= 0.9:
            raise ValueError(
                f"validation + test is {self.validation + self.test:g}; at most 0.9 leaves rows to train on"
            )
        if (self.by == "time") != (self.time is not None):
            raise ValueError("`by: time` and `time: COLUMN` belong together; one of them is missing")
        if self.by == "time" and self.column is not None:
            raise ValueError("`by: time` and `column` exclude each other: the parts are either made or given")
        return self


class Prepare(Section):
    """From raw rows to a Dataset."""

    normalise: str | list[str] = Field("web", description="A preset (`web`, `none`) or a list of steps.")
    dedupe: Literal["near", "exact", "none"] = Field("near", description="Which copies of a text are dropped.")
    near_threshold: float = Field(0.8, gt=0.5, le=1.0, description="A near-copy shares this much (Jaccard, 4-grams).")
    conflicts: Literal["majority", "drop"] = Field("majority", description="For one text under several labels.")
    max_chars: int = Field(100_000, gt=0, description="Longer texts are left out, and counted.")
    max_labels: int = Field(1_000, gt=1, description="More distinct labels are taken for a mistaken column.")
    min_support: int = Field(1, ge=1, description="Labels with fewer rows are left out, and named (task `multi`).")
    reviewed: Annotated[list[str], BeforeValidator(as_list)] = Field(
        [], description="Review files with decisions: their labels replace the data's, dropped texts are left out."
    )
    lessons: Annotated[list[str], BeforeValidator(as_list)] = Field(
        [], description="Files of rows for the training part alone, such as suggestions that repair a behaviour."
    )
    corrections: Annotated[list[str], BeforeValidator(as_list)] = Field(
        [], description="Review files of texts from production (`copydesk retrain`): they join, the split stays."
    )
    repeat_corrections: int = Field(
        3, ge=1, le=100, description="So often a corrected text stands in the training part."
    )
    split: Split = Split()
    resample: Literal["none", "median_undersample", "mltl"] = Field(
        "none", description="How the training part, and only it, is balanced (task `multi`)."
    )

    @field_validator("normalise")
    @classmethod
    def _known_steps(cls, value: str | list[str]) -> str | list[str]:
        try:
            steps_of(value)
        except RecipeError as error:
            raise ValueError(str(error).removeprefix("prepare.normalise: ")) from None
        return value
