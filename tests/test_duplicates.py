import random

import numpy as np

from copydesk.data.duplicates import find_near_duplicates, jaccard
from copydesk.ngrams import hash_ngrams


def _exact_pairs(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    sets = [set(hash_ngrams([text], characters=(4,)).hashes.tolist()) for text in texts]
    return {
        (first, second)
        for first in range(len(texts))
        for second in range(first + 1, len(texts))
        if sets[first]
        and sets[second]
        and len(sets[first] & sets[second]) / len(sets[first] | sets[second]) >= threshold
    }


def test_it_finds_the_pairs_that_comparing_all_with_all_finds() -> None:
    chance = random.Random(0)
    words = [f"word{number}" for number in range(60)]
    texts = [" ".join(chance.choices(words, k=8)) for _ in range(150)]
    texts += [text.replace(chance.choice(text.split()), chance.choice(words), 1) for text in texts]
    found = find_near_duplicates(texts, 0.65)
    wanted = _exact_pairs(texts, 0.65)
    assert len(wanted) > 50
    assert set(found.pairs) == wanted


def test_groups_connect_copies_of_copies_and_are_named_by_the_first() -> None:
    base = "the quick brown fox jumps over the lazy dog near the river bank today"
    second, third = base + " again", base + " again and once more"
    found = find_near_duplicates([base, "something else entirely here", second, third], 0.7)
    assert found.group.tolist() == [0, 1, 0, 0]


def test_case_does_not_make_a_text_another_one() -> None:
    assert list(find_near_duplicates(["Breaking News Tonight", "breaking news tonight"], 1.0).pairs) == [(0, 1)]


def test_many_equal_texts_are_one_group() -> None:
    texts = ["the same text again and again"] * 3_000 + ["quite another one here"]
    assert np.unique(find_near_duplicates(texts, 0.8).group).tolist() == [0, 3_000]


def test_empty_and_single_texts_are_fine() -> None:
    assert find_near_duplicates([], 0.8).group.tolist() == []
    assert find_near_duplicates(["", "a", "a"], 0.8).group.tolist() == [0, 1, 2]


def test_jaccard_is_shared_over_all() -> None:
    first, second = np.array([1, 2, 3], np.uint64), np.array([2, 3, 4, 5], np.uint64)
    assert jaccard(first, second) == 0.4
