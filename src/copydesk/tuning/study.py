"""The study: trials in an SQLite file that outlives the command, by Optuna."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copydesk.errors import MissingExtra, UsageError
from copydesk.files import writing
from copydesk.recipe import Recipe
from copydesk.tuning.findings import SEARCHED, Attempt, State, Tuning, chance_difference, settings_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

_BATCHES = (128, 256, 512, 1024)
_RANDOM_TRIALS = 6
"""So many trials are random before the sampler trusts its model of the good ones."""
_UNPRUNED_TRIALS = 3
"""So many trials are finished before any is given up."""
_UNPRUNED_QUARTERS = 2
"""Before half of its schedule a trial is not given up: a high learning rate leads early, and not always in the end."""


def open_study(storage: Path, recipe: Recipe, facts: Mapping[str, Any]) -> Study:
    """Open or begin the study in a file. Raises `UsageError` for another's study or a file that is none."""
    try:
        import optuna
        from sqlalchemy.exc import DatabaseError
    except ImportError:
        raise MissingExtra("copydesk tune", "train", "optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with writing(storage):
        storage.parent.mkdir(parents=True, exist_ok=True)
    try:
        database = optuna.storages.RDBStorage(f"sqlite:///{storage.absolute()}")
        study = optuna.create_study(storage=database, study_name=recipe.name, direction="maximize", load_if_exists=True)
        study.sampler = optuna.samplers.TPESampler(
            seed=recipe.train.seed + len(study.trials), n_startup_trials=_RANDOM_TRIALS
        )
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED_TRIALS, n_warmup_steps=_UNPRUNED_QUARTERS)
        _claim(study, storage, facts)
    except (DatabaseError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"'{storage}' cannot be used as a study: {reason}. Choose another --storage.") from None
    return study


def _claim(study: Study, storage: Path, facts: Mapping[str, Any]) -> None:
    """Refuse a study of another recipe or Dataset, and end what a killed process left running."""
    from optuna.trial import TrialState

    for key, what in (("data", "another Dataset"), ("recipe", "other settings of the recipe")):
        if study.user_attrs.get(key, facts[key]) != facts[key]:
            raise UsageError(
                f"The study '{storage}' was made with {what}. Choose another --storage, or remove the file."
            )
        study.set_user_attr(key, facts[key])
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def counted(study: Study) -> list[Any]:
    """Return the trials that came to an end; one that was interrupted has no facts, and does not count."""
    return [trial for trial in study.get_trials(deepcopy=False) if "facts" in trial.user_attrs]


def tuning_of(study: Study, recipe: Recipe, storage: Path, *, data: str, metric: str, validation_texts: int) -> Tuning:
    """Return what the study holds."""
    attempts = [_attempt(trial) for trial in counted(study)]
    best = study.best_trial
    space = study.trials[0].distributions
    kept = recipe.train.model_dump(include=set(SEARCHED) - set(space))
    return Tuning(
        name=recipe.name,
        study=str(storage),
        data=data,
        validation_texts=validation_texts,
        ranges={key: _ends(distribution) for key, distribution in space.items()},
        attempts=attempts,
        best=best.number,
        importance=_importance(study, recipe.train.seed),
        noise=chance_difference(best.user_attrs["facts"]["quality"], validation_texts),
        metric=metric,
        kept={**kept, "precision": study.user_attrs["precision"]},
    )


def _attempt(trial: Any) -> Attempt:  # noqa: ANN401 (optuna's FrozenTrial, whose parameters may be anything)
    states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    facts = trial.user_attrs["facts"]
    curve = [(share, quality) for share, quality in facts["curve"]]
    return Attempt(trial.number, states[trial.state.name], settings_of(trial.params), **{**facts, "curve": curve})


def _importance(study: Study, seed: int) -> dict[str, float]:
    """Return each setting's share of the differences (fANOVA, Hutter et al. 2014); nothing from under four trials.

    Trials that were given up count with the best they had reached: without them only good settings would be compared.
    """
    from optuna import create_study
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    measured = [(trial, trial.user_attrs["facts"]["quality"]) for trial in counted(study)]
    known = [(trial, quality) for trial, quality in measured if quality is not None]
    if len(known) < 4 or len({quality for _, quality in known}) < 2:
        return {}
    everything = create_study(direction="maximize")
    for trial, quality in known:
        everything.add_trial(create_trial(params=trial.params, distributions=trial.distributions, value=quality))
    found = get_param_importances(everything, evaluator=FanovaImportanceEvaluator(seed=seed))
    return {key: float(value) for key, value in found.items() if math.isfinite(value)}


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        return float(min(choices)), float(max(choices))
    return float(getattr(distribution, "low", 0)), float(getattr(distribution, "high", 0))


def as_in(distribution: BaseDistribution, value: Any) -> Any:  # noqa: ANN401 (a parameter's own type)
    """Return a chosen value as the distribution takes it."""
    from optuna.distributions import IntDistribution

    return round(value) if isinstance(distribution, IntDistribution) else value


def searched_keys(recipe: Recipe) -> list[str]:
    """Return which settings the recipe leaves to choose."""
    given = recipe.train.model_dump()
    return [key for key in SEARCHED if given[key] == "auto"]


def judged_by(recipe: Recipe) -> dict[str, Any]:
    """Return the part of the recipe that a trial's quality depends on, beside the data."""
    return recipe.model_dump(mode="json", include={"task", "model", "train"})


def space_around(choices: Mapping[str, Any], layers: int, searched: Sequence[str]) -> dict[str, BaseDistribution]:
    """Return what is searched: wide ranges that hold what `auto` chose."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    rate, batch = float(choices["learning_rate"]), int(choices["batch_tokens"])
    everything: dict[str, BaseDistribution] = {
        "learning_rate": FloatDistribution(min(3e-5, rate / 3), min(max(2e-3, rate * 3), 0.5), log=True),
        "batch_tokens": CategoricalDistribution(sorted({*_BATCHES, batch})),
        "epochs": IntDistribution(1, max(8, math.ceil(choices["epochs"]))),
        "frozen_layers": IntDistribution(0, max(layers, int(choices["frozen_layers"]))),
    }
    return {key: everything[key] for key in searched}
