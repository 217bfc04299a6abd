"""Recipe and data to a bundle: prepare, fit, calibrate, evaluate, write.

Each kind of model is fitted by its own function (`fitting.py`); the rest is the same for all. The bundle is written
when everything has worked; until then a run lives in its work folder (`models/checkpoints.py`).
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from copydesk import __version__
from copydesk.behaviour.load import read_written
from copydesk.bundle import BUNDLES, Bundle, Layout, Settings, open_bundle, write_bundle
from copydesk.bundle_store import BundleStore
from copydesk.card import model_card
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.data.trained_on import sketch
from copydesk.errors import CopydeskError, DataError, UsageError
from copydesk.evaluate import Answered, evaluate, fit_temperature, report_of
from copydesk.files import refuse_existing, write_json, write_text
from copydesk.fitting import FITTERS, Fitted, Run, fit_linear
from copydesk.labelling.slice_rules import slice_functions, slice_rules
from copydesk.models import distributed
from copydesk.models.base import Model
from copydesk.models.checkpoints import Work
from copydesk.normalise import steps_of
from copydesk.packages import installed_packages
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe, override
from copydesk.registry.references import opened
from copydesk.report_page import render_report
from copydesk.runs.claim import claimed_work
from copydesk.runs.curve import thinned
from copydesk.runs.same import run_key
from copydesk.runtime.engine import Classifier
from copydesk.slices import slices_of
from copydesk.tasks import Task, make_task
from copydesk.tracking.follow import tracked
from copydesk.training_reference import traffic_of, write_reference
from copydesk.types import Report


def train_bundle(
    recipe: Recipe,
    *,
    data: str | PathLike[str] | None = None,
    out: Path | str | None = None,
    checkpoints: str | None = None,
    resume: bool = False,
    trace: Path | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Prepare, train, evaluate, and write the bundle to `out` (default: the next free `bundles/NAME-N`).

    With an address for `out` it is uploaded there, and stays in `bundles/NAME-N` too; a run that has put it there
    already does nothing. With `resume`, the run that was last begun and not finished (for `out`, if it is given) goes
    on from its last checkpoint; with an address for `checkpoints`, the same run wherever it was begun. `trace` is a
    file for a profile of a few steps.
    """
    progress = progress or Silent()
    store = BundleStore(str(out)) if "://" in str(out) else None
    folder = None if out is None or store else Path(out)
    if folder is not None:
        refuse_existing(folder)
    _require_readable(recipe)
    dataset = prepare_dataset(recipe, data, progress=progress)
    if store is not None and _is_there(store, run_key(recipe, dataset)):
        progress.say(f"{store.url} is there already, of this recipe and data")
        return opened(store.url)
    with claimed_work(recipe, dataset, folder, resume=resume, progress=progress, checkpoints=checkpoints) as work:
        _require_seen(work, store)
        return train_on(recipe, dataset, work.bundle, run=Run(progress, work, trace), store=store)


def _is_there(store: BundleStore, run: str) -> bool:
    return distributed.from_leader(lambda: "there" if store.begin(run) else "") == "there"


def _require_seen(work: Work, store: BundleStore | None) -> None:
    """Raise `UsageError` if this process would not see the bundle that the leading one writes."""
    if store is None and not distributed.is_leader() and not work.lock_file.exists():
        raise UsageError(
            f"This machine does not see '{work.root}' of the leading one. Give --out and --checkpoints as addresses "
            "(gs://…, s3://…), or work in a folder that all machines see."
        )


def train_on(recipe: Recipe, dataset: Dataset, out: Path, *, run: Run, store: BundleStore | None = None) -> Bundle:
    """Train on a prepared Dataset, write the bundle, track the run. Raises `DataError` if there is no test part.

    With a `store` the bundle is uploaded, too. Of several processes that train together the leader writes, uploads and
    tracks; all return the bundle.
    """
    _require_readable(recipe)
    if not dataset.part("test")[0]:
        raise DataError("The Dataset has no test rows, so the model could not be evaluated. Raise prepare.split.test.")
    name = str(out.relative_to(BUNDLES)) if out.is_relative_to(BUNDLES) else out.name
    with tracked(recipe, name=name, data=dataset.content_hash(), progress=run.progress) as record:
        bundle = _train_on(recipe, dataset, out, replace(run, on_step=record.step), store)
        record.finish(recipe, bundle.report, [bundle.layout.report, bundle.layout.report_page])
    return bundle


def _require_readable(recipe: Recipe) -> None:
    """Raise if behavioural tests or traffic cannot be read: sooner than after the training.

    Raises `RecipeError`, `SourceError`, `DataError`.
    """
    traffic_of(recipe)
    if recipe.behaviours is not None:
        read_written(recipe.behaviours, recipe)  # no Python: the recipe may be a bundle's


def _train_on(recipe: Recipe, dataset: Dataset, out: Path, run: Run, store: BundleStore | None) -> Bundle:
    task = task_of(recipe, dataset)
    started = time.perf_counter()
    fitted = FITTERS[recipe.model.kind](recipe, dataset, task, run)
    seconds = time.perf_counter() - started
    if distributed.is_leader():
        write_fitted(recipe, dataset, out, fitted, seconds=seconds, progress=run.progress)
        if store is not None:
            _upload(out, store, run.progress)
    distributed.wait_for_all()
    return open_bundle(out, ours=True) if store is None or out.is_dir() else opened(store.url)


