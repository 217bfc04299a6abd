from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from copydesk.metrics.paired import drop_bound, drop_p_value, texts_needed


def test_without_losses_or_gains_it_is_the_rule_of_three() -> None:
    assert texts_needed(0.001) == pytest.approx(np.log(0.05) / np.log(0.999), abs=5)
    assert drop_bound(0, 0, 3_000) == pytest.approx(3 / 3_000, rel=0.01)


@pytest.mark.parametrize("drop", [0.05, 0.15])
def test_a_drop_as_large_as_the_limit_is_excluded_in_at_most_one_of_twenty_samples(drop: float) -> None:
    texts = 25
    counts = [(losses, gains) for losses in range(texts + 1) for gains in range(texts + 1 - losses)]
    excluding = [pair for pair in counts if drop_p_value(*pair, texts, drop) <= 0.05]
    for gain in (0.0, 0.01, 0.03, 0.1, 0.2, 0.35):
        loss = gain + drop
        chances = [
            binom.pmf(lost, texts, loss) * binom.pmf(won, texts - lost, gain / (1 - loss)) for lost, won in excluding
        ]
        assert sum(chances) <= 0.05


def test_many_counts_agree_with_the_normal_approximation_next_to_them() -> None:
    below, above = drop_p_value(39, 40, 2_000, 0.01), drop_p_value(40, 40, 2_000, 0.01)
    assert below < above < 1.3 * below + 0.01


def test_gains_make_up_for_losses() -> None:
    assert drop_p_value(2, 8, 2_808, 0.001) < 0.05 < drop_p_value(2, 3, 2_808, 0.001)
    assert drop_bound(5, 10, 5_616) < drop_bound(5, 5, 5_616) < drop_bound(5, 0, 5_616)


def test_as_many_more_losses_as_the_limit_exclude_nothing() -> None:
    assert drop_p_value(4, 1, 3_000, 0.001) == 1.0
    assert drop_p_value(0, 0, 0, 0.001) == 1.0
    assert drop_bound(0, 0, 0) == 1.0
