"""Both models on the same test texts in one run: what the gate decides by.

Texts that either model was trained or tuned on are left out of the comparison, for both. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from copydesk.behaviour.load import Suite
from copydesk.behaviour.run import run_suite
from copydesk.bundle import Bundle
from copydesk.data.labelled import Labelled
from copydesk.errors import UsageError
from copydesk.gate.answered import Answered, Contender, all_answered, cautions
from copydesk.gate.evidence import Evidence
from copydesk.gate.memory import memory_mb
from copydesk.gate.timing import TEXTS, times_in_turns
from copydesk.labelling.slice_rules import slice_rules
from copydesk.metrics.base import Flags
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.slices import LEAST_TEXTS, TextSlice, judged, slices_of
from copydesk.types import BehaviourResult


@dataclass(frozen=True)
class Measurement:
    """The evidence of one run; `warnings` are what somebody who believes it must know."""

    candidate: Evidence
    champion: Evidence | None
    warnings: list[str] = field(default_factory=list)


def measure(
    candidate: Contender,
    champion: Contender | None,
    test: Labelled,
    recipe: Recipe,
    suite: Suite | None,
    progress: Progress,
) -> Measurement:
    """Ask both models everything; `recipe` names the slices. Raises `UsageError` if they cannot be compared."""
    progress.say(f"asking {'both models' if champion else 'the model'} {len(test.texts):,} test texts")
    answered = all_answered([candidate, *([champion] if champion else [])], test)
    warnings = [*cautions(answered, test), *(suite.notes if suite else [])]
    shared = np.logical_and.reduce([one.unseen for one in answered])
    slices = slices_of(test.texts, sources=test.sources, rules=slice_rules(recipe))
    behaviours = [_behaviours(suite, answered[0], test, shared)]
    for one in answered[1:]:
        try:
            behaviours.append(_behaviours(suite, one, test, shared))
        except UsageError as error:  # it was promoted by another suite
            behaviours.append([])
            warnings.append(f"{one.contender.name} cannot be asked these behaviours: {error}")
    progress.say("timing one text at a time, in turns")
    times = times_in_turns([one.classifier for one in answered], test.texts)
    found = []
    for one, results, taken in zip(answered, behaviours, times, strict=True):
        progress.say(f"measuring the memory of {one.contender.name}")
        found.append(
            Evidence(
                name=one.contender.name,
                task=one.task.name,
                metrics=one.tallies(one.unseen).figures() if one.unseen.any() else {},
                slices=judged(_among(slices, one.unseen), one.right(one.unseen)),
                tallies=one.tallies(shared),
                parts=_among(slices, shared),
                labels=one.task.labels,
                times_ms=taken,
                bundle_mb=_megabytes(one.contender.bundle),
                memory_mb=memory_mb(one.contender.bundle.path, test.texts[:TEXTS]),
                behaviours=results,
                seen=one.seen(test),
                ml_test_score=one.contender.ml_test_score,
            )
        )
    return Measurement(found[0], found[1] if champion else None, warnings)


def _among(slices: Sequence[TextSlice], chosen: Flags) -> list[TextSlice]:
    """Return the slices of some of the texts; those of which too few are left are left out."""
    parts = [TextSlice(part.name, part.inside[chosen]) for part in slices]
    return [part for part in parts if part.texts >= LEAST_TEXTS]


def _behaviours(suite: Suite | None, one: Answered, test: Labelled, chosen: Flags) -> list[BehaviourResult]:
    """Run the suite on some of the texts. Raises `UsageError` for a label that the model does not have."""
    if suite is None:
        return []
    places = np.flatnonzero(chosen)
    texts, labels = [test.texts[place] for place in places], [test.labels[place] for place in places]
    return run_suite(suite, one.classifier, texts=texts, labels=labels)


def _megabytes(bundle: Bundle) -> float:
    return sum(int(file["bytes"]) for file in bundle.manifest["files"].values()) / 1e6
