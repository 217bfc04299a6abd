"""How much worse than another model a model can be, from texts that both have answered.

Each text is a loss (the new answer is worse), a gain (better) or neither, so the counts are trinomial. The test is
exact and unconditional: of all counts that speak against a drop at least as clearly, by the likelihood ratio with the
drop held at its limit (Tango 1998, Statistics in Medicine 17:891), it takes the probability at the worst share of
gains (Hsueh, Liu & Chen 2001, Biometrics 57:478) within reach of the counts (Berger & Boos 1994, JASA 89:1012).
Without a loss and a gain that is nearly the rule of three: to exclude a drop of 0.001 takes 3,000 texts. A drop below 0
is a rise, so the same test tells what is shown to be better; of no drop at all it is the unconditional test beside
McNemar's (1947, Psychometrika 12:153), which looks at the losses and gains alone.

It needs scipy, which comes with the `train` extra. It does not know how the texts were drawn: they must be a sample.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, betaincinv, gammaln, ndtr, xlogy

CONFIDENCE = 0.95
_NUISANCES = 40
"""How many values of the unknown share of gains are tried."""
_OUT_OF_REACH = 1e-4
"""The share of gains lies outside the values that are tried so seldom; added to every p-value."""
_TAIL = 1e-7
"""What is left out of the counts that are listed; counted as if it spoke against the drop."""
_MANY = 80
"""From so many losses and gains on, the likelihood ratio's signed root is as good as normal."""
_CLOSE = 1e-9
_NEVER = 1e-300
"""Stands for a share of 0, whose logarithm there is none of."""
_PRECISION = 1e-3

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@lru_cache(maxsize=4_096)
def drop_p_value(losses: int, gains: int, texts: int, drop: float) -> float:
    """Return how probable so clear counts are at most if losses are commoner than gains by `drop` or more.

    `losses` and `gains` are out of so many `texts`; `drop` is a share of all texts, and a rise below 0. Below 0.05,
    the drop is smaller with a confidence of 95 %.
    """
    if losses - gains >= drop * texts:
        return 1.0
    own = _evidence(np.array(losses), np.array(gains), texts, drop)
    if losses + gains >= _MANY:
        return float(ndtr(-own))
    shares = _gain_shares(gains, texts, drop)
    most = [max(_most(share, texts), count + 1) for share, count in ((shares[-1] + drop, losses), (shares[-1], gains))]
    loss, gain = np.meshgrid(np.arange(most[0] + 1), np.arange(most[1] + 1), indexing="ij")
    possible = loss + gain <= texts
    loss, gain = loss[possible], gain[possible]
    extreme = _evidence(loss, gain, texts, drop) >= own - _CLOSE
    loss, gain = loss[extreme], gain[extreme]
    ways = gammaln(texts + 1) - gammaln(loss + 1) - gammaln(gain + 1) - gammaln(texts - loss - gain + 1)
    cells = np.stack([loss, gain, texts - loss - gain])
    chances = np.stack([shares + drop, shares, 1 - 2 * shares - drop], axis=1)
    logs = np.log(np.maximum(chances, _NEVER)) @ cells + ways
    return min(float(np.exp(logs).sum(axis=1).max()) + _OUT_OF_REACH + 2 * _TAIL, 1.0)


def drop_bound(losses: int, gains: int, texts: int, confidence: float = CONFIDENCE) -> float:
    """Return the drop that is not exceeded with this confidence, as a share of the texts.

    1 for no texts, and 0 where a rise is shown.
    """
    return max(_most_drop(losses, gains, texts, confidence), 0.0)


