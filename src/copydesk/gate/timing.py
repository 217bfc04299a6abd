"""How long models take for one text at a time, measured in turns so that they share whatever the machine does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from copydesk.gate.evidence import Times
from copydesk.runtime.engine import Classifier

Clock = Callable[[], float]
TEXTS = 60
_ROUNDS = (5, 25)
"""At least and at most so often every text is asked."""
_ENOUGH_S = 8.0
_WARM_UP_TEXTS = 5


def times_in_turns(
    models: Sequence[Classifier], texts: Sequence[str], *, clock: Clock = time.perf_counter
) -> list[Times]:
    """Return each model's milliseconds, shape (rounds, texts), for up to 60 of the texts; (1, 1) zeros for none.

    Every text is asked of all models one after the other, the order turned round from round to round. After eight
    seconds no further round is begun, but for the first five.
    """
    chosen = [texts[place] for place in np.linspace(0, len(texts) - 1, min(TEXTS, len(texts))).astype(int)]
    if not chosen:
        return [np.zeros((1, 1)) for _ in models]
    for model in models:
        for text in chosen[:_WARM_UP_TEXTS]:
            model.predict([text])
    started = clock()
    rounds: list[Times] = []
    while len(rounds) < _ROUNDS[0] or (len(rounds) < _ROUNDS[1] and clock() - started < _ENOUGH_S):
        rounds.append(_round(models, chosen, clock, backwards=len(rounds) % 2 == 1))
    return [np.stack([one[:, place] for one in rounds]) for place in range(len(models))]


def _round(models: Sequence[Classifier], texts: Sequence[str], clock: Clock, *, backwards: bool) -> Times:
    """Return milliseconds of shape (texts, models)."""
    times = np.zeros((len(texts), len(models)))
    order = range(len(models))[::-1] if backwards else range(len(models))
    for row, text in enumerate(texts):
        for place in order:
            started = clock()
            models[place].predict([text])
            times[row, place] = (clock() - started) * 1000
    return times
