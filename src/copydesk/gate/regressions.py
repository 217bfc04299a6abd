"""What must not have become worse than in production, whatever the average says: labels, slices, behaviours, honesty.

Here the burden of proof is on the refusal: a part fails where a drop beyond the allowed one is shown with 95 %. Of
many labels some would do so by chance, so that labels, and slices, are judged together (Holm 1979).
"""

from __future__ import annotations

import numpy as np

from copydesk.gate.evidence import Evidence, failure
from copydesk.metrics.difference import difference, drop_is_shown, holm
from copydesk.recipe import MaxDrops
from copydesk.types import BehaviourResult, Failure

LEVEL = 0.05
_SHOWN = 5


def regressions(candidate: Evidence, champion: Evidence, most: MaxDrops) -> list[Failure]:
    """Return every part that is shown to have become worse by more than is allowed."""
    return [
        *_labels(candidate, champion, most.label_f1),
        *_slices(candidate, champion, most.slice_accuracy),
        *_behaviours(candidate, champion, most.behaviour),
        *_calibration(candidate, champion, most.calibration),
    ]


def _labels(candidate: Evidence, champion: Evidence, most: float) -> list[Failure]:
    """Compare how often each label is missed or wrongly given.

    F1 is 1 - errors / (texts with the label + texts given it), so a drop is a number of texts more that are decided
    wrongly, and has the exact test of such numbers: a bootstrap of a rare label's F1 would be too sure.
    """
    new, old = candidate.tallies, champion.tallies
    texts = len(new.right)
    lost = (new.mistaken & ~old.mistaken).sum(axis=0)
    won = (old.mistaken & ~new.mistaken).sum(axis=0)
    counts = {label: (int(lost[place]), int(won[place])) for place, label in enumerate(candidate.labels)}
    limits = dict(zip(candidate.labels, most * old.decided / max(texts, 1), strict=True))
    p_values = {
        label: drop_is_shown(*counts[label], texts, float(limits[label]))
        for label in candidate.labels
        if limits[label] < 1
    }
    before, after = _f1(champion), _f1(candidate)
    shown = [label for label in holm(p_values, LEVEL) if before[label] - after[label] > most]
    failures = []
    for label in shown[:_SHOWN]:
        losses, gains = counts[label]
        failures += failure(
            "max_drops.label_f1",
            f"a drop of at most {most:g} for any label",
            f"F1 {before[label]:.3f} → {after[label]:.3f}",
            f"“{label}” got worse: {losses:,} texts are now decided wrongly that production decides rightly, and "
            f"{gains:,} the other way.{_others(shown)}",
        )
    return failures


def _f1(model: Evidence) -> dict[str, float]:
    errors, decided = model.tallies.mistaken.sum(axis=0), np.maximum(model.tallies.decided, 1)
    return dict(zip(model.labels, (1 - errors / decided).tolist(), strict=True))


def _slices(candidate: Evidence, champion: Evidence, most: float) -> list[Failure]:
    new, old = candidate.tallies, champion.tallies
    counts = {}
    for part in candidate.parts:
        losses = int((old.right & ~new.right)[part.inside].sum())
        gains = int((new.right & ~old.right)[part.inside].sum())
        counts[part.name] = (losses, gains, part.texts)
    shown = holm({name: drop_is_shown(*count, most) for name, count in counts.items()}, LEVEL)
    inside = {part.name: part.inside for part in candidate.parts}
    failures = []
    for name in shown[:_SHOWN]:
        losses, gains, texts = counts[name]
        before, after = (float(tallies.right[inside[name]].mean()) for tallies in (old, new))
        failures += failure(
            "max_drops.slice_accuracy",
            f"a drop of at most {most:g} in any slice",
            f"{before:.3f} → {after:.3f}",
            f"Of the {texts:,} texts in “{name}” {losses:,} are now answered wrongly that production answers rightly, "
            f"and {gains:,} the other way.{_others(shown)}",
        )
    return failures


def _others(shown: list[str]) -> str:
    return f" {len(shown) - _SHOWN:,} more are as bad." if len(shown) > _SHOWN else ""


def _behaviours(candidate: Evidence, champion: Evidence, most: float) -> list[Failure]:
    before = {result.name: result for result in champion.behaviours}
    failures = []
    for result in candidate.behaviours:
        old = before.get(result.name)
        if old is None or not result.n or not old.n or not result.holds:
            continue  # one that does not hold is refused for that already
        if _least_drop(result, old) > most:
            failures += failure(
                "max_drops.behaviour",
                f"a drop of at most {most:g} for any behaviour",
                f"{old.rate:.1%} → {result.rate:.1%}",
                f"“{result.name}” still holds, but in far fewer cases than with production.",
            )
    return failures


def _least_drop(new: BehaviourResult, old: BehaviourResult) -> float:
    """Return how much the pass rate has fallen at least: Newcombe's hybrid interval (1998, Stat. Med. 17:873)."""
    down, up = old.rate - old.interval[0], new.interval[1] - new.rate
    return old.rate - new.rate - float(np.hypot(down, up))


def _calibration(candidate: Evidence, champion: Evidence, most: float) -> list[Failure]:
    new, old = candidate.tallies, champion.tallies
    if candidate.metrics.get("ece", 0.0) - champion.metrics.get("ece", 0.0) <= most:
        return []  # a resampling would show no more
    found = difference(new, old, "ece")
    if found.high >= -most:
        return []
    return failure(
        "max_drops.calibration",
        f"a calibration error at most {most:g} higher",
        f"{found.old:.4f} → {found.new:.4f}",
        f"Its scores are less honest than production's: the calibration error rose by {-found.high:.4f} at least.",
    )