def rise_interval(losses: int, gains: int, texts: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return how much better the new answers are at least and at most, each with this confidence, as a share of texts.

    Together these one-sided bounds hold with 90 % where `confidence` is 95 %.
    """
    return -_most_drop(losses, gains, texts, confidence), _most_drop(gains, losses, texts, confidence)


def mcnemar_p_value(losses: int, gains: int) -> float:
    """Return how probable so many gains of all losses and gains are if both are alike: one-sided, with the mid-p.

    Half the probability of these very counts is left out, as it makes the exact test nearly as bold as 5 % allows
    (Fagerland, Lydersen & Laake 2013, BMC Medical Research Methodology 13:91). 1 without a loss or a gain.
    """
    if not losses + gains:
        return 1.0
    return _mid_p(gains, losses, 0.5)


def mcnemar_interval(losses: int, gains: int, texts: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return how much better the new answers are at least and at most, given how many differ at all.

    The share of gains among losses and gains is bounded by inverting the mid-p test. It does not know how
    often answers differ beyond these texts: without a loss or a gain it is (0, 0).
    """
    if not losses + gains:
        return (0.0, 0.0)
    differing = (losses + gains) / texts
    least, most = _least_share(gains, losses, 1 - confidence), 1 - _least_share(losses, gains, 1 - confidence)
    return (2 * least - 1) * differing, (2 * most - 1) * differing


def _least_share(gains: int, losses: int, level: float) -> float:
    """Return the share of gains at which so many have a mid-p of this level."""
    low, high = 0.0, 1.0
    while high - low > _CLOSE:
        middle = (low + high) / 2
        low, high = (middle, high) if _mid_p(gains, losses, middle) < level else (low, middle)
    return low


def _mid_p(gains: int, losses: int, share: float) -> float:
    """Return the probability of more gains than these among as many texts, and half that of just as many.

    Each of the losses and gains is a gain with the probability `share`.
    """
    texts = losses + gains
    return float(bdtrc(gains, texts, share) + bdtrc(gains - 1, texts, share)) / 2


def _most_drop(losses: int, gains: int, texts: int, confidence: float) -> float:
    """Return the drop that is not exceeded with this confidence; below 0 where a rise is shown."""
    if not texts:
        return 1.0
    low, high = (losses - gains) / texts, 1.0

    def excluded(drop: float) -> bool:
        return drop_p_value(losses, gains, texts, drop) <= 1 - confidence

    step = 1 / texts  # most bounds are near the estimate: a search from there takes fewer tests
    while low + step < high and not excluded(low + step):
        low, step = low + step, 2 * step
    high = min(low + step, high)
    while high - low > _PRECISION * max(abs(high), 1 / texts):
        middle = (low + high) / 2
        low, high = (low, middle) if excluded(middle) else (middle, high)
    return high


def texts_needed(drop: float, confidence: float = CONFIDENCE) -> int:
    """Return how many texts without a loss or a gain exclude such a drop."""
    fewest, enough = 1, 2
    while drop_p_value(0, 0, enough, drop) > 1 - confidence:
        fewest, enough = enough, 2 * enough
    while enough - fewest > 1:
        middle = (fewest + enough) // 2
        if drop_p_value(0, 0, middle, drop) > 1 - confidence:
            fewest = middle
        else:
            enough = middle
    return enough


def _gain_shares(gains: int, texts: int, drop: float) -> Floats:
    """Return shares of gains within reach of the counts, by Clopper & Pearson (1934)."""
    half = _OUT_OF_REACH / 2
    low = float(betaincinv(gains, texts - gains + 1, half)) if gains else 0.0
    high = float(betaincinv(gains + 1, texts - gains, 1 - half)) if gains < texts else 1.0
    least, most = max(-drop, 0.0), (1 - drop) / 2
    return np.linspace(np.clip(low, least, most), np.clip(high, least, most), _NUISANCES)


def _most(share: float, texts: int) -> int:
    """Return a count that is exceeded with a probability below `_TAIL` (Bernstein's inequality)."""
    mean, log = share * texts, -float(np.log(_TAIL))
    return min(int(mean + log / 3 + np.sqrt(log * log / 9 + 2 * mean * log)) + 1, texts)


def _evidence(losses: Counts, gains: Counts, texts: int, drop: float) -> Floats:
    """Return the signed root of the likelihood ratio; positive where the counts speak against the drop."""
    if drop < 0:  # a rise is a drop with losses and gains exchanged
        return -_evidence(gains, losses, texts, -drop)
    linear = (losses + gains) * (1 - drop) - 2 * drop * (texts - losses)
    share = (linear + np.sqrt(linear**2 + 8.0 * texts * gains * drop * (1 - drop))) / (4 * texts)
    share = np.clip(share, 0.0, (1 - drop) / 2)
    held = _log_chance(losses, gains, texts, share + drop, share)
    free = _log_chance(losses, gains, texts, losses / texts, gains / texts)
    ratio: Floats = np.sqrt(np.maximum(2 * (free - held), 0.0)) * np.sign(drop * texts - (losses - gains))
    return ratio


def _log_chance(losses: Counts, gains: Counts, texts: int, loss: Floats | float, gain: Floats | float) -> Floats:
    neither = np.maximum(1.0 - loss - gain, 0.0)
    loss = np.maximum(loss, 0.0)  # rounding may leave a share just below 0
    chance: Floats = xlogy(losses, loss) + xlogy(gains, gain) + xlogy(texts - losses - gains, neither)
    return chance
