"""What the gate would say of a model, and of planted bad ones beside it: the very rules that `copydesk promote` keeps.

The faults are planted in the evidence, or in the model's outputs: one that says the opposite, one that is ten times
slower, one that was trained on the test texts. The gate's own tests plant more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from copydesk.checks.subject import Subject
from copydesk.data.trained_on import find_leaks
from copydesk.gate.evidence import Evidence, SeenTexts
from copydesk.gate.gate import judge
from copydesk.gate.memory import memory_mb
from copydesk.gate.timing import times_in_turns
from copydesk.labelling.slice_rules import slice_rules
from copydesk.recipe import Gate
from copydesk.runtime.engine import Classifier
from copydesk.slices import judged, slices_of
from copydesk.types import Failure

_TIMED_TEXTS = 20
_SLOWER = 10.0


@dataclass(frozen=True)
class Gated:
    """What the gate has against the model itself, and by planted fault whether it refuses that for its own reason."""

    failures: list[Failure]
    refused: dict[str, bool]


def gated(subject: Subject, opposite: Classifier) -> Gated:
    """Judge the model by its recipe's rules as the first in production, then bad candidates against it.

    `opposite` is a model that says the opposite. The ML Test Score is no rule here: it is being made.
    """
    rules = subject.recipe.gate
    floors = {name: floor for name, floor in rules.floors.items() if name != "ml_test_score"}
    rules = rules.model_copy(update={"floors": floors})
    ours = _evidence(subject)
    bad = _answers_of(ours, opposite, subject)
    slow = replace(ours, times_ms=ours.times_ms * _SLOWER)
    texts = len(subject.held_out[0])
    cheat = replace(ours, seen=SeenTexts(texts, exact=texts, example=subject.held_out[0][0]))
    refused = {
        "the opposite": _is_refused(bad, ours, rules, ("floors.", "against_production", "max_drops")),
        "ten times slower": _is_refused(slow, ours, rules, ("max_ratios.p95", "floors.p95")),
        "trained on the test texts": _is_refused(cheat, ours, rules, ("max_leaks.",)),
    }
    return Gated(judge(ours, None, rules).failures, refused)


def _is_refused(candidate: Evidence, champion: Evidence, rules: Gate, reasons: tuple[str, ...]) -> bool:
    return any(one.rule.startswith(reasons) for one in judge(candidate, champion, rules).failures)


def _evidence(subject: Subject) -> Evidence:
    """Measure the model on its held-out texts."""
    bundle, (texts, labels) = subject.bundle, subject.held_out
    task, classifier = subject.classifier.task, subject.classifier
    targets, scores = task.encode(labels), classifier.scores(texts)
    parts = slices_of(texts, sources=subject.trained_on.sources("test"), rules=slice_rules(subject.recipe))
    tallies = task.tallies(targets, scores)
    sketches = bundle.layout.training_texts
    leaks = find_leaks(sketches, texts) if sketches.is_file() else None
    (times,) = times_in_turns([classifier], texts[:_TIMED_TEXTS], clock=subject.clock)
    return Evidence(
        name=str(bundle.path),
        task=task.name,
        metrics=tallies.figures(),
        slices=judged(parts, tallies.right),
        tallies=tallies,
        parts=parts,
        labels=task.labels,
        times_ms=times,
        bundle_mb=sum(int(file["bytes"]) for file in bundle.manifest["files"].values()) / 1e6,
        memory_mb=memory_mb(bundle.path, texts[:_TIMED_TEXTS]),
        behaviours=subject.behaviours,
        seen=None if leaks is None else SeenTexts(len(texts), len(leaks.exact), len(leaks.near)),
    )


def _answers_of(ours: Evidence, other: Classifier, subject: Subject) -> Evidence:
    """Return the evidence with another model's answers; what it costs stays the same."""
    texts, labels = subject.held_out
    tallies = other.task.tallies(other.task.encode(labels), other.scores(texts))
    return replace(ours, tallies=tallies, metrics=tallies.figures(), slices=judged(ours.parts, tallies.right))
