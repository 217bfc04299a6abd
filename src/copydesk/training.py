"""Recipe and data to a bundle: prepare, fit, calibrate, evaluate, write.

Each kind of model is fitted by one function in `FITTERS`; the rest is the same for all. Nothing is written before
everything has worked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from copydesk import __version__
from copydesk.bundle import Bundle, Layout, Settings, write_bundle
from copydesk.card import model_card
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError
from copydesk.evaluate import evaluate, fit_temperature
from copydesk.files import refuse_existing, write_json, write_text
from copydesk.models.base import Model
from copydesk.models.linear import LinearModel
from copydesk.normalise import steps_of
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe
from copydesk.report_page import render_report
from copydesk.runtime.engine import Classifier
from copydesk.tasks import Task, make_task
from copydesk.tracking.follow import tracked
from copydesk.types import Report, Step

BUNDLES = Path("bundles")
OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Fitted:
    """A trained model with how it came to be: what was chosen and why, and its learning curve."""

    model: Model
    training: dict[str, Any] = field(default_factory=dict)
    history: list[Step] = field(default_factory=list)


def train_bundle(
    recipe: Recipe,
    *,
    data: str | PathLike[str] | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Prepare, train, evaluate, and write the bundle to `out` (default: the next free `bundles/NAME-N`)."""
    progress = progress or Silent()
    target = out or next_free(BUNDLES, recipe.name)
    refuse_existing(target)
    dataset = prepare_dataset(recipe, data, progress=progress)
    return train_on(recipe, dataset, target, progress=progress)


def train_on(recipe: Recipe, dataset: Dataset, out: Path, *, progress: Progress) -> Bundle:
    """Train on a prepared Dataset, write the bundle, track the run. Raises `DataError` if there is no test part."""
    if not dataset.part("test")[0]:
        raise DataError("The Dataset has no test rows, so the model could not be evaluated. Raise prepare.split.test.")
    name = str(out.relative_to(BUNDLES)) if out.is_relative_to(BUNDLES) else out.name
    with tracked(recipe, name=name, data=dataset.content_hash(), progress=progress) as run:
        bundle = _train_on(recipe, dataset, out, progress=progress, on_step=run.step)
        run.finish(recipe, bundle.report, [bundle.layout.report, bundle.layout.report_page])
    return bundle


def _train_on(recipe: Recipe, dataset: Dataset, out: Path, *, progress: Progress, on_step: OnStep) -> Bundle:
    task = make_task(recipe.task, dataset.labels)
    started = time.perf_counter()
    fitted = FITTERS[recipe.model.kind](recipe, dataset, task, progress, on_step)
    seconds = time.perf_counter() - started
    classifier = calibrated(recipe, dataset, task, fitted.model)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    progress.say(f"evaluating on {len(dataset.part('test')[0]):,} test texts")
    report = replace(
        evaluate(classifier, *dataset.part("test")),
        training=fitted.training,
        history=fitted.history,
        data=_data_facts(dataset),
        baseline=_baseline(recipe, dataset, task, progress),
        name=recipe.name,
        created=created,
    )

    def fill(layout: Layout) -> Settings:
        fitted.model.save(layout.model)
        megabytes = sum(file.stat().st_size for file in layout.files()) / 1e6
        costs = {**report.costs, "train_seconds": seconds, "bundle_mb": megabytes}
        finished = replace(report, costs=costs, notes=_notes(report))
        write_json(layout.report, finished.to_json())
        write_text(layout.report_page, render_report(finished))
        write_text(layout.card, model_card(recipe, finished, classifier.settings))
        return classifier.settings

    facts = {
        "created": created,
        "copydesk": __version__,
        "data": dataset.content_hash(),
    }
    return write_bundle(out, recipe=recipe, facts=facts, fill=fill)


def calibrated(recipe: Recipe, dataset: Dataset, task: Task, model: Model) -> Classifier:
    """Return the classifier with its temperature fitted on the validation part (1 where there is none)."""
    texts, labels = dataset.part("validation")
    temperature = fit_temperature(task, model.logits(texts), task.encode(labels)) if texts else 1.0
    steps = tuple(dataset.manifest.get("normalise", steps_of(recipe.prepare.normalise)))
    settings = Settings(
        task=task.name,
        labels=task.labels,
        model=model.kind,
        text=tuple(recipe.text),
        normalise=steps,
        temperature=temperature,
    )
    return Classifier(model, settings)


def next_free(folder: Path, name: str) -> Path:
    """Return the first of `folder/name-1`, `-2`, … that does not exist."""
    number = 1
    while (folder / f"{name}-{number}").exists():
        number += 1
    return folder / f"{name}-{number}"


def _fit_linear(
    recipe: Recipe, dataset: Dataset, task: Task, progress: Progress, on_step: OnStep | None = None
) -> Fitted:
    texts, labels = dataset.part("train")
    progress.say(f"fitting the linear model on {len(texts):,} texts")
    model = LinearModel.fit(texts, task.encode(labels), labels=len(task.labels))
    return Fitted(model, {"features": asdict(model.features)})


def _fit_encoder(
    recipe: Recipe, dataset: Dataset, task: Task, progress: Progress, on_step: OnStep | None = None
) -> Fitted:
    from copydesk.models.finetune import fine_tune

    tuned = fine_tune(recipe, dataset, task, progress=progress, on_step=on_step)
    return Fitted(tuned.model, tuned.training, tuned.history)


FITTERS: dict[str, Callable[[Recipe, Dataset, Task, Progress, OnStep | None], Fitted]] = {
    "linear": _fit_linear,
    "encoder": _fit_encoder,
}


def _baseline(recipe: Recipe, dataset: Dataset, task: Task, progress: Progress) -> dict[str, Any] | None:
    """Return the linear model's figures on the same test texts; None for the linear model itself."""
    if recipe.model.kind == "linear":
        return None
    started = time.perf_counter()
    fitted = _fit_linear(recipe, dataset, task, progress)
    seconds = time.perf_counter() - started
    report = evaluate(calibrated(recipe, dataset, task, fitted.model), *dataset.part("test"))
    return {"model": "linear", **report.metrics, "train_seconds": seconds, **report.costs}


def _notes(report: Report) -> list[str]:
    if report.baseline is None or report.metrics["accuracy"] >= report.baseline["accuracy"]:
        return []
    return [
        f"The {report.model} (accuracy {report.metrics['accuracy']:.4f}) LOSES to the linear baseline "
        f"({report.baseline['accuracy']:.4f}). Ship the linear model, or give the {report.model} more data or epochs."
    ]


def _data_facts(dataset: Dataset) -> dict[str, Any]:
    keys = ("sources", "rows_read", "rows", "dropped", "counts", "groups_of_near_copies", "warnings")
    facts = {key: dataset.manifest[key] for key in keys if key in dataset.manifest}
    return {**facts, "content": dataset.content_hash()}
