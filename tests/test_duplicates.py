import random

import numpy as np
import pytest

from copydesk import ngrams
from copydesk.data import duplicates
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


def test_what_it_finds_does_not_depend_on_how_texts_and_pairs_are_cut_into_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(1)
    words = [f"word{number}" for number in range(40)]
    texts = ["", "a", *(" ".join(chance.choices(words, k=8)) for _ in range(60))]
    texts += [text.replace(chance.choice(text.split()), "other", 1) for text in texts[2:]] + texts[5:15] + ["A", " "]
    whole = find_near_duplicates(texts, 0.6)
    monkeypatch.setattr(ngrams, "_CHUNK_CHARACTERS", 100)
    monkeypatch.setattr(duplicates, "_CHUNK_PAIRS", 3)
    parts = find_near_duplicates(texts, 0.6)
    assert len(whole.pairs) > 60
    assert parts.pairs == whole.pairs and parts.group.tolist() == whole.group.tolist()


def test_a_value_that_occurs_again_is_told_from_one_that_does_not() -> None:
    assert duplicates.repeated(np.array([3, 1, 3, 2, 1, 3])).tolist() == [True, True, True, False, True, True]
    assert duplicates.repeated(np.array([], np.int64)).tolist() == []


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
