"""Whether the texts and answers of today are those that the model was made for.

All detectors look at the same window and are judged together: a window without drift alarms with the probability
`ALPHA` at most, whatever the number of detectors (Holm 1979). A change that is certain but too small to matter is no
alarm. What that is worth on real texts, bench/drift.py measures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from copydesk.monitor.detectors import Detector, Shares, State, Topics, Window, number_detector
from copydesk.monitor.reference import Reference

ALPHA = 0.001
"""One false alarm in a thousand windows."""
LEAST_TEXTS = 100
"""Of fewer texts nothing is said."""


@dataclass(frozen=True)
class Drift:
    """The detectors of a reference."""

    detectors: tuple[Detector, ...]

    @classmethod
    def since(cls, reference: Reference) -> Drift:
        """Return detectors for all that the reference holds."""
        window = reference.window
        shares = [Shares(name, Counter(values)) for name, values in sorted(window.kinds.items())]
        numbers = [number_detector(name, values) for name, values in sorted(window.numbers.items())]
        return cls((*shares, *numbers, Topics(window.vectors)))

    def update(self, window: Window) -> list[State]:
        """Return what each detector found, judged together; nothing of a window with too few texts."""
        if window.n < LEAST_TEXTS:
            return []
        return judged([detector.update(window) for detector in self.detectors])


def judged(states: Sequence[State], alpha: float = ALPHA) -> list[State]:
    """Return the states with `threshold` and `drifted` set.

    It has drifted where all of them together allow it (Holm 1979) and the effect matters.
    """
    order = sorted(range(len(states)), key=lambda place: states[place].p_value)
    found = list(states)
    is_sure = True
    for rank, place in enumerate(order):
        state, threshold = states[place], alpha / (len(states) - rank)
        is_sure = is_sure and state.p_value <= threshold
        drifted = is_sure and state.effect >= state.least_effect
        found[place] = replace(state, threshold=threshold, drifted=drifted)
    return found
