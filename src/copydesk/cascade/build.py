"""Two trained models of one Dataset -> a cascade, with what it costs and gains; refused where it does not pay.

Calibration, thresholds and speeds come from the validation part; the test part only tells how it went.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from copydesk.cascade.certainty import Outcome, Pair, Rung, climb, enough_texts, outcome
from copydesk.data.dataset import Dataset
from copydesk.errors import CascadeRefused
from copydesk.evaluate import fit_temperature
from copydesk.metrics.paired import CONFIDENCE, texts_needed
from copydesk.models.base import Model
from copydesk.models.cascade import CascadeModel, Certainty, Stage
from copydesk.progress import Progress
from copydesk.tasks import Targets, Task
from copydesk.tasks.base import Logits

MOST_TIME = 0.9
"""A cascade must need less than this share of the time that the second stage alone needs."""
_EDGE = 1e-6
_WARM_UP_TEXTS = 8

Clock = Callable[[], float]


@dataclass(frozen=True)
class Built:
    """A cascade, the task with the thresholds its answers are decided by, and what the report tells."""

    model: CascadeModel
    task: Task
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Measured:
    """A stage with its outputs for the validation part, its own decisions, and how many texts it does a second."""

    stage: Stage
    logits: Logits
    task: Task
    texts_per_second: float


def require_enough(dataset: Dataset, max_drop: float) -> None:
    """Raise `CascadeRefused` if the validation part is too small for any cascade; nothing need be trained first."""
    texts = len(dataset.part("validation")[0])
    if not max_drop:
        raise CascadeRefused("runtime.max_drop is 0, and no sample can exclude every drop. Allow some, e.g. 0.001.")
    if not enough_texts(texts, max_drop):
        raise CascadeRefused(
            f"The validation part has {texts:,} texts. To exclude a drop of {max_drop:g} with {CONFIDENCE:.0%} "
            f"confidence takes {texts_needed(max_drop):,}, even if not one answer becomes worse. Raise "
            "prepare.split.validation, or runtime.max_drop."
        )


def build_cascade(
    dataset: Dataset,
    task: Task,
    first: Model,
    second: Model,
    *,
    max_drop: float,
    progress: Progress,
    clock: Clock = time.perf_counter,
) -> Built:
    """Return the cascade of two models that were trained on the Dataset; `task` has no thresholds yet.

    Raises `CascadeRefused` where the drop cannot be excluded or the time saved is not worth it.
    """
    texts, labels = dataset.part("validation")
    targets = task.encode(labels)
    progress.say(f"asking both stages about {len(texts):,} validation texts")
    quick, good = (_measured(task, model, texts, targets, clock) for model in (first, second))
    first_stage = Stage(first, quick.stage.temperature, shifts_between(quick.task, good.task))
    pair = Pair(first_stage.calibrated(quick.logits), good.stage.calibrated(good.logits), targets)
    rungs = climb(good.task, pair, kind_of(good.task), max_drop)
    safe = [rung for rung in rungs if rung.safe]
    if not safe:
        raise CascadeRefused(_not_safe(first, rungs[0], max_drop))
    certainty, done = safe[-1].certainty, safe[-1].outcome
    ratio = good.texts_per_second / quick.texts_per_second + 1 - done.kept / done.texts
    if ratio >= MOST_TIME:
        raise CascadeRefused(_not_worth_it(quick, good, done, ratio))
    model = CascadeModel(first_stage, good.stage, certainty)
    speeds = {first.kind: quick.texts_per_second, second.kind: good.texts_per_second}
    facts = {
        **_promise(done, max_drop),
        "texts_per_second": {kind: round(speed) for kind, speed in speeds.items()},
        "expected_speed_up": round(1 / ratio, 2),
        "thresholds": [round(threshold, 6) for threshold in certainty.thresholds],
        **_on_test(dataset, good.task, model),
    }
    progress.say(_summary(facts))
    return Built(model, good.task, facts)


def _measured(task: Task, model: Model, texts: Sequence[str], targets: Targets, clock: Clock) -> _Measured:
    model.logits(texts[:_WARM_UP_TEXTS])
    started = clock()
    logits = model.logits(texts)
    seconds = clock() - started
    temperature = fit_temperature(task, logits, targets)
    decided = task.decided(task.scores(logits, temperature), targets)
    return _Measured(Stage(model, temperature), logits, decided, len(texts) / max(seconds, 1e-9))


def kind_of(task: Task) -> Certainty:
    """Return what kind of certainty the task's answers ask for. Raises `CascadeRefused` if there is none for them."""
    if task.heads[0].kind == "softmax" and len(task.heads) == 1:
        return Certainty("best", (1.0,))
    if task.heads[0].kind == "sigmoid" and len(task.heads) == 1:
        return Certainty("every", (1.0,), _log_odds(task), needs_label=task.decision.min_labels > 0)
    raise CascadeRefused(
        f"A cascade answers the tasks 'single' and 'multi', not {task.name!r}: its first stage cannot tell how sure it "
        "is of a whole sheet of scores and tags. Train the encoder alone."
    )


