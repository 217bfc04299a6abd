"""The seven tests of model development (Breck et al. 2017, section III)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl

from copydesk.checks.history import checked_in
from copydesk.checks.outcome import Finding
from copydesk.checks.search import best_of_few, study_of
from copydesk.checks.served_answers import told_answers
from copydesk.checks.simple import simplest
from copydesk.checks.subject import Subject
from copydesk.data.dataset import Dataset
from copydesk.data.split import moment_of
from copydesk.errors import Undecided
from copydesk.labelling.slice_rules import slice_rules
from copydesk.metrics.paired import drop_bound
from copydesk.recipe import override
from copydesk.slices import LEAST_TEXTS, TextSlice, judged, slices_of
from copydesk.types import Slice

_CLOSE = 0.1
_SLICE_GAP = 0.1
_AGES, _LEAST_AGE_TEXTS = 4, 50


def spec_reviewed(subject: Subject) -> Finding:
    """Ask git for the recipe: checked in, as the bundle has it, and read by a second person."""
    found = checked_in(subject.recipe, subject.folder)
    where = f"{found.path}, commit {found.commit} of {found.date}"
    needed = "checked in, unchanged, equal to the bundle's, reviewed"
    if found.edited:
        return Finding(False, f"{where}, was edited since", 1, needed)
    if found.differs:
        return Finding(False, f"{where}, differs from the bundle's recipe in {', '.join(found.differs)}", 1, needed)
    if not found.reviewed:
        raise Undecided(f"{where}, is what it was trained with, but git shows no review: note it, or use Reviewed-by")
    return Finding(True, f"{where}, is what it was trained with; {found.reviewed}", 1, needed)


def online_metrics(subject: Subject) -> Finding:
    """Hold the test part's figures against what users said of served answers, answer by answer."""
    told = told_answers(subject)
    task, (texts, labels) = subject.classifier.task, subject.held_out
    targets, scores = task.encode(labels), subject.classifier.scores(texts)
    offline = _by_answer(task.answers(scores), task.right(targets, scores).tolist())
    online = _by_answer(
        task.answers(subject.classifier.scores([one.text for one in told])), [one.right for one in told]
    )
    both = {key: (offline[key], online[key]) for key in offline if key in online}
    if not both:
        raise Undecided("no answer is frequent enough both in the test part and in the feedback")
    gap = sum(abs(first - second) for first, second in both.values()) / len(both)
    evidence = f"per answer, the share that is right differs by {gap:.1%} between the test part and {len(told)} served"
    return Finding(
        gap <= _CLOSE, evidence, len(told), f"at most {_CLOSE:.0%} apart", {"gap": gap, "answers": len(both)}
    )


def _by_answer(answers: np.ndarray[tuple[int, ...], np.dtype[np.generic]], right: Sequence[bool]) -> dict[str, float]:
    """Return per given answer the share that is right, for answers given ten times or more."""
    groups: dict[str, list[bool]] = {}
    for answer, fine in zip(answers.tolist(), right, strict=True):
        groups.setdefault(str(answer), []).append(fine)
    return {key: sum(flags) / len(flags) for key, flags in groups.items() if len(flags) >= 10}


def tuned(subject: Subject) -> Finding:
    """Find a study of `copydesk tune` for this recipe and data, else search a few settings on a sample."""
    found = study_of(subject) or best_of_few(subject)
    told = (
        f"{found.how}: {found.used:.4f} with the recipe's settings, {found.best:.4f} with the best ({found.settings})"
    )
    needed = f"no setting better by more than chance ({found.noise:.3f})"
    figures = {"used": found.used, "best": found.best, "noise": found.noise, "trials": found.trials}
    return Finding(found.best - found.used <= found.noise, told, found.trials, needed, figures)


def staleness_known(subject: Subject) -> Finding:
    """Train the linear model on older and newer data of one size, and measure both on the newest."""
    column = subject.recipe.prepare.split.time or next(
        (name for name, rule in subject.recipe.rules.columns.items() if rule.type == "date"), None
    )
    if column is None or column not in subject.raw.frame.columns:
        raise Undecided(
            "the data has no time column (prepare.split.time, or a rule with type: date), so no age is known"
        )
    frame = _in_time(subject, column)
    size = len(frame) // (_AGES + 1)
    if size < _LEAST_AGE_TEXTS:
        raise Undecided(f"{len(frame)} dated texts make {_AGES + 1} ages of {size}; {_LEAST_AGE_TEXTS} each are needed")
    newest = frame.tail(size).with_columns(split=pl.lit("test"))
    recipe = override(subject.recipe, {"model.kind": "linear"})
    curve: list[tuple[float, float]] = []
    for age in range(_AGES):
        part = frame.slice(age * size, size)
        known = set(part[subject.dataset.kind.column].explode().to_list())
        asked = (
            newest.filter(pl.col(subject.dataset.kind.column).is_in(list(known))) if "labels" not in known else newest
        )
        old = Dataset(pl.concat([part.with_columns(split=pl.lit("train")), asked]), subject.dataset.manifest)
        model = subject.trained(recipe, old)
        texts, labels = old.part("test")
        right = model.task.right(model.task.encode(labels), model.scores(texts)).mean()
        days = (_middle(newest) - _middle(part)) / 86_400
        curve.append((days, float(right)))
    told = ", ".join(f"{days:.0f} days {right:.1%}" for days, right in curve)
    figures = {f"right_after_{days:.0f}_days": right for days, right in curve}
    return Finding(
        True, f"linear model by the age of its {size} texts: {told}", len(frame), "measured at 4 ages", figures
    )


