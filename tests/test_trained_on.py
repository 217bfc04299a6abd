"""What a model has seen: found by hash and by sketch, although no text is kept."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from copydesk.data import trained_on
from copydesk.data.duplicates import jaccard, shingled
from copydesk.data.trained_on import TrainedOn, find_leaks, sketch
from copydesk.errors import BundleError

WORDS = ["".join(random.Random(word).choices("abcdefghijklmnopqrstuvwxyz", k=6)) for word in range(400)]


def _texts(count: int, seed: int = 0, words: int = 10) -> list[str]:
    chance = random.Random(seed)
    return [f"{' '.join(chance.choices(WORDS, k=words))} {chance.randrange(10**6)}" for _ in range(count)]


def test_a_text_is_found_whatever_its_case_and_white_space() -> None:
    known = sketch(["The Council's budget,\x1fof 2024"])
    found = find_leaks(known, ["Another text altogether", "THE council's   budget, of 2024 "])
    assert (found.exact, found.near, found.texts, found.share) == ([1], [], 2, 0.5)


@pytest.mark.parametrize(
    "copy",
    [
        "The councl's new budget leaves the harbour museum without 12 million",
        "The council's new budget leaves the harbour museum without 13 million",
        "The council's new budget leaves the harbour museum without 12 million!!",
        "The council's new budget leaves harbour museum without 12 million",
    ],
)
def test_a_near_copy_is_found(copy: str) -> None:
    known = sketch([*_texts(500), "The council's new budget leaves the harbour museum without 12 million"])
    found = find_leaks(known, [copy])
    assert (found.exact, found.near) == ([], [0])
    assert 0.65 <= found.found[0].similarity < 1


def test_other_texts_of_the_same_words_are_no_leaks() -> None:
    assert find_leaks(sketch(_texts(2_000)), _texts(500, seed=1)).found == []


def test_the_estimate_is_near_the_true_similarity() -> None:
    first = _texts(200, words=30)
    second = [
        " ".join([*text.split()[: 5 + place % 26], *_texts(1, place)[0].split()]) for place, text in enumerate(first)
    ]
    errors = []
    for one, other in zip(first, second, strict=True):
        sets = shingled([one, other])
        estimate = find_leaks(sketch([one]), [other], near=0.01).found[0].similarity
        errors.append(estimate - jaccard(sets.of(0), sets.of(1)))
    assert abs(np.mean(errors)) < 0.02
    assert np.std(errors) < 0.05


def test_a_text_that_the_model_was_tuned_on_is_told_apart() -> None:
    known = sketch(
        ["trained on this text", "trained on both of them"], ["tuned on this text", "trained on both of them"]
    )
    found = find_leaks(known, ["tuned on this text", "trained on both of them"])
    assert (found.exact, found.tuned_on, found.share) == ([1], [0], 0.5)


def test_texts_without_any_4_gram_are_found_only_as_they_are() -> None:
    known = sketch(["a", "b", ""])
    assert find_leaks(known, ["A", "c", "d"]).exact == [0]
    assert find_leaks(known, ["c", "", "d"]).near == []


def test_nothing_was_trained_on_and_nothing_is_asked() -> None:
    assert find_leaks(sketch([]), ["a text"]).found == []
    assert find_leaks(sketch(["a text"]), []).share == 0.0


def test_a_file_gives_the_same_answers_and_tells_nothing_of_order(tmp_path: Path) -> None:
    texts, file = _texts(300), tmp_path / "training.safetensors"
    sketch(texts, texts[:5]).save(file)
    assert find_leaks(file, texts).exact == list(range(300))
    reordered = sketch(texts[::-1], texts[4::-1])
    assert all((tensor == load_file(file)[name]).all() for name, tensor in _tensors(reordered, tmp_path).items())
    assert file.stat().st_size < 305 * 72 + 1_000


def _tensors(known: TrainedOn, folder: Path) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    known.save(folder / "other.safetensors")
    return dict(load_file(folder / "other.safetensors"))


def test_of_very_many_texts_all_are_hashed_and_a_part_is_sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_on, "MOST_SKETCHES", 100)
    texts = _texts(400)
    found = find_leaks(sketch(texts), [*texts, *(f"{text}!" for text in texts)])
    assert found.exact == list(range(400))
    assert 80 <= len(found.near) <= 100
    assert found.sketched == pytest.approx(100 / len(set(texts)))


def test_a_bundle_that_does_not_say_is_no_bundle_without_leaks(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not say what it was trained on"):
        find_leaks(tmp_path / "training.safetensors", ["a text"])


def test_sketches_of_another_form_are_not_compared(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    save_file({"train.hashes": np.zeros(1, np.uint64)}, file, metadata={"bits": "64"})
    with pytest.raises(BundleError, match="Train the model again"):
        find_leaks(file, ["a text"])
    known = sketch(["a text"])
    odd = {name: trained_on.Sketched(part.hashes, part.sketches[:, :8]) for name, part in known.parts.items()}
    TrainedOn(odd).save(file)
    with pytest.raises(BundleError, match="does not hold the sketches"):
        find_leaks(file, ["a text"])
    file.write_bytes(b"not safetensors at all")
    with pytest.raises(BundleError, match="does not hold the sketches"):
        find_leaks(file, ["a text"])
