"""How much better one model is than another in any metric, by a bootstrap over texts that both have answered.

Each resample draws texts, and both models' answers with them (a paired bootstrap: Efron & Tibshirani 1993, ch. 13; for
language tasks Berg-Kirkpatrick, Burkett & Klein 2012). As it stands it is too sure where few answers differ: of three
texts, all better, 95 % of the resamples hold one. So each resample also gets, on average, one imagined text that is
lost and one that is gained, drawn from all texts, as Bonett & Price (2012, Journal of Educational and Behavioral
Statistics 37:479) add them to a difference of paired shares. Where nothing differs the bound is then that of some three
texts, nearly the rule of three.

It knows sums of rows (`tally.py`), and neither tasks nor models.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from copydesk.metrics.base import SEED, Counts
from copydesk.metrics.tally import LOWER_IS_BETTER, Tally

RESAMPLES = 2_000
_AT_ONCE = 100
_FEW_COLUMNS = 40
"""With so many columns rows are looked through for equal ones, which are drawn together."""


def paired_rises(new: Tally, old: Tally, metric: str, *, resamples: int = RESAMPLES, seed: int = SEED) -> Counts:
    """Return how much better the new answers are in each resample, shape (resamples,); deterministic.

    A rise is for the better: a metric that counts what is wrong is turned round.
    """
    rng = np.random.default_rng(seed)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    rises = []
    for sums in _resampled(new.rows, old.rows, resamples, rng):
        mine, its = np.split(sums + _imagined(new, old, len(sums), rng), 2, axis=1)
        rises.append(sign * (new.metrics(mine)[metric] - old.metrics(its)[metric]))
    return np.concatenate(rises)


def _resampled(new: Counts, old: Counts, resamples: int, rng: np.random.Generator) -> Iterator[Counts]:
    """Yield blocks of both models' sums over the same drawn texts, shape (block, columns of both).

    Equal rows are drawn as one, by their number.
    """
    texts = len(new)
    tables, times = [new, old], np.ones(texts, np.int64)
    if new.shape[1] <= _FEW_COLUMNS:
        rows, times = np.unique(np.concatenate(tables, axis=1), axis=0, return_counts=True)
        tables = [rows]
    for start in range(0, resamples, _AT_ONCE):
        draws = rng.multinomial(texts, times / texts, size=min(_AT_ONCE, resamples - start))
        yield np.concatenate([draws.astype(table.dtype) @ table for table in tables], axis=1, dtype=np.float64)


def _imagined(new: Tally, old: Tally, resamples: int, rng: np.random.Generator) -> Counts:
    """Return what texts that are lost and gained add to each resample, one of each on average."""
    lost = np.concatenate([new.worst, old.best], axis=1)
    gained = np.concatenate([new.best, old.worst], axis=1)
    return _some(lost, resamples, rng) + _some(gained, resamples, rng)


def _some(rows: Counts, resamples: int, rng: np.random.Generator) -> Counts:
    """Return sums of a few rows by chance, shape (resamples, columns): none, one or more, one on average."""
    resample: NDArray[np.int64] = np.repeat(np.arange(resamples), rng.poisson(1.0, resamples))
    sums = np.zeros((resamples, rows.shape[1]))
    np.add.at(sums, resample, rows[rng.integers(len(rows), size=len(resample))])
    return sums
