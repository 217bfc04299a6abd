"""Search over hyper-parameters: trials on the training part, judged on the validation part, kept in a study file.

The first trial is what `auto` chooses; only settings that the recipe leaves `auto` are searched. A trial that is worse
than most others at the same quarter of its schedule is given up. The test part is never looked at, so the winner's
figure here is flattering: it is the best of many on the same texts; `copydesk train` measures it honestly.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import CopydeskError, DataError, EncoderError, Terminated, UsageError
from copydesk.files import new_folder, next_free, refuse_existing, write_json, write_text
from copydesk.progress import Advance, Progress, Silent
from copydesk.recipe import Recipe, override
from copydesk.tasks import preference
from copydesk.training import task_of
from copydesk.tuning.findings import QUARTERS, SEARCHED, Tuning, by_quarter, settings_of, told
from copydesk.tuning.page import render_tuning
from copydesk.tuning.study import as_in, counted, judged_by, open_study, searched_keys, space_around, tuning_of
from copydesk.types import Step

if TYPE_CHECKING:
    from optuna import Study, Trial

TUNINGS, STUDIES = Path("tunings"), Path("studies")
JUDGED_TEXTS = 2_000
"""Fine-tuning looks at so many validation texts at most."""

OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Trained:
    """What one training tells the search: the settings it really used, and how many layers the encoder has."""

    choices: dict[str, Any]
    layers: int


Train = Callable[[Recipe, OnStep], Trained]


def tune_recipe(
    recipe: Recipe,
    *,
    data: str | PathLike[str] | None = None,
    trials: int | None = None,
    out: Path | None = None,
    storage: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Tuning, Path]:
    """Search until the study holds `trials` trials, and write what was found to a folder; return both.

    Running it again continues the study. Raises `UsageError` if there is nothing to tune or the study is another's.
    """
    progress = progress or Silent()
    wanted = trials if trials is not None else recipe.tune.trials
    folder = out or next_free(TUNINGS, recipe.name)
    refuse_existing(folder)
    _refuse_nothing(recipe, wanted)
    dataset = prepare_dataset(recipe, data, progress=progress)
    if not dataset.part("validation")[0]:
        raise DataError("The Dataset has no validation rows to judge trials by. Raise prepare.split.validation.")
    path = storage or STUDIES / f"{recipe.name}.db"
    tuning = search(recipe, dataset, path, trials=wanted, train=_trainer(recipe, dataset, progress), progress=progress)
    _write(tuning, folder)
    return tuning, folder


def search(recipe: Recipe, dataset: Dataset, storage: Path, *, trials: int, train: Train, progress: Progress) -> Tuning:
    """Run trials until the study in the file `storage` holds so many, and return what it holds."""
    content = dataset.content_hash()
    study = open_study(storage, recipe, {"data": content, "recipe": judged_by(recipe)})
    if not study.trials:
        _first_trial(study, recipe, train, progress)
    started = time.monotonic()
    while len(counted(study)) < trials and not _out_of_time(recipe, time.monotonic() - started, progress):
        try:
            _next_trial(study, recipe, train, progress, trials=trials)
        except (KeyboardInterrupt, Terminated):
            progress.warn(f"{len(counted(study))} trials are kept in '{storage}'; the same command continues there.")
            raise
    texts = min(len(dataset.part("validation")[0]), JUDGED_TEXTS)
    return tuning_of(
        study, recipe, storage, data=content, metric=task_of(recipe, dataset).headline, validation_texts=texts
    )


@dataclass
class _Watch:
    """Follows one trial's evaluations; `seen` holds epoch, quality and loss of each."""

    judge: Callable[[list[tuple[float, float]]], None] = lambda points: None
    seen: list[tuple[float, float, float]] = field(default_factory=list)

    def __call__(self, step: Step) -> None:
        if step.validation_quality is not None and step.validation_loss is not None:
            self.seen.append((step.epoch, step.validation_quality, step.validation_loss))
            self.judge([(epoch, preference(quality, loss)) for epoch, quality, loss in self.seen])

    def facts(self, epochs: float, seconds: float) -> dict[str, Any]:
        """Return what is kept of the trial beside its parameters and its value."""
        curve = [(min(epoch / epochs, 1.0), quality) for epoch, quality, _ in self.seen]
        _, quality, loss = max(self.seen, key=lambda point: preference(point[1], point[2]), default=(0, None, None))
        return {"quality": quality, "loss": loss, "curve": curve, "seconds": round(seconds, 2)}

    def best(self) -> float:
        """Return the value of the best evaluation, whose weights a training keeps."""
        return max(preference(quality, loss) for _, quality, loss in self.seen)


