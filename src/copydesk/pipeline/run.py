"""`copydesk run`: every stage a recipe needs, in order, skipping what is unchanged, going on after any kill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copydesk.bundle import Bundle, open_bundle
from copydesk.data.dataset import Dataset, load_dataset
from copydesk.errors import RecipeError
from copydesk.evaluate import evaluate
from copydesk.models.keywords import KeywordsModel
from copydesk.pipeline.stages import PREPARE, TRAIN, Stage, stages_of
from copydesk.pipeline.state import State, content_of, held_state
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe
from copydesk.training import calibrated, task_of
from copydesk.types import Report


@dataclass(frozen=True)
class Step:
    """One stage as it went: its output, and whether it was there already."""

    stage: str
    output: Path
    unchanged: bool


@dataclass(frozen=True)
class Outcome:
    """What a run ends with; `keywords` is the keyword file's report on the same test texts, if the recipe names one."""

    steps: list[Step]
    bundle: Bundle
    keywords: Report | None

    @property
    def figures(self) -> dict[str, dict[str, float]]:
        """Each kind's metrics on the same test texts: the keywords, the linear baseline, the model itself."""
        report = self.bundle.report
        figures = {"keywords": self.keywords.metrics} if self.keywords else {}
        if report.baseline:
            figures[report.baseline["model"]] = {name: report.baseline[name] for name in report.metrics}
        return {**figures, report.model: report.metrics}

    @property
    def notes(self) -> list[str]:
        """What to know of the figures: the report's notes, and that the keywords do better if they do."""
        report = self.bundle.report
        if self.keywords is None:
            return report.notes
        own, words = report.metrics[report.headline], self.keywords.metrics[report.headline]
        if words <= own:
            return report.notes
        remedy = (
            "It learnt too little from these labels: look at the labelling functions' table, or collect more texts."
        )
        return [*report.notes, f"The keywords do better: {report.headline} {words:.4f} against {own:.4f}. {remedy}"]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        stages = [{"stage": step.stage, "output": str(step.output), "unchanged": step.unchanged} for step in self.steps]
        report = self.bundle.report
        return {
            "bundle": str(self.bundle.path),
            "stages": stages,
            "figures": self.figures,
            "notes": self.notes,
            "report": report.to_json(),
        }


def run_recipe(recipe: Recipe, *, progress: Progress | None = None) -> Outcome:
    """Do every stage that is not done yet. Killed at any moment, the same call goes on where it was.

    Outputs stand where each stage's own command puts them; what is done is noted in `runs/NAME.json`. Raises
    `RecipeError` for a recipe without a source, and what the stages raise.
    """
    progress = progress or Silent()
    steps = run_stages(recipe, progress=progress)
    outputs = {step.stage: step.output for step in steps}
    bundle = open_bundle(outputs["train"], ours=True)
    return Outcome(steps, bundle, _keywords(recipe, load_dataset(outputs["prepare"]), progress))


def run_stages(
    recipe: Recipe, *, data: Path | None = None, until: str = "train", progress: Progress | None = None
) -> list[Step]:
    """Do the stages that are not done yet, as `run_recipe` does, up to one of them.

    With `data`, a file or a prepared Dataset, the first stage is to prepare that.
    """
    if not recipe.source and data is None:
        raise RecipeError(
            f"Recipe '{recipe.name}' has no source, with which a run begins. Add one, such as --set source.url=FILE; "
            "or train on a file alone: copydesk train RECIPE --data FILE."
        )
    stages = stages_of(recipe) if data is None else [PREPARE, TRAIN]
    last = [stage.name for stage in stages].index(until)
    steps: list[Step] = []
    with held_state(recipe.name) as state:
        for stage in stages[: last + 1]:
            steps.append(_step(stage, recipe, steps[-1].output if steps else data, state, progress or Silent()))
    return steps


def _step(stage: Stage, recipe: Recipe, before: Path | None, state: State, progress: Progress) -> Step:
    inputs = stage.inputs(recipe, content_of(before) if before else None)
    done = state.finished(stage.name, inputs)
    if done is not None:
        progress.say(f"{stage.name}: unchanged, {done}")
        return Step(stage.name, done, unchanged=True)
    output = state.begun(stage.name, inputs) or stage.place(recipe)
    progress.say(f"{stage.name}: {output}")
    state.begin(stage.name, inputs, output)
    if content_of(output) is None:  # else it was written to the end, and the kill came before that was noted
        stage.do(recipe, before, output, progress)
    state.finish(stage.name)
    return Step(stage.name, output, unchanged=False)


def _keywords(recipe: Recipe, dataset: Dataset, progress: Progress) -> Report | None:
    if recipe.model.keywords is None or recipe.model.kind == "keywords":
        return None
    progress.say("evaluating the keywords on the same test texts")
    task = task_of(recipe, dataset)
    model = KeywordsModel.from_file(recipe.model.keywords, task)
    return evaluate(calibrated(recipe, dataset, task, model), *dataset.part("test"))
