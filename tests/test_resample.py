from collections import Counter

import pytest

from copydesk.data.resample import median_undersample, nearest_neighbours, scumble, tomek_links

TEXTS = [f"text number {number}" for number in range(3_000)]
LABELS = [("common",)] * 2_600 + [("common", "rare")] * 100 + [("middle",)] * 300


def test_labels_above_the_median_are_thinned_out_towards_it() -> None:
    kept = median_undersample(TEXTS, LABELS, 42)
    counts = Counter(name for place in kept for name in LABELS[place])
    assert counts["middle"] == 300 and counts["rare"] == 100
    assert 100 + 2_600 * 300 / 2_700 == pytest.approx(counts["common"], abs=60)


def test_a_text_goes_only_if_all_of_its_labels_vote_for_it() -> None:
    kept = set(median_undersample(TEXTS, LABELS, 42))
    assert set(range(2_600, 3_000)) <= kept


def test_what_stays_depends_on_the_text_and_the_seed_but_not_on_the_order() -> None:
    straight = {TEXTS[place] for place in median_undersample(TEXTS, LABELS, 1)}
    assert straight == {TEXTS[::-1][place] for place in median_undersample(TEXTS[::-1], LABELS[::-1], 1)}
    assert straight != {TEXTS[place] for place in median_undersample(TEXTS, LABELS, 2)}


def test_of_two_nearest_neighbours_with_other_labels_the_commoner_one_goes() -> None:
    topics = [
        "alpha beta gamma",
        "alpha beta delta",
        "omega sigma",
        "omega sigma tau",
        "kappa lambda",
        "kappa lambda mu",
    ]
    labels = [("a",), ("b",), ("a",), ("a",), ("c",), ("a",)]
    assert tomek_links(topics, labels, 0) == [1, 2, 3, 4]


def test_equally_common_neighbours_both_stay() -> None:
    assert tomek_links(["alpha beta", "alpha gamma"], [("a",), ("b",)], 0) == [0, 1]
    assert tomek_links([], [], 0) == [] and tomek_links(["one"], [("a",)], 0) == [0]


def test_the_nearest_neighbour_shares_the_rarest_words() -> None:
    texts = ["the old bank of the river", "the river bank", "the quantum state", "a state of quantum matter", ""]
    assert nearest_neighbours(texts)[:4].tolist() == [1, 0, 3, 2]


def test_scumble_is_nothing_if_labels_of_a_text_are_equally_common() -> None:
    assert scumble([("a", "b")], {"a": 2.0, "b": 2.0}) == pytest.approx(0)
    assert scumble([("a", "b")], {"a": 1.0, "b": 9.0}) == pytest.approx(1 - 3 / 5)
