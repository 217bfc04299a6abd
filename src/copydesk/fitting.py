"""One function per kind of model: recipe and Dataset to a model, with how it came to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copydesk.cascade.build import build_cascade, kind_of, require_enough
from copydesk.cascade.distil import distil
from copydesk.data.dataset import Dataset
from copydesk.errors import CascadeRefused, RecipeError
from copydesk.models import distributed
from copydesk.models.base import Model
from copydesk.models.checkpoints import Work
from copydesk.models.compiled import CompiledModel
from copydesk.models.keywords import KeywordsModel
from copydesk.models.linear import LinearModel
from copydesk.models.targets import training_targets
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.tasks import Task
from copydesk.types import Step

if TYPE_CHECKING:
    from copydesk.models.finetune import Tuned

NO_KEYWORDS = "The kind 'keywords' needs a keyword file: model.keywords in the recipe."


@dataclass(frozen=True)
class Fitted:
    """A trained model with how it came to be: what was chosen and why, its learning curve, what a reader must know.

    `task` has its thresholds where the model's outputs are calibrated already.
    """

    model: Model
    training: dict[str, Any] = field(default_factory=dict)
    history: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    task: Task | None = None


@dataclass(frozen=True)
class Run:
    """What goes on beside a training: where checkpoints and a profile go, and who listens."""

    progress: Progress
    work: Work | None = None
    trace: Path | None = None
    on_step: Callable[[Step], None] | None = None


def fit_linear(recipe: Recipe, dataset: Dataset, task: Task, run: Run) -> Fitted:
    """Fit the linear model."""
    texts = dataset.part("train")[0]
    targets = training_targets(dataset, task, soft=recipe.train.probabilities)
    run.progress.say(f"fitting the linear model on {len(texts):,} texts")
    balanced = recipe.train.class_weights == "balanced"
    model = LinearModel.fit(texts, targets.columns, task, heads=targets.heads, balanced=balanced)
    return Fitted(model, {"features": asdict(model.features), **targets.facts()})


def _fit_encoder(recipe: Recipe, dataset: Dataset, task: Task, run: Run) -> Fitted:
    from copydesk.models.finetune import fine_tune

    tuned = fine_tune(recipe, dataset, task, progress=run.progress, work=run.work, trace=run.trace, on_step=run.on_step)
    if not distributed.is_leader():
        return Fitted(tuned.model, tuned.training, tuned.history)
    return compiled(recipe, dataset, task, tuned, progress=run.progress)


def compiled(recipe: Recipe, dataset: Dataset, task: Task, tuned: Tuned, *, progress: Progress) -> Fitted:
    """Return the encoder in the form that shall answer (`recipe.runtime`), and what was measured to choose it."""
    from copydesk.runtime.compile import compile_encoder

    texts, labels = dataset.part("validation")
    model = compile_encoder(tuned.model, task, texts, task.encode(labels), recipe.runtime, progress=progress)
    facts = {"runtime": model.compiled.facts} if isinstance(model, CompiledModel) else {}
    return Fitted(model, {**tuned.training, **facts}, tuned.history)


def _fit_cascade(recipe: Recipe, dataset: Dataset, task: Task, run: Run) -> Fitted:
    require_enough(dataset, recipe.runtime.max_drop)
    second = _fit_encoder(recipe, dataset, task, run)
    if not distributed.is_leader():
        return second
    try:
        return cascaded(recipe, dataset, task, second, progress=run.progress)
    except CascadeRefused as refused:
        return replace(second, notes=[f"{refused} This is the {second.model.kind} alone."])


def cascaded(
    recipe: Recipe, dataset: Dataset, task: Task, second: Fitted, *, first: Model | None = None, progress: Progress
) -> Fitted:
    """Put a first stage before a trained model; without `first`, one that learns from it. Raises `CascadeRefused`."""
    kind_of(task)
    learnt = {}
    if first is None:
        distilled = distil(recipe, dataset, task, second.model, progress=progress)
        first, learnt = distilled.model, {"first_stage": distilled.facts}
    built = build_cascade(dataset, task, first, second.model, max_drop=recipe.runtime.max_drop, progress=progress)
    training = {**second.training, **learnt, "cascade": built.facts}
    return Fitted(built.model, training, second.history, task=built.task)


def _fit_keywords(recipe: Recipe, dataset: Dataset, task: Task, run: Run) -> Fitted:
    if recipe.model.keywords is None:
        raise RecipeError(NO_KEYWORDS)
    return Fitted(KeywordsModel.from_file(recipe.model.keywords, task))


FITTERS: dict[str, Callable[[Recipe, Dataset, Task, Run], Fitted]] = {
    "linear": fit_linear,
    "encoder": _fit_encoder,
    "cascade": _fit_cascade,
    "keywords": _fit_keywords,
}