def _upload(out: Path, store: BundleStore, progress: Progress) -> None:
    progress.say(f"uploading '{out}' to {store.url}")
    try:
        store.upload(open_bundle(out, ours=True))
    except CopydeskError as error:
        raise CopydeskError(
            f"{error} The bundle is whole in '{out}'. The same command trains again, with --checkpoints only from the "
            "last one, and uploads that."
        ) from None


def write_fitted(
    recipe: Recipe, dataset: Dataset, out: Path, fitted: Fitted, *, seconds: float, progress: Progress
) -> None:
    """Calibrate and evaluate a model that took so long to train, and write its bundle."""
    task = task_of(recipe, dataset)
    if fitted.task is None:
        classifier = calibrated(recipe, dataset, task, fitted.model)
    else:
        classifier = _classifier(recipe, dataset, fitted.task, fitted.model)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    progress.say(f"evaluating on {len(dataset.part('test')[0]):,} test texts")
    slices = slices_of(
        dataset.part("test")[0],
        sources=dataset.sources("test"),
        rules=[*slice_rules(recipe), *slice_functions(recipe, progress)],
    )
    answered = Answered.by(classifier, *dataset.part("test"))
    report = replace(
        report_of(classifier, answered, weak=dataset.weak_rows("test"), slices=slices),
        training=fitted.training,
        history=thinned(fitted.history),
        data=_data_facts(dataset),
        baseline=_baseline(recipe, dataset, task, progress),
        name=recipe.name,
        created=created,
    )

    def fill(layout: Layout) -> Settings:
        fitted.model.save(layout.model)
        sketch(dataset.part("train")[0], dataset.part("validation")[0]).save(layout.training_texts)
        write_reference(recipe, classifier, answered, dataset.part("train")[0], layout)
        if fitted.history:
            write_json(layout.history, [asdict(step) for step in fitted.history])
        megabytes = sum(file.stat().st_size for file in layout.files()) / 1e6
        costs = {**report.costs, "train_seconds": seconds, "bundle_mb": megabytes}
        finished = replace(report, costs=costs, notes=[*fitted.notes, *_notes(report)])
        write_json(layout.report, finished.to_json())
        write_text(layout.report_page, render_report(finished))
        write_text(layout.card, model_card(recipe, finished, classifier.settings))
        if recipe.behaviours is not None:
            shutil.copyfile(recipe.behaviours, layout.behaviours)
        return classifier.settings

    facts = {
        "created": created,
        "copydesk": __version__,
        "data": dataset.content_hash(),
        "packages": installed_packages(),
    }
    separator = dataset.manifest.get("separator")  # so that `auto` is not decided anew for every file
    kept = override(recipe, {"separator": separator} if separator else {})
    if recipe.behaviours is not None:
        kept = kept.model_copy(update={"behaviours": Layout(out).behaviours.name})  # the copy beside it
    write_bundle(out, recipe=kept, facts=facts, fill=fill)


def calibrated(recipe: Recipe, dataset: Dataset, task: Task, model: Model) -> Classifier:
    """Return the classifier with temperature and thresholds fitted on the validation part, if there is one."""
    texts, labels = dataset.part("validation")
    temperature = 1.0
    if texts:
        logits, targets = model.logits(texts), task.encode(labels)
        temperature = fit_temperature(task, logits, targets)
        task = task.decided(task.scores(logits, temperature), targets)
    return _classifier(recipe, dataset, task, model, temperature)


def _classifier(recipe: Recipe, dataset: Dataset, task: Task, model: Model, temperature: float = 1.0) -> Classifier:
    steps = tuple(dataset.manifest.get("normalise", steps_of(recipe.prepare.normalise)))
    settings = Settings(
        task=task.name,
        labels=task.labels,
        model=model.kind,
        text=tuple(recipe.text),
        normalise=steps,
        temperature=temperature,
        categories={category: tuple(recipe.categories[category]) for category in recipe.categories},
        decision=task.decision,
    )
    return Classifier(model, settings)


def task_of(recipe: Recipe, dataset: Dataset) -> Task:
    """Return the recipe's task over the Dataset's labels, without thresholds yet."""
    return make_task(recipe.task, dataset.labels, decision=recipe.decide.decision(), categories=recipe.categories)


def _baseline(recipe: Recipe, dataset: Dataset, task: Task, progress: Progress) -> dict[str, Any] | None:
    """Return the linear model's figures on the same test texts; None for the linear model itself."""
    if recipe.model.kind == "linear":
        return None
    started = time.perf_counter()
    fitted = fit_linear(recipe, dataset, task, Run(progress))
    seconds = time.perf_counter() - started
    report = evaluate(calibrated(recipe, dataset, task, fitted.model), *dataset.part("test"))
    return {"model": "linear", **report.metrics, "train_seconds": seconds, **report.costs}


def _notes(report: Report) -> list[str]:
    headline = report.headline
    if report.baseline is None or report.metrics[headline] >= report.baseline[headline]:
        return report.notes
    lost = (
        f"The {report.model} ({headline} {report.metrics[headline]:.4f}) LOSES to the linear baseline "
        f"({report.baseline[headline]:.4f}). Ship the linear model, or give the {report.model} more data or epochs."
    )
    return [lost, *report.notes]


def _data_facts(dataset: Dataset) -> dict[str, Any]:
    keys = ["sources", "rows_read", "rows", "rows_by_part", "dropped", "counts", "groups_of_near_copies", "warnings"]
    keys += [
        "rare_labels",
        "unseen_labels",
        "resampled",
        "separator",
        "weak_rows_by_part",
        "leaks",
        "reviewed",
        "newest_text",
        "corrections",
    ]
    facts = {key: dataset.manifest[key] for key in keys if key in dataset.manifest}
    return {**facts, "content": dataset.content_hash()}
