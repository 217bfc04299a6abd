"""Suites of behavioural tests as people write them, in YAML.

    language: en                      of templates and texts; what a change knows of a language goes by it
    lists: {dish: [soup, pizza]}      words by name, for slots and for changes
    protect: [dish, delicious]        words, or lists of them, that typing mistakes leave alone
    python: [more.py]                 functions that yield cases; never read from a bundle
    behaviours:
      plain praise:
        templates: ["The {dish} was {good}."]
        slots: {good: [great, perfect]}
        expect: liked
      typing mistakes:
        data: true                    real texts that are handed in; or only those with some labels: [liked]
        change: [typo]
      praise helps:
        texts: [We ate here., It is in the old town.]
        change: [{append: [I loved it., Perfect!]}]
        moves: {score_of: liked, to: up}

It knows what such a file may say and what it may not; no model, and no labels but a recipe's categories.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from copydesk.behaviour.cases import DEFAULT_TOLERANCE, Kind
from copydesk.errors import RecipeError
from copydesk.recipe.base import Section, as_list
from copydesk.recipe.mistakes import parsed
from copydesk.recipe.strict_yaml import read_yaml

Text = str | dict[str, str]
"""One text, or its columns by name."""
Listed = Annotated[list[str], BeforeValidator(as_list)]


class _Written(Section):
    """Numbers stand for their digits: labels and slots may be numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class WantedSignal(_Written):
    """A category that must be present, with the sign and the tag that it must have, if any."""

    category: str
    sign: Literal["positive", "negative"] | None = None
    tag: str = ""


def _wanted_list(value: Any) -> Any:  # noqa: ANN401 (YAML may hold anything here; pydantic judges the result)
    return value if isinstance(value, dict) and value.keys() & {"has", "lacks"} else {"has": as_list(value)}


class Expect(_Written):
    """What the answer has, and what it has not."""

    has: Annotated[list[str | WantedSignal], BeforeValidator(as_list)] = []
    lacks: Listed = []

    @model_validator(mode="after")
    def _says_something(self) -> Expect:
        if not self.has and not self.lacks:
            raise ValueError("nothing is expected; name a label, or `has` and `lacks`")
        return self


class Moves(_Written):
    """Where a label's score goes when the text is changed."""

    score_of: str
    to: Literal["up", "down"]
    tolerance: float = Field(DEFAULT_TOLERANCE, ge=0, le=2)
    at_least: float = Field(0.0, ge=0, le=2)

    @model_validator(mode="after")
    def _one_limit(self) -> Moves:
        if self.at_least and "tolerance" in self.model_fields_set:
            raise ValueError(
                "`tolerance` lets a score go the wrong way, `at_least` makes it go the right one; keep one"
            )
        return self


class Behaviour(_Written):
    """One behaviour: where its texts come from, what is done to them, and what must come out."""

    capability: str = ""
    about: str = ""
    templates: Annotated[list[Text], BeforeValidator(as_list)] = []
    slots: dict[str, Listed] = {}
    texts: Annotated[list[Text], BeforeValidator(as_list)] = []
    data: bool | Listed = False
    pairs: list[tuple[Text, Text]] = []
    change: Annotated[list[str | dict[str, Any]], BeforeValidator(as_list)] = []
    expect: Annotated[Expect, BeforeValidator(_wanted_list)] | None = None
    moves: Moves | None = None
    teach: Any = None
    required: float = Field(0.9, ge=0, le=1)
    cases: int = Field(200, ge=1, le=10_000)
    seed: int = 0

    @property
    def kind(self) -> Kind:
        """Which kind of test it is."""
        return "MFT" if self.expect else "DIR" if self.moves else "INV"

    @model_validator(mode="after")
    def _can_be_asked(self) -> Behaviour:
        for wrong, message in self._mistakes():
            if wrong:
                raise ValueError(message)
        return self

    def _mistakes(self) -> list[tuple[bool, str]]:
        based = bool(self.templates or self.texts or self.data)
        return [
            (not based and not self.pairs, "it has no texts: give templates, texts, pairs, or data: true"),
            (bool(self.slots) and not self.templates, "`slots` go with templates"),
            (self.expect is not None and self.moves is not None, "`expect` and `moves` exclude each other"),
            (
                self.expect is not None and bool(self.change or self.pairs or self.data),
                "`expect` goes with templates and texts alone; change, pairs and data are for the other kinds",
            ),
            (bool(self.pairs) and bool(based or self.change), "`pairs` stand alone: both texts of a pair are written"),
            (
                self.expect is None and not self.change and not self.pairs,
                "nothing is asked: give `expect`, or a `change` after which the answer stays (or `moves`)",
            ),
        ]


class SuiteFile(Section):
    """A suite. `behaviours` are checked one by one."""

    language: str = "en"
    lists: dict[str, Annotated[list[Any], BeforeValidator(as_list)]] = {}
    protect: Listed = []
    negations: Listed = Field([], description="Negation words of a language that Copydesk knows none of.")
    python: Listed = []
    behaviours: dict[str, Any] = {}


def read_suite_file(path: str | Path) -> tuple[SuiteFile, dict[str, Behaviour]]:
    """Read a suite. Raises `RecipeError` naming the place that is wrong."""
    value = read_yaml(path, "Behaviours file", references=False)  # it may stand in a bundle
    if not isinstance(value, dict):
        raise RecipeError(f"Behaviours file '{path}' holds {type(value).__name__}, not a mapping with `behaviours`.")
    said = parsed(SuiteFile, value, f"Behaviours file '{path}'")
    if not said.behaviours and not said.python:
        raise RecipeError(f"Behaviours file '{path}' holds no behaviours.")
    return said, _behaviours(said.behaviours, path)


def _behaviours(written: Mapping[str, Any], path: str | Path) -> dict[str, Behaviour]:
    where = f"Behaviours file '{path}', behaviours"
    return {str(name): parsed(Behaviour, value, f"{where}.{name}") for name, value in written.items()}
