import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from copydesk.data.dataset import PARTS, Part
from copydesk.data.split import moment_of, split_by_time, split_label_sets, split_rows
from copydesk.errors import DataError

SHARES: dict[Part, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def _split(texts: list[str], labels: list[str], groups: list[int] | None = None, seed: int = 42) -> list[Part]:
    return split_rows(texts, labels, groups or list(range(len(texts))), shares=SHARES, seed=seed)


def test_every_label_keeps_its_shares() -> None:
    texts = [f"text {number}" for number in range(1_000)]
    labels = ["rare" if number % 10 == 0 else "common" for number in range(1_000)]
    counts = Counter(zip(_split(texts, labels), labels, strict=True))
    assert counts["train", "rare"] == 80 and counts["validation", "rare"] == 10 and counts["test", "rare"] == 10
    assert counts["train", "common"] == 720


def test_a_group_is_never_torn_apart() -> None:
    chance = random.Random(0)
    groups = [chance.randrange(120) for _ in range(600)]
    labels = [chance.choice("ab") for _ in range(600)]
    parts = _split([f"text {number}" for number in range(600)], labels, groups)
    assert all(len({part for part, group in zip(parts, groups, strict=True) if group == name}) == 1 for name in groups)
    assert 40 <= Counter(parts)["test"] <= 80


def test_the_order_of_the_rows_does_not_matter() -> None:
    texts = [f"text {number}" for number in range(200)]
    labels = ["a" if number % 3 else "b" for number in range(200)]
    straight = dict(zip(texts, _split(texts, labels), strict=True))
    order = random.Random(1).sample(range(200), 200)
    mixed = _split([texts[place] for place in order], [labels[place] for place in order])
    assert {texts[place]: part for place, part in zip(order, mixed, strict=True)} == straight


def test_another_seed_gives_other_parts() -> None:
    texts = [f"text {number}" for number in range(200)]
    assert _split(texts, ["a"] * 200, seed=1) != _split(texts, ["a"] * 200, seed=2)


def test_a_label_with_few_rows_stays_in_training() -> None:
    assert _split(["one", "two"], ["a", "a"]) == ["train", "train"]


def _label_sets(count: int, labels: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Return sets of labels of which few are common and many rare."""
    chance = random.Random(seed)
    weights = [1 / (place + 1) for place in range(labels)]
    names = [f"label {place}" for place in range(labels)]
    return [tuple(sorted(set(chance.choices(names, weights, k=chance.randint(1, 3))))) for _ in range(count)]


def test_every_part_has_every_label_that_three_groups_have() -> None:
    sets = _label_sets(1_500, 120)
    parts = split_label_sets([f"text {n}" for n in range(1_500)], sets, list(range(1_500)), shares=SHARES, seed=1)
    total = Counter(label for labels in sets for label in labels)
    counts = {
        part: Counter(x for labels, p in zip(sets, parts, strict=True) if p == part for x in labels) for part in PARTS
    }
    assert min(total.values()) < 5
    assert all(counts[part][label] for label, count in total.items() if count >= 3 for part in PARTS)
    assert all(abs(counts["test"][label] - count * 0.1) <= max(1, count * 0.02) for label, count in total.items())
    assert all(1_500 * SHARES[part] == pytest.approx(parts.count(part), abs=30) for part in PARTS)


def test_groups_of_label_sets_are_never_torn_apart_and_order_does_not_matter() -> None:
    chance = random.Random(3)
    sets, texts = _label_sets(600, 30), [f"text {number}" for number in range(600)]
    groups = [chance.randrange(300) for _ in texts]
    parts = split_label_sets(texts, sets, groups, shares=SHARES, seed=42)
    assert len(set(zip(groups, parts, strict=True))) == len(set(groups))
    order = chance.sample(range(600), 600)
    mixed = split_label_sets(
        [texts[n] for n in order], [sets[n] for n in order], [groups[n] for n in order], shares=SHARES, seed=42
    )
    assert [parts[number] for number in order] == mixed


def test_rows_without_any_label_fill_the_parts_up() -> None:
    sets: list[tuple[str, ...]] = [("a",) if number % 10 == 0 else () for number in range(400)]
    parts = split_label_sets([str(number) for number in range(400)], sets, list(range(400)), shares=SHARES, seed=1)
    assert Counter(parts) == {"train": 320, "validation": 40, "test": 40}


def test_a_part_without_a_share_gets_nothing_of_label_sets() -> None:
    shares: dict[Part, float] = {"train": 0.75, "validation": 0.0, "test": 0.25}
    parts = split_label_sets(["a", "b", "c", "d"], [("x",)] * 4, [0, 1, 2, 3], shares=shares, seed=1)
    assert Counter(parts) == {"train": 3, "test": 1}


def test_two_thousand_labels_are_split_too() -> None:
    sets = _label_sets(6_000, 2_000)
    parts = split_label_sets([str(n) for n in range(6_000)], sets, list(range(6_000)), shares=SHARES, seed=1)
    assert set(parts) == set(PARTS)


def _days(counts: list[int]) -> list[datetime]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [start + timedelta(days=day) for day, count in enumerate(counts) for _ in range(count)]


def test_by_time_the_newest_rows_are_the_test_part() -> None:
    times = _days([1] * 100)
    assert split_by_time(times[::-1], SHARES) == ["test"] * 10 + ["validation"] * 10 + ["train"] * 80
    assert Counter(split_by_time(times, {"train": 0.7, "validation": 0, "test": 0.3})) == {"train": 70, "test": 30}


@pytest.mark.parametrize("counts", [[78, 10, 4, 8], [1, 97, 1, 1], [98, 1, 1], [1, 1, 98], [50, 50, 50]])
def test_equal_times_are_never_torn_apart_and_no_part_is_empty(counts: list[int]) -> None:
    times = _days(counts)
    parts = split_by_time(times, SHARES)
    assert len(set(zip(times, parts, strict=True))) == len(counts)
    assert set(parts) == set(PARTS)
    assert sorted(parts, key=PARTS.index) == parts


def test_too_few_different_times_are_refused() -> None:
    with pytest.raises(DataError, match="have only 2 different times; 3 parts need more"):
        split_by_time(_days([50, 50]), SHARES)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-03-31", datetime(2026, 3, 31, tzinfo=UTC)),
        (" 2026-03-31T02:00:00+02:00", datetime(2026, 3, 31, tzinfo=UTC)),
        (date(2026, 3, 31), datetime(2026, 3, 31, tzinfo=UTC)),
        (datetime(2026, 3, 31, 8), datetime(2026, 3, 31, 8, tzinfo=UTC)),
    ],
)
def test_dates_are_read_from_dates_and_iso_text(value: object, moment: datetime) -> None:
    assert moment_of(value, "a.csv:1", "day") == moment


@pytest.mark.parametrize("value", [None, "", "31.3.2026", 2026])
def test_what_is_no_date_is_refused_with_its_row(value: object) -> None:
    with pytest.raises(DataError, match="a.csv:7: prepare.split.time column 'day' has .*, which is no date"):
        moment_of(value, "a.csv:7", "day")
