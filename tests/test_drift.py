"""Drift: what alarms, what does not, and what is kept of texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from copydesk.errors import BundleError
from copydesk.monitor.compare import (
    discrimination,
    divergence,
    homogeneity_p_value,
    ks_test,
    pooled,
    stability_index,
)
from copydesk.monitor.detectors import Distribution, Shares, State, Topics, Window
from copydesk.monitor.drift import Drift, judged
from copydesk.monitor.promise import promise_of
from copydesk.monitor.reference import Answers, Reference, reference_of
from copydesk.monitor.traits import DIMENSIONS, NUMBERS, Vocabulary, from_steps, in_steps, traits_of

SUBJECTS = "mayor council minister court team river school museum storm market bank farmer".split()
VERBS = "opens closes wins loses visits plans rejects praises builds sells".split()
THINGS = "bridge budget match road festival harbour library trial law record".split()


def sentences(count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    chosen = [random.choice(words, count) for words in (SUBJECTS, VERBS, THINGS, THINGS)]
    return [f"The {first} {verb} the {thing} and a {other}" for first, verb, thing, other in zip(*chosen, strict=True)]


def window_of(texts: list[str], vocabulary: Vocabulary, *, labels: list[str], confidence: float = 0.9) -> Window:
    traits = traits_of(texts, vocabulary)
    sure = np.random.default_rng(len(texts)).beta(9, 1 / confidence, len(texts)).astype(np.float32)
    return Window(
        {name: traits.number(name) for name in NUMBERS} | {"confidence": sure},
        from_steps(in_steps(traits.vectors)),
        {"labels": labels},
    )


def labels_of(count: int, share: float, seed: int = 0) -> list[str]:
    return np.where(np.random.default_rng(seed).random(count) < share, "news", "clickbait").tolist()


PROMISE = promise_of(np.full(100, 0.91), np.arange(100) < 90)


@pytest.fixture(scope="module")
def reference() -> Reference:
    texts = sentences(2_000, seed=1)
    held = window_of(texts, Vocabulary.of(sentences(4_000, seed=2)), labels=labels_of(2_000, 0.5))
    return Reference(Vocabulary.of(sentences(4_000, seed=2)), held, PROMISE)


def names_of(states: list[State]) -> set[str]:
    return {state.detector for state in states if state.drifted}


def test_texts_like_those_of_training_do_not_alarm_in_fifty_windows(reference: Reference) -> None:
    drift = Drift.since(reference)
    for seed in range(50):
        window = window_of(sentences(250, seed + 10), reference.vocabulary, labels=labels_of(250, 0.5, seed))
        assert not names_of(drift.update(window)), seed


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda texts: [text.replace("the", "â€™ le") for text in texts], "not_ascii"),
        (lambda texts: [text.upper() for text in texts], "capitals"),
        (lambda texts: [f"{text} {text}" for text in texts], "words"),
        (lambda texts: [text.replace(" and", " , and").replace("The", "` The") for text in texts], "loose_punctuation"),
        (lambda texts: [f"A star of {text.split()[1]} galaxies" for text in texts], "unknown_words"),
        (lambda texts: [text.replace("The ", f"The {place % 90} ") for place, text in enumerate(texts)], "digits"),
    ],
    ids=["broken encoding", "upper case", "longer", "tokenised", "a new topic", "numbers"],
)
def test_a_planted_change_alarms_within_250_texts_by_the_detector_meant_for_it(
    reference: Reference, change: Callable[[list[str]], list[str]], found: str
) -> None:
    texts = change(sentences(250, seed=5))
    window = window_of(texts, reference.vocabulary, labels=labels_of(250, 0.5))
    assert found in names_of(Drift.since(reference).update(window))


def test_a_change_of_label_shares_alarms_and_names_the_labels(reference: Reference) -> None:
    window = window_of(sentences(250, seed=5), reference.vocabulary, labels=labels_of(250, 0.8))
    states = {state.detector: state for state in Drift.since(reference).update(window)}
    assert states["labels"].drifted and {*states["labels"].detail.split(", ")} == {"news +23%", "clickbait -23%"}


def test_known_words_in_another_mixture_are_a_change_of_topics(reference: Reference) -> None:
    storms = [text for text in sentences(4_000, seed=7) if "storm" in text or "river" in text][:250]
    window = window_of(storms, reference.vocabulary, labels=labels_of(250, 0.5))
    assert "topics" in names_of(Drift.since(reference).update(window))


def test_of_few_texts_nothing_is_said(reference: Reference) -> None:
    window = window_of([text.upper() for text in sentences(99, 1)], reference.vocabulary, labels=["news"] * 99)
    assert Drift.since(reference).update(window) == []


def test_a_certain_change_that_is_too_small_to_matter_is_no_alarm() -> None:
    before = np.random.default_rng(1).normal(size=20_000).astype(np.float32)
    after = (np.random.default_rng(2).normal(size=20_000) + 0.1).astype(np.float32)
    state = judged([Distribution("confidence", before).update(Window({"confidence": after}, after[:, None]))])[0]
    assert state.p_value < 1e-6 and not state.drifted


def test_detectors_are_judged_together() -> None:
    def state(p_value: float) -> State:
        return State("any", 250, "KS", 1.0, 0.1, p_value)

    alone, among = judged([state(0.0009)]), judged([state(0.0009), *(state(0.5) for _ in range(9))])
    assert alone[0].drifted and not among[0].drifted
    assert [one.drifted for one in judged([state(0.5), state(0.0009), state(1e-5)])] == [False, False, True]


def test_a_label_that_was_never_seen_counts() -> None:
    window = Window({}, np.zeros((200, 2), np.float32), {"labels": ["a"] * 150 + ["new"] * 50})
    assert Shares("labels", {"a": 1_000}).update(window).p_value < 1e-6


def test_topics_are_told_apart_only_where_they_differ() -> None:
    random = np.random.default_rng(3)
    before = random.normal(size=(1_000, 8)).astype(np.float32)
    topics = Topics(before)
    same = topics.update(Window({}, random.normal(size=(250, 8)).astype(np.float32)))
    moved = topics.update(Window({}, (random.normal(size=(250, 8)) + 0.5).astype(np.float32)))
    assert same.p_value > 0.001 and moved.p_value < 1e-6 and moved.effect > 0.7


def test_measures_of_equal_samples_are_nothing() -> None:
    counts = np.array([30.0, 70.0])
    assert stability_index(counts, counts) == 0 and divergence(counts, counts) == 0
    assert homogeneity_p_value(counts, counts) == 1
    values = np.arange(50, dtype=np.float32)
    assert ks_test(values, values) == (0.0, 1.0)
    assert divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1
    assert discrimination(values[:, None], values[:, None]) == pytest.approx(0.5, abs=0.05)


def test_the_ks_test_agrees_with_scipys() -> None:
    from scipy.stats import ks_2samp

    random = np.random.default_rng(4)
    first, second = random.normal(size=400).astype(np.float32), random.normal(0.2, size=300).astype(np.float32)
    known = ks_2samp(first, second)
    distance, p_value = ks_test(first, second)
    assert distance == pytest.approx(known.statistic) and p_value == pytest.approx(known.pvalue, rel=0.15)


def test_rare_categories_are_judged_together() -> None:
    before, now = pooled(np.array([500.0, 5.0, 5.0, 0.0]), np.array([100.0, 1.0, 1.0, 0.0]))
    assert before.tolist() == [500.0, 10.0] and now.tolist() == [100.0, 2.0]


def test_a_reference_is_the_same_when_read_back(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path / "reference.safetensors")
    read = Reference.load(tmp_path / "reference.safetensors")
    window = window_of([text.upper() for text in sentences(200, 3)], reference.vocabulary, labels=["news"] * 200)
    assert Drift.since(read).update(window) == Drift.since(reference).update(window)
    assert read.accuracy == 0.9 and read.promise.share(0.8, {}) == reference.promise.share(0.8, {})


def test_a_damaged_reference_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "reference.safetensors").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="reference.safetensors"):
        Reference.load(tmp_path / "reference.safetensors")


def test_a_reference_holds_no_word_of_its_texts(tmp_path: Path) -> None:
    texts = [*sentences(100, 1), "Zanzibar calls +46 70 123 45 67"]
    made = reference_of(Answers(texts, np.full(101, 0.9), {"labels": ["news"] * 101}), texts, PROMISE)
    made.save(tmp_path / "reference.safetensors")
    content = (tmp_path / "reference.safetensors").read_bytes().lower()
    assert b"zanzibar" not in content and b"123" not in content


def test_a_large_reference_is_sampled_evenly() -> None:
    texts = [f"word{place}" for place in range(12_000)]
    made = reference_of(Answers(texts, np.linspace(0, 1, 12_000), {"labels": ["a"]}), texts[:10], PROMISE)
    assert made.window.n == 5_000
    assert made.window.numbers["confidence"].mean() == pytest.approx(0.5, abs=0.01)


def test_traits_of_awkward_texts_are_finite_and_of_their_shape() -> None:
    texts = ["", " ", "\ud800", "日本語の見出し", "a" * 100_000, "1234 !!! ÅÄÖ"]
    traits = traits_of(texts, Vocabulary.of(["a known word"]))
    assert traits.numbers.shape == (6, len(NUMBERS)) and traits.vectors.shape == (6, DIMENSIONS)
    assert np.isfinite(traits.numbers).all() and np.isfinite(traits.vectors).all()
    assert traits_of([], Vocabulary.of([])).vectors.shape == (0, DIMENSIONS)


def test_a_text_has_the_same_traits_alone_and_among_others() -> None:
    texts = sentences(20, 1)
    vocabulary = Vocabulary.of(texts)
    together = traits_of(texts, vocabulary)
    for place, text in enumerate(texts):
        alone = traits_of([text], vocabulary)
        assert np.allclose(alone.numbers[0], together.numbers[place]) and np.allclose(
            alone.vectors[0], together.vectors[place]
        )


def test_numbers_say_what_their_names_say() -> None:
    traits = traits_of(["The 3 CATS , é"], Vocabulary.of(["the cats"]))
    of = {name: float(traits.number(name)[0]) for name in NUMBERS}
    assert of["words"] == 4 and of["characters"] == 14
    assert of["digits"] == pytest.approx(1 / 14) and of["capitals"] == pytest.approx(5 / 14)
    assert of["punctuation"] == of["loose_punctuation"] == pytest.approx(1 / 14)
    assert of["not_ascii"] == pytest.approx(1 / 14) and of["unknown_words"] == 0.5
