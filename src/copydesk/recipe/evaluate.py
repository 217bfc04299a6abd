"""The recipe's `evaluate` section: the parts of the test texts that are looked at on their own."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from copydesk.recipe.base import Section, as_list


class SliceRule(Section):
    """The texts in which any of these words, or any of these regular expressions, is found."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    words: Annotated[list[str], BeforeValidator(as_list)] = Field(
        [], description="Words and phrases; case does not count."
    )
    regex: Annotated[list[str], BeforeValidator(as_list)] = Field([], description="Regular expressions.")

    @model_validator(mode="after")
    def _one_kind_of_evidence(self) -> SliceRule:
        if bool(self.words) == bool(self.regex):
            raise ValueError("a slice has either words or regex")
        return self


class Evaluate(Section):
    """Slices beside those by length, language and source; see docs/evaluate.md."""

    slices: dict[str, SliceRule] = Field({}, description="Rules by name. They go into the bundle with the recipe.")
    functions: Annotated[list[str], BeforeValidator(as_list)] = Field(
        [],
        description="Files of labelling functions (.yaml or .py), relative to the recipe: where one votes is a slice. "
        "They are asked when the model is trained, and do not go into the bundle.",
    )