def _first_trial(study: Study, recipe: Recipe, train: Train, progress: Progress) -> None:
    """Train with the recipe as it is; what `auto` chose becomes trial 0, and the search goes around it."""
    from optuna.trial import create_trial

    progress.say("trial 0: what auto chooses")
    watch, started = _Watch(), time.perf_counter()
    trained = train(recipe, watch)
    searched = searched_keys(recipe)
    space = space_around(trained.choices, trained.layers, searched)
    params = {key: as_in(space[key], trained.choices[key]) for key in searched}
    epochs = float(trained.choices["epochs"])
    facts = watch.facts(epochs, time.perf_counter() - started)
    values = by_quarter([(epoch / epochs, preference(quality, loss)) for epoch, quality, loss in watch.seen])
    study.set_user_attr("precision", trained.choices["precision"])
    study.add_trial(
        create_trial(
            params=params,
            distributions=space,
            value=watch.best(),
            intermediate_values=values,
            user_attrs={"facts": facts},
        )
    )
    progress.say(f"trial 0: {told(params)}: quality {facts['quality']:.4f} in {facts['seconds']:.0f} s")


def _next_trial(study: Study, recipe: Recipe, train: Train, progress: Progress, *, trials: int) -> None:
    """Ask for settings, train with them, and tell how it went; a trial that fails is one more result."""
    from optuna import TrialPruned
    from optuna.trial import TrialState

    trial = study.ask(study.trials[0].distributions)
    settings = settings_of(trial.params)
    place = f"trial {trial.number} ({len(counted(study)) + 1} of {trials})"
    progress.say(f"{place}: {told(settings)}")
    epochs = float(settings.get("epochs", recipe.train.epochs))
    watch, started = _Watch(_Pruner(trial, epochs)), time.perf_counter()
    keys = {f"train.{key}": value for key, value in settings.items()}
    reason: str | None = None
    try:
        train(override(recipe, {**keys, "train.precision": study.user_attrs["precision"]}), watch)
    except TrialPruned:
        state, line = TrialState.PRUNED, "given up, worse than most at this point"
    except (UsageError, EncoderError, Terminated):
        study.tell(trial, state=TrialState.FAIL)
        raise
    except CopydeskError as error:
        reason = str(error)
        state, line = TrialState.FAIL, f"failed: {reason}"
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    else:
        state, line = TrialState.COMPLETE, ""
    facts = watch.facts(epochs, time.perf_counter() - started)
    trial.set_user_attr("facts", {**facts, "error": reason})
    study.tell(trial, watch.best() if state == TrialState.COMPLETE else None, state=state)
    progress.say(f"{place}: {line or _standing(study, facts)}")


@dataclass
class _Pruner:
    """Reports every new quarter's value and gives the trial up where most others were better."""

    trial: Trial
    epochs: float
    reported: int = 0

    def __call__(self, points: Sequence[tuple[float, float]]) -> None:
        from optuna import TrialPruned

        quarters = by_quarter([(epoch / self.epochs, value) for epoch, value in points])
        last = max(quarters, default=0)
        if last == self.reported:
            return
        self.trial.report(quarters[last], last)
        self.reported = last
        if last < QUARTERS and self.trial.should_prune():
            raise TrialPruned


def _standing(study: Study, facts: Mapping[str, Any]) -> str:
    best = study.best_trial
    return (
        f"quality {facts['quality']:.4f} in {facts['seconds']:.0f} s; "
        f"best so far: {best.user_attrs['facts']['quality']:.4f} (trial {best.number})"
    )


def _refuse_nothing(recipe: Recipe, trials: int) -> None:
    if recipe.model.kind != "encoder":
        raise UsageError(
            f"A model of the kind '{recipe.model.kind}' has nothing to tune. Use --set model.kind=encoder."
        )
    if trials < 1:
        raise UsageError("How many trials? Give --trials N, or tune.trials in the recipe.")
    if not searched_keys(recipe):
        raise UsageError(
            f"The recipe sets everything that could be searched ({', '.join(SEARCHED)}). Leave some of them 'auto'."
        )


def _out_of_time(recipe: Recipe, seconds: float, progress: Progress) -> bool:
    minutes = recipe.tune.timeout_minutes
    over = minutes is not None and seconds >= 60 * minutes
    if over:
        progress.warn(f"No further trial is begun: tune.timeout_minutes ({minutes:g}) are over.")
    return over


def _trainer(recipe: Recipe, dataset: Dataset, progress: Progress) -> Train:
    """Return the function that fine-tunes once on the Dataset's training part."""
    from copydesk.models.finetune import fine_tune

    task = task_of(recipe, dataset)

    def train(recipe: Recipe, on_step: OnStep) -> Trained:
        tuned = fine_tune(recipe, dataset, task, progress=_BarsOnly(progress), on_step=on_step)
        config = tuned.model.network.body.config
        trained = Trained(tuned.training["choices"], int(getattr(config, "num_hidden_layers", 0)))
        del tuned
        gc.collect()  # a trial's weights must be gone before the next one loads its own
        return trained

    return train


class _BarsOnly:
    """Passes on bars and warnings; what each training would say of its settings is the search's to say."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def say(self, line: str) -> None:
        pass

    def warn(self, line: str) -> None:
        self._progress.warn(line)

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        with self._progress.track(what, total, unit) as advance:
            yield advance


def _write(tuning: Tuning, folder: Path) -> None:
    best = {"train": tuning.attempt(tuning.best).settings}
    with new_folder(folder) as temporary:
        write_json(temporary / "trials.json", tuning.to_json())
        write_text(temporary / "best.yaml", yaml.safe_dump(best, sort_keys=False))
        write_text(temporary / "report.html", render_tuning(tuning))
