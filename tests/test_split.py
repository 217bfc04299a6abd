import random
from collections import Counter

from copydesk.data.dataset import Part
from copydesk.data.split import split_rows

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
