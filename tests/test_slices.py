"""Slices of the test texts: which there are, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from copydesk.slices import TextSlice, by_length, judged, slices_of

ENGLISH = "The government has announced the new budget today"
GERMAN = "Die Regierung hat heute den neuen Haushalt vorgestellt"


def _names(slices: list[TextSlice]) -> dict[str, int]:
    return {part.name: part.texts for part in slices}


def test_length_slices_cover_every_text_once() -> None:
    slices = by_length(["w " * count for count in (1, 2, 2, 3, 5, 8, 13, 21)], least=2)
    assert sum(part.inside.astype(int) for part in slices).tolist() == [1] * 8
    assert slices[0].name == "1–2 words"


def test_few_texts_are_parted_into_halves_and_very_few_not_at_all() -> None:
    texts = ["w " * count for count in range(1, 9)]
    assert len(by_length(texts, least=4)) == 2
    assert by_length(texts, least=5) == []


def test_texts_of_one_length_are_no_slices() -> None:
    assert by_length(["one two", "three four"], least=1) == []


def test_languages_and_sources_are_slices() -> None:
    texts, sources = [ENGLISH] * 3 + [GERMAN] * 3, ["a.csv", "b.csv"] * 3
    assert _names(slices_of(texts, sources=sources, least=3)) == {
        "language: en": 3,
        "language: de": 3,
        "source: a.csv": 3,
        "source: b.csv": 3,
    }


def test_a_slice_of_few_texts_or_of_all_is_left_out() -> None:
    texts, sources = [ENGLISH] * 6, ["a.csv"] * 3 + ["b.csv"] * 2 + ["c.csv"]
    assert _names(slices_of(texts, sources=sources, least=2)) == {"source: a.csv": 3, "source: b.csv": 2}
    assert slices_of(texts, sources=["a.csv"] * 5 + ["c.csv"], least=2) == []


def test_rules_name_slices() -> None:
    def rules(texts: object) -> dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        return {"budget": np.array(["budget" in text for text in texts])}  # type: ignore[attr-defined]

    found = slices_of([ENGLISH, GERMAN, ENGLISH, GERMAN], rules=[rules], least=2)
    assert _names(found)["rule: budget"] == 2


def test_a_slice_is_judged_by_its_own_texts() -> None:
    inside, right = np.array([True, True, False, True]), np.array([True, False, False, True])
    (found,) = judged([TextSlice("rule: any", inside)], right)
    assert (found.name, found.n, found.accuracy) == ("rule: any", 3, pytest.approx(2 / 3))
    assert found.interval[0] < 2 / 3 < found.interval[1]
