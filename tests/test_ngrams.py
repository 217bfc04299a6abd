import random

import numpy as np

from copydesk.ngrams import hash_ngrams


def _sets(texts: list[str], **lengths: tuple[int, ...]) -> list[set[int]]:
    found = hash_ngrams(texts, **lengths)
    return [set(found.hashes[found.owner == place].tolist()) for place in range(found.texts)]


def test_equal_ngrams_get_equal_hashes_wherever_they_stand() -> None:
    first, second = _sets(["abcdef", "xxabcdefyy"], characters=(4,))
    inside = {" abc", "abcd", "bcde", "cdef", "def "}
    assert len(first) == len(inside)
    assert len(first & second) == 3  # abcd, bcde, cdef


def test_as_many_distinct_hashes_as_distinct_ngrams() -> None:
    chance = random.Random(0)
    texts = ["".join(chance.choices("abc ", k=40)).strip() or "a" for _ in range(200)]
    for n in (2, 3, 5):
        wanted = {f" {text} "[place : place + n] for text in texts for place in range(len(text) + 3 - n)}
        assert len(set(hash_ngrams(texts, characters=(n,)).hashes.tolist())) == len(wanted)


def test_words_are_runs_of_letters_and_digits_and_pairs_never_cross_texts() -> None:
    single, pairs = hash_ngrams(["one, two", "three"], words=(1,)), hash_ngrams(["one, two", "three"], words=(2,))
    assert single.owner.tolist() == [0, 0, 1]
    assert pairs.owner.tolist() == [0]


def test_a_word_and_the_same_characters_as_an_ngram_are_told_apart() -> None:
    word, characters = _sets(["abc"], words=(1,))[0], _sets(["abc"], characters=(3,))[0]
    assert not word & characters


def test_case_does_not_count() -> None:
    assert _sets(["Breaking NEWS"], words=(1, 2)) == _sets(["breaking news"], words=(1, 2))


def test_hashes_do_not_depend_on_the_other_texts() -> None:
    texts = [f"text number {number} about words" for number in range(30_000)]
    alone = _sets([texts[29_999]], characters=(3,), words=(1,))[0]
    together = hash_ngrams(texts, characters=(3,), words=(1,))
    assert set(together.hashes[together.owner == 29_999].tolist()) == alone


def test_empty_and_odd_texts_are_taken() -> None:
    found = hash_ngrams(["", "a", "\udc80", "日本語", "👩‍👩‍👧"], characters=(2,), words=(1,))
    assert found.texts == 5
    assert hash_ngrams([], characters=(2,)).hashes.size == 0


def test_starts_are_where_each_texts_hashes_begin() -> None:
    found = hash_ngrams(["abcd", "", "xyz"], characters=(4,))
    starts = found.starts()
    assert starts.tolist() == [0, 3, 3, 5]
    assert np.unique(found.owner[starts[0] : starts[1]]).tolist() == [0]
