import numpy as np

from copydesk.models.batches import budget_batches, training_batches

LENGTHS = np.random.default_rng(0).integers(3, 60, 1_000)


def test_prediction_batches_hold_every_text_once_within_the_budget() -> None:
    batches = budget_batches(LENGTHS, 512)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1_000))
    assert all(len(batch) * LENGTHS[batch].max() <= 512 for batch in batches)


def test_a_text_longer_than_the_budget_stands_alone() -> None:
    assert [batch.tolist() for batch in budget_batches(np.array([3, 900, 4]), 100)] == [[1], [2, 0]]


def test_no_texts_are_no_batches() -> None:
    assert budget_batches(np.empty(0, np.int64), 100) == []


def test_training_batches_hold_every_text_once_with_little_padding() -> None:
    batches = training_batches(LENGTHS, 512, np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1_000))
    padded = sum(len(batch) * int(LENGTHS[batch].max()) for batch in batches)
    assert padded < 1.15 * LENGTHS.sum()


def test_every_epoch_has_as_many_batches_but_other_ones() -> None:
    first, second = (training_batches(LENGTHS, 512, np.random.default_rng([7, epoch])) for epoch in (0, 1))
    assert len(first) == len(second) == round(LENGTHS.sum() / 512)
    assert {tuple(sorted(batch)) for batch in first} != {tuple(sorted(batch)) for batch in second}


def test_one_seed_gives_one_order() -> None:
    first, second = (training_batches(LENGTHS, 512, np.random.default_rng(7)) for _ in range(2))
    assert all((left == right).all() for left, right in zip(first, second, strict=True))


def test_a_giant_text_does_not_change_the_number_of_batches() -> None:
    lengths = np.array([5] * 100 + [5_000])
    counts = {len(training_batches(lengths, 100, np.random.default_rng(seed))) for seed in range(20)}
    assert counts == {55}
