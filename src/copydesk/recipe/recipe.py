"""The recipe itself: its sections together, and which keys fit which task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from copydesk.recipe.base import Section, as_list
from copydesk.recipe.evaluate import Evaluate
from copydesk.recipe.gate import Gate, gate_mistakes
from copydesk.recipe.model import Decide, Model, Track, Train, Tune
from copydesk.recipe.monitor import Monitor
from copydesk.recipe.prepare import Prepare
from copydesk.recipe.rules import Rules
from copydesk.recipe.runtime import Runtime
from copydesk.recipe.serve import Serve
from copydesk.recipe.source import Source, SourceFile
from copydesk.recipe.weak import Weak

NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""What a name must be: it becomes a folder, a registry's entry, a metric's label."""


class Recipe(Section):
    """Everything one classifier is made of."""

    name: str = Field(pattern=NAME, description="Names the bundle and the registry entry.")
    task: Literal["single", "multi", "signals"] = Field(
        "single", description="`single`: one of K labels; `multi`: any subset; `signals`: a score and a tag each."
    )
    source: Annotated[list[Source], BeforeValidator(as_list)] = []
    text: Annotated[list[str], BeforeValidator(as_list)] = Field(
        ["text"], min_length=1, description="The text column, or several; the first is the encoder's first segment."
    )
    label: str = Field("label", description="The label column.")
    separator: str = Field("auto", min_length=1, description="What parts several labels written in one string.")
    aliases: str | None = Field(None, description="A file of old label names and the names they became.")
    categories: dict[str, list[str]] = Field({}, description="Task `signals`: each category's tags.")
    unlisted: Literal["unknown", "absent"] = Field(
        "unknown", description="What a category is in a text that does not list it (task `signals`)."
    )
    weak: Weak = Weak()
    rules: Rules = Rules()
    prepare: Prepare = Prepare()
    model: Model = Model()
    decide: Decide = Decide()
    train: Train = Train()
    track: Track = Track()
    tune: Tune = Tune()
    runtime: Runtime = Runtime()
    evaluate: Evaluate = Evaluate()
    behaviours: str | None = Field(None, description="A file of behavioural tests, relative to the recipe.")
    gate: Gate = Gate()
    serve: Serve = Serve()
    monitor: Monitor = Monitor()

    @model_validator(mode="after")
    def _label_is_no_text(self) -> Recipe:
        for key, column in (("label", self.label), ("weak.gold", self.weak.gold)):
            if column in self.text:
                raise ValueError(f"{key}: {column!r} is also a text column; the model would read its own answer")
        return self

    @model_validator(mode="after")
    def _keys_fit_the_task(self) -> Recipe:
        problems = [message for wrong, message in _misfits(self) if wrong] + gate_mistakes(self.gate, self.task)
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _misfits(recipe: Recipe) -> list[tuple[bool, str]]:
    """Return for every key that fits only some recipes whether it is out of place, and what to say then."""
    task, multi = recipe.task, recipe.task == "multi"
    given, split = any(isinstance(source, SourceFile) and source.part for source in recipe.source), recipe.prepare.split
    return [
        (given and split.by == "time", "`part` in source and prepare.split.by 'time' exclude each other"),
        (given and split.column is not None, "`part` in source and prepare.split.column both give a split; keep one"),
        (task == "signals" and not recipe.categories, "task 'signals' needs `categories`, each with its tags"),
        (task != "signals" and bool(recipe.categories), "`categories` is for task 'signals'"),
        (task != "signals" and recipe.unlisted != "unknown", "`unlisted` is for task 'signals'"),
        (not multi and recipe.prepare.resample != "none", "prepare.resample is for task 'multi'"),
        (not multi and recipe.prepare.min_support > 1, "prepare.min_support is for task 'multi'"),
        (not multi and recipe.decide.min_labels > 0, "decide.min_labels is for task 'multi'"),
        (not multi and recipe.train.loss in ("focal", "asymmetric"), f"train.loss {recipe.train.loss} is for 'multi'"),
        (task == "signals" and recipe.decide.abstain_below > 0, "decide.abstain_below is not for task 'signals'"),
        (task == "signals" and recipe.train.class_weights != "none", "train.class_weights is not for task 'signals'"),
        (task == "signals" and recipe.aliases is not None, "aliases are for the tasks 'single' and 'multi'"),
        (task == "signals" and bool(recipe.weak.labels), "weak.labels is not for task 'signals', which has categories"),
        (task == "signals" and recipe.model.kind == "cascade", "model.kind 'cascade' is not for task 'signals'"),
        (recipe.model.kind == "keywords" and not recipe.model.keywords, "model.kind 'keywords' needs model.keywords"),
    ]
