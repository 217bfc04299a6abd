"""Whether the settings that a model was trained with could be better: a study that was made, or a small search.

The small search is of one setting, on a sample; it would find a setting that is badly off, not the last tenth of a
point. `copydesk tune` searches properly, and leaves the study that is looked for first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from copydesk.checks.subject import Subject, sample_of
from copydesk.data.dataset import Dataset
from copydesk.errors import Undecided
from copydesk.models.linear import LinearModel
from copydesk.models.targets import training_targets
from copydesk.training import task_of
from copydesk.tuning.findings import SEARCHED, Tuning, chance_difference, told
from copydesk.tuning.run import STUDIES
from copydesk.tuning.study import judged_by, tuning_of

_LEAST_TRIALS = 5
_FACTORS = (1 / 3, 1.0, 3.0)
_STRENGTHS = (1.0, 10.0, 100.0)
_USED_STRENGTH = 10.0
_FOLDS = 3
_TEXTS, _EPOCHS = 128, 2


@dataclass(frozen=True)
class Searched:
    """The quality with the settings that were used, the best quality, its settings, and what chance alone may do."""

    how: str
    trials: int
    used: float
    best: float
    settings: str
    noise: float


def study_of(subject: Subject) -> Searched | None:
    """Return what a study of this recipe and this Dataset found; None where there is no such study."""
    path = subject.folder / STUDIES / f"{subject.recipe.name}.db"
    if not path.is_file():
        return None
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name=subject.recipe.name, storage=f"sqlite:///{path.absolute()}")
    facts = study.user_attrs
    same = facts.get("data") == subject.dataset.content_hash()
    if not same or _unsearched(facts.get("recipe", {})) != _unsearched(judged_by(subject.recipe)):
        return None
    texts = len(subject.dataset.part("validation")[0])
    metric = subject.classifier.task.headline
    found = tuning_of(study, subject.recipe, path, data=facts["data"], metric=metric, validation_texts=texts)
    if len(found.attempts) < _LEAST_TRIALS:
        return None
    best = found.attempt(found.best)
    return Searched(
        f"study of {len(found.attempts)} trials", len(found.attempts), _used(found, subject), best.quality or 0.0,
        told(best.settings), found.noise,
    )  # fmt: skip


def _unsearched(judged: dict[str, Any]) -> dict[str, Any]:
    """Return what a trial's quality depends on, without the settings that a study searches."""
    train = {key: value for key, value in judged.get("train", {}).items() if key not in SEARCHED}
    return {**judged, "train": train}


def _used(found: Tuning, subject: Subject) -> float:
    """Return the quality of the trial with the recipe's settings; where it leaves all to choose, that is trial 0."""
    given = subject.recipe.train.model_dump()
    for attempt in found.attempts:
        if all(given[key] == value for key, value in attempt.settings.items()):
            return attempt.quality or 0.0
    return found.attempt(0).quality or 0.0


def best_of_few(subject: Subject) -> Searched:
    """Train with the setting that was used and with ones beside it, and compare. Raises `Undecided`."""
    kind = subject.recipe.model.kind
    if kind == "keywords":
        raise Undecided("keywords have no settings to tune")
    return _linear(subject) if kind == "linear" else _encoder(subject)


def _linear(subject: Subject) -> Searched:
    """Compare strengths of the penalty in three folds of the training part."""
    dataset, task = subject.dataset, subject.classifier.task
    texts, labels = dataset.part("train")
    targets = training_targets(dataset, task, soft=False)
    truth, fold = task.encode(labels), np.arange(len(texts)) % _FOLDS
    balanced = subject.recipe.train.class_weights == "balanced"

    def quality(strength: float) -> float:
        right = []
        for number in range(_FOLDS):
            inside = np.flatnonzero(fold != number)
            model = LinearModel.fit(
                [texts[place] for place in inside], targets.columns[inside], task, heads=targets.heads,
                strength=strength, balanced=balanced,
            )  # fmt: skip
            held = np.flatnonzero(fold == number)
            scores = task.scores(model.logits([texts[place] for place in held]))
            right.append(task.right(truth[held], scores))
        return float(np.concatenate(right).mean())

    how = f"{len(_STRENGTHS)} strengths, {_FOLDS} folds of {len(texts):,} training texts"
    return _compared(how, quality, _STRENGTHS, _USED_STRENGTH, len(texts), "strength")


def _encoder(subject: Subject) -> Searched:
    """Compare learning rates in short trainings on a sample, judged on the validation part."""
    used = subject.classifier.report.training.get("choices", {}).get("learning_rate")
    if used is None:
        raise Undecided("the bundle does not say with which learning rate it was trained; train it again")
    dataset: Dataset = sample_of(subject.dataset, train=_TEXTS, validation=200, test=0)
    texts, labels = dataset.part("validation")
    if not texts:
        raise Undecided("there is no validation part to judge settings by")

    def quality(rate: float) -> float:
        recipe = subject.small_recipe(train__learning_rate=rate, train__epochs=_EPOCHS, train__early_stop=0)
        task = task_of(recipe, dataset)
        model = subject.fitted(recipe, dataset).model
        return task.quality(task.scores(model.logits(texts)), task.encode(labels))

    rates = [min(used * factor, 0.5) for factor in _FACTORS]
    how = f"{len(rates)} learning rates, {_EPOCHS} epochs of {len(dataset.part('train')[0])} texts each"
    return _compared(how, quality, rates, used, len(texts), "learning rate")


def _compared(
    how: str,
    quality: Callable[[float], float],
    values: Sequence[float],
    used: float,
    texts: int,
    name: str,  # noqa: ANN401
) -> Searched:
    found = {value: quality(value) for value in values}
    best = max(found, key=lambda value: (found[value], value == used))
    noise = chance_difference(found[best], texts)
    return replace(Searched(how, len(found), found[used], found[best], "", noise), settings=f"{name} {best:.3g}")
