"""What a candidate must reach by itself, whatever is in production: floors, behaviours, no test text trained on."""

from __future__ import annotations

from copydesk.gate.evidence import Evidence, failure
from copydesk.gate.ratios import UNITS
from copydesk.metrics.tally import LOWER_IS_BETTER
from copydesk.recipe import MaxLeaks
from copydesk.types import BehaviourResult, Failure, Slice

_ENOUGH_FOR_A_POINT = 100
"""In a slice of fewer texts a share is too coarse: it fails where it is shown to be below the floor."""


def under_floors(candidate: Evidence, floors: dict[str, float]) -> list[Failure]:
    """Return the floors that the candidate does not reach; a metric that there is none of is not reached."""
    failures = []
    for name, floor in floors.items():
        rule = f"floors.{name}"
        if name == "worst_slice_accuracy":
            failures += _weak_slices(rule, candidate.slices, floor)
        elif name == "behaviours":
            failures += _weak_behaviours(rule, candidate.behaviours, floor)
        elif name == "ml_test_score":
            failures += _low_score(rule, candidate, floor)
        elif name in UNITS:
            failures += _too_much(rule, getattr(candidate, name), floor, UNITS[name])
        else:
            failures += _metric(rule, name, candidate.metrics, floor)
    return failures


def _metric(rule: str, name: str, metrics: dict[str, float], floor: float) -> list[Failure]:
    if name not in metrics:
        why = f"This model has no {name}; it has {', '.join(metrics)}. Name one of these in the recipe."
        return failure(rule, f"{floor:g}", "none", why)
    value, at_most = metrics[name], name in LOWER_IS_BETTER
    if (value <= floor) if at_most else (value >= floor):
        return []
    why = f"{name} on the test texts is {'above' if at_most else 'below'} what the recipe asks for."
    return failure(rule, f"at {'most' if at_most else 'least'} {floor:g}", f"{value:.4f}", why)


def _too_much(rule: str, value: float, most: float, unit: str) -> list[Failure]:
    if value <= most:
        return []
    why = "More than the recipe allows, measured now on this machine."
    return failure(rule, f"at most {most:g} {unit}", f"{value:,.3g} {unit}", why)


def _weak_slices(rule: str, slices: list[Slice], floor: float) -> list[Failure]:
    if not slices:
        why = "The test texts are too few for slices, so nothing is known of the worst. Give more, or remove the floor."
        return failure(rule, f"at least {floor:g} in every slice", "no slices", why)
    weak = [part for part in slices if part.accuracy < floor and (_counts(part) or part.interval[1] < floor)]
    failures = []
    for part in sorted(weak, key=lambda part: part.accuracy):
        low, high = part.interval
        measured = f"{part.accuracy:.3f} ({low:.3f} to {high:.3f})"
        why = f"Of the {part.n:,} texts in “{part.name}” too few are answered rightly."
        failures += failure(rule, f"at least {floor:g} in every slice", measured, why)
    return failures


def _weak_behaviours(rule: str, results: list[BehaviourResult], floor: float) -> list[Failure]:
    if not results:
        why = "The candidate's bundle has no behaviours. Name them in the recipe and train again, or give --recipe."
        return failure(rule, f"at least {floor:.0%} of each", "no behaviours", why)
    return [one for result in results for one in _under(rule, result, floor)]


def _counts(part: Slice) -> bool:
    return part.n >= _ENOUGH_FOR_A_POINT


def _low_score(rule: str, candidate: Evidence, floor: float) -> list[Failure]:
    if candidate.ml_test_score is None:
        why = f"No check of this very bundle is attached to it. Run: copydesk check {candidate.name}"
        return failure(rule, f"at least {floor:g}", "none", why)
    if candidate.ml_test_score >= floor:
        return []
    why = f"The ML Test Score is the worst section's. What is missing: copydesk check {candidate.name}"
    return failure(rule, f"at least {floor:g}", f"{candidate.ml_test_score:g}", why)


def failed_behaviours(candidate: Evidence, champion: Evidence | None) -> list[Failure]:
    """Return the behaviours that do not hold by their own required rate."""
    held = {result.name for result in champion.behaviours if result.holds} if champion else set()
    failures = []
    for result in candidate.behaviours:
        if not result.holds:
            failures += _under("behaviours", result, result.required, lost=result.name in held)
    return failures


def _under(rule: str, result: BehaviourResult, required: float, *, lost: bool = False) -> list[Failure]:
    if result.n and result.rate >= required:
        return []
    if not result.n:
        why = f"No case of “{result.name}” could be made, so nothing is known of it. Give it other texts, or remove it."
        return failure(rule, f"at least {required:.0%} of “{result.name}”", "no cases", why)
    low, high = result.interval
    measured = f"{result.rate:.1%} of {result.n:,} ({low:.1%} to {high:.1%})"
    worst = f" E.g. {_case(result)}." if result.failures else ""
    why = f"{'Production keeps this behaviour. ' if lost else ''}Too many cases of “{result.name}” fail.{worst}"
    return failure(rule, f"at least {required:.0%} of “{result.name}”", measured, why)


def _case(result: BehaviourResult) -> str:
    worst = result.failures[0]
    text = f"“{worst.text}” → “{worst.changed}”" if worst.changed else f"“{worst.text}”"
    return f"{text}: expected {worst.expected}, got {worst.got}"


def leaks(candidate: Evidence, most: MaxLeaks) -> list[Failure]:
    """Return what speaks of test texts among the candidate's training texts."""
    seen = candidate.seen
    if seen is None:
        why = "The bundle does not say what it was trained on, so its figures may be recitation. Train it again."
        return failure("max_leaks", "sketches of the training texts", "none", why)
    failures = []
    for kind, count in (("exact", seen.exact), ("near", seen.near)):
        limit: float = getattr(most, kind)
        if count > limit * seen.texts:
            as_they_are = "as they are" if kind == "exact" else "nearly as they are"
            failures += failure(
                f"max_leaks.{kind}",
                f"at most {limit:.1%} of the test texts",
                f"{count:,} of {seen.texts:,} ({count / seen.texts:.1%})",
                f"It was trained on test texts {as_they_are}, e.g. “{seen.example}”; what it knows by heart proves "
                "nothing.",
            )
    return failures