def _log_odds(task: Task) -> tuple[float, ...]:
    """Return each label's threshold as a logit."""
    thresholds = np.clip(task.decision.thresholds, _EDGE, 1 - _EDGE)
    return tuple(float(value) for value in np.log(thresholds / (1 - thresholds)))


def shifts_between(own: Task, wanted: Task) -> tuple[float, ...]:
    """Return by how much each label's logits move so that one's own thresholds become those wanted."""
    pairs = zip(_log_odds(wanted), _log_odds(own), strict=True)
    return tuple(there - here for there, here in pairs)


def _promise(done: Outcome, max_drop: float) -> dict[str, Any]:
    return {
        "max_drop": max_drop,
        "confidence": CONFIDENCE,
        "validation_texts": done.texts,
        "kept": round(done.kept / done.texts, 4),
        "worse": done.losses,
        "better": done.gains,
        "drop": round(done.drop, 6),
        "drop_bound": round(done.bound, 6),
    }


def _on_test(dataset: Dataset, task: Task, model: CascadeModel) -> dict[str, Any]:
    """Return which share of the test texts stays with the first stage, in all and by label, and what that costs."""
    texts, labels = dataset.part("test")
    pair = Pair(model.first.logits(texts), model.second.logits(texts), task.encode(labels))
    kept = model.certainty.sure(pair.first)
    done = outcome(kept, pair.changes(task))
    present = [dataset.kind.present(label) for label in labels]
    all_of = Counter(name for names in present for name in names)
    kept_of = Counter(name for names, stays in zip(present, kept, strict=True) if stays for name in names)
    alone = task.measure(pair.targets, task.scores(pair.second)).metrics
    return {
        "kept_on_test": round(done.kept / max(done.texts, 1), 4),
        "kept_on_test_by_label": {name: round(kept_of[name] / count, 4) for name, count in sorted(all_of.items())},
        "worse_on_test": done.losses,
        "better_on_test": done.gains,
        f"{task.headline}_of_the_{model.second.model.kind}_alone": alone[task.headline],
    }


def _summary(facts: dict[str, Any]) -> str:
    first, second = facts["texts_per_second"]
    return (
        f"the {first} model keeps {facts['kept']:.1%} of the validation texts, {facts['kept_on_test']:.1%} of the test "
        f"texts; expected speed {facts['expected_speed_up']:g} × the {second}'s; drop {facts['drop']:+z.4f}, with "
        f"{CONFIDENCE:.0%} confidence at most {facts['drop_bound']:.4f}"
    )


def _not_safe(first: Model, rung: Rung, max_drop: float) -> str:
    done = rung.outcome
    return (
        f"No cascade: a drop of {max_drop:g} (runtime.max_drop) cannot be excluded. Already where the {first.kind} "
        f"model keeps the {done.kept / done.texts:.0%} it is surest of, {done.losses:,} of {done.texts:,} validation "
        f"answers become worse and {done.gains:,} better: with {CONFIDENCE:.0%} confidence the drop is at most "
        f"{done.bound:.4f}. More validation texts (prepare.split.validation) make that tighter, a higher "
        "runtime.max_drop allows more."
    )


def _not_worth_it(first: _Measured, second: _Measured, done: Outcome, ratio: float) -> str:
    names = first.stage.model.kind, second.stage.model.kind
    return (
        f"No cascade: it would not pay. The {names[0]} model ({first.texts_per_second:,.0f} texts/s) may keep "
        f"{done.kept / done.texts:.0%} of the texts, so the cascade would take {ratio:.0%} of the time of the "
        f"{names[1]} alone ({second.texts_per_second:,.0f} texts/s); less than {MOST_TIME:.0%} is wanted. Use the "
        f"{names[1]} alone."
    )