def _middle(frame: pl.DataFrame) -> float:
    return float(np.median(frame["_moment"].to_numpy()))


def _in_time(subject: Subject, column: str) -> pl.DataFrame:
    """Return the Dataset's rows with `_moment` in seconds, oldest first; undated rows are left out."""
    raw = subject.raw.frame.select(
        pl.col("_source").alias("source"), pl.col("_row").alias("row"), pl.col(column).alias("_when")
    )
    frame = subject.dataset.frame.join(raw, on=["source", "row"], how="left")
    moments = [_seconds(value, column) for value in frame["_when"].to_list()]
    dated = frame.with_columns(pl.Series("_moment", moments, pl.Float64)).drop("_when").drop_nulls("_moment")
    return dated.sort("_moment", maintain_order=True)


def _seconds(value: object, column: str) -> float | None:
    if value is None:
        return None
    moment: datetime | None = moment_of(value, "", column)
    return None if moment is None else moment.astimezone(UTC).timestamp()


def simpler_not_better(subject: Subject) -> Finding:
    """Let a simpler model answer the same held-out texts."""
    task, (texts, labels) = subject.classifier.task, subject.held_out
    targets = task.encode(labels)
    ours = task.right(targets, subject.classifier.scores(texts))
    simple = simplest(subject)
    theirs = simple.right(texts, labels)
    gains, losses = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    bound = drop_bound(losses, gains, len(texts))
    told = (
        f"{ours.mean():.1%} right against {theirs.mean():.1%} of {simple.name} on the same {len(texts)} held-out texts"
        f"; alone right on {gains}, alone wrong on {losses}"
    )
    figures = {"right": float(ours.mean()), "simple": float(theirs.mean()), "worse_by_at_most": bound}
    return Finding(gains >= losses and ours.mean() > 0, told, len(texts), "not fewer right answers", figures)


def slices(subject: Subject) -> Finding:
    """Measure every slice of the held-out texts that is large enough: length, language, source, rule, label."""
    texts, labels = subject.held_out
    task, kind = subject.classifier.task, subject.trained_on.kind
    right = task.right(task.encode(labels), subject.classifier.scores(texts))
    names = [set(kind.present(label)) for label in labels]
    parts = slices_of(texts, sources=subject.trained_on.sources("test"), rules=slice_rules(subject.recipe))
    by_label = [TextSlice(f"label: {name}", np.array([name in row for row in names])) for name in task.labels]
    found = judged([*parts, *(part for part in by_label if part.texts >= LEAST_TEXTS)], right)
    if not found:
        raise Undecided(f"the {len(texts)} held-out texts make no slice of {LEAST_TEXTS}")
    overall = float(right.mean())
    weak = [
        part for part in found if part.interval[1] < overall - _SLICE_GAP or part.accuracy < overall - 2 * _SLICE_GAP
    ]
    worst = min(found, key=lambda part: part.accuracy)
    floor = subject.recipe.gate.floors.get("worst_slice_accuracy", 0.0)
    weak += [part for part in found if part.accuracy < floor and part not in weak]
    told = f"{len(found)} slices; worst: {_slice(worst)}; all {overall:.1%} of {len(texts)}"
    if weak:
        told = f"too weak: {'; '.join(map(_slice, weak))}; all {overall:.1%} of {len(texts)}"
    needed = f"no slice surely {_SLICE_GAP:.0%}, or by its figure {2 * _SLICE_GAP:.0%}, under all texts"
    figures = {"slices": float(len(found)), "worst": worst.accuracy, "all": overall}
    return Finding(not weak, told, len(texts), needed, figures)


def _slice(part: Slice) -> str:
    return f"{part.name} {part.accuracy:.1%} of {part.n}"


def inclusion(subject: Subject) -> Finding:
    """Run the behaviours whose capability is fairness: the answer does not hang on who is named."""
    found = [result for result in subject.behaviours if result.capability == "fairness"]
    if not found:
        raise Undecided("no behaviour has the capability fairness; add some to the recipe's behaviours file")
    broken = [result for result in found if not result.holds]
    cases = sum(result.n for result in found)
    told = "; ".join(f"{result.name} {result.passed}/{result.n}" for result in broken or found)
    needed = "every behaviour of fairness holds: " + ", ".join(f"{one.required:.0%}" for one in found)
    rate = sum(result.passed for result in found) / max(cases, 1)
    return Finding(not broken, told, cases, needed, {"rate": rate, "behaviours": float(len(found))})
