"""Drift: what alarms, what does not, and what is kept of texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from copydesk.errors import BundleError
from copydesk.monitor.compare import (
    Cloud,
    binned,
    discrimination,
    divergence,
    homogeneity_p_value,
    ks_test,
    mean_shift_p_value,
    pooled,
    stability_index,
    tenths,
)
from copydesk.monitor.detectors import Distribution, Shares, State, Topics, Window, number_detector
from copydesk.monitor.drift import ALPHA, Drift, judged
from copydesk.monitor.meaning import shared_company
from copydesk.monitor.promise import promise_of
from copydesk.monitor.reference import Answers, Reference, reference_of
from copydesk.monitor.traits import DIMENSIONS, NUMBERS, Vocabulary, from_steps, in_steps, traits_of
from monitor_logs import sentences


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
    assert discrimination(values[:, None], values[:, None], np.ones((1, 1))) == pytest.approx(0.5, abs=0.05)


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


def test_a_broken_encoding_is_found_where_few_texts_have_other_letters(reference: Reference) -> None:
    texts = [text.replace("a", "â€™", 1) if place % 20 == 0 else text for place, text in enumerate(sentences(250, 5))]
    state = by_detector(reference, window_of(texts, reference.vocabulary, labels=labels_of(250, 0.5)))["not_ascii"]
    assert state.drifted and state.detail == "in 0.0% → 5.2% of texts"


def test_a_known_topic_that_grows_is_found_though_every_word_is_known(reference: Reference) -> None:
    storms = [text for text in sentences(4_000, seed=7) if "storm" in text or "river" in text]
    texts = [*storms[:100], *sentences(150, seed=8)]
    window = window_of(texts, reference.vocabulary, labels=labels_of(250, 0.5))
    assert names_of(Drift.since(reference).update(window)) == {"topics"}


def test_drift_that_grows_slowly_is_found_since_the_reference_stays(reference: Reference) -> None:
    drift = Drift.since(reference)

    def alarms(week: int) -> set[str]:
        labels = labels_of(500, 0.5 + 0.02 * week, seed=week)
        return names_of(drift.update(window_of(sentences(500, 40 + week), reference.vocabulary, labels=labels)))

    weeks = [alarms(week) for week in range(12)]
    assert not any(weeks[:3]) and all("labels" in found for found in weeks[-3:])


def test_a_window_against_the_one_before_would_not_see_it() -> None:
    before = {"news": 270, "clickbait": 230}
    state = judged([Shares("labels", before).update(counted(["news"] * 280 + ["clickbait"] * 220))])[0]
    assert not state.drifted


def counted(labels: list[str]) -> Window:
    return Window({}, np.zeros((len(labels), 2), np.float32), {"labels": labels})


def by_detector(reference: Reference, window: Window) -> dict[str, State]:
    return {state.detector: state for state in Drift.since(reference).update(window)}


def test_what_a_window_does_not_hold_is_no_drift(reference: Reference) -> None:
    window = window_of(sentences(250, seed=5), reference.vocabulary, labels=[])
    numbers = {name: values for name, values in window.numbers.items() if name != "digits"}
    states = by_detector(reference, Window({**numbers, "confidence": np.full(250, np.nan, np.float32)}, window.vectors))
    for name in ("labels", "digits", "confidence"):
        assert (states[name].n, states[name].effect, states[name].p_value) == (0, 0.0, 1.0)
    assert not names_of([*states.values()])


def test_confidence_that_is_no_number_does_not_count() -> None:
    before = np.linspace(0.5, 1, 1_000).astype(np.float32)
    now = np.append(np.linspace(0.5, 1, 200), [np.nan] * 50).astype(np.float32)
    state = Distribution("confidence", before).update(Window({"confidence": now}, now[:, None]))
    assert state.n == 200 and state.p_value > 0.9 and np.isfinite(list(state.measures.values())).all()


@pytest.mark.parametrize("now", [np.zeros(250), np.ones(250)], ids=["as before", "another"])
def test_a_number_that_is_always_the_same_is_judged_by_whether_it_still_is(now: np.ndarray) -> None:
    state = number_detector("digits", np.zeros(1_000, np.float32)).update(
        Window({"digits": now.astype(np.float32)}, now[:, None].astype(np.float32))
    )
    assert judged([state])[0].drifted == bool(now.any())


def test_vectors_that_are_always_the_same_are_judged_by_whether_they_still_are() -> None:
    nothing, something = np.zeros((1_000, 8), np.float32), np.eye(8, dtype=np.float32)[[0] * 250]
    topics = Topics(nothing)
    assert topics.update(Window({}, nothing[:250])).p_value == 1
    assert judged([topics.update(Window({}, something))])[0].drifted


def test_a_model_with_one_label_has_no_drift_of_labels_until_it_gives_none() -> None:
    shares = Shares("labels", {"news": 1_000})
    assert shares.update(counted(["news"] * 250)).p_value == 1
    assert judged([shares.update(counted(["news"] * 200 + [""] * 50))])[0].drifted


def test_one_text_of_a_label_that_the_reference_has_not_proves_nothing() -> None:
    before = {"news": 1_500, "clickbait": 1_500}
    once = Shares("labels", before).update(counted(["news"] * 125 + ["clickbait"] * 124 + ["new"]))
    assert once.p_value > 0.5
    assert homogeneity_p_value(np.array([3_000.0, 0.0]), np.array([248.0, 2.0])) == pytest.approx(0.0059, abs=2e-4)


def test_of_a_reference_of_fifty_texts_one_new_label_in_a_large_window_is_no_proof() -> None:
    found = [Shares("labels", {"a": 49, "b": 1}).update(counted(["a"] * (2_000 - b) + ["b"] * b)) for b in (1, 20, 80)]
    assert all(state.p_value > 0.001 for state in found)


def test_fishers_test_agrees_with_scipys() -> None:
    from scipy.stats import fisher_exact

    for before, now in (([3_000, 0], [248, 2]), ([900, 3], [95, 5]), ([49, 1], [1_980, 20]), ([50, 2], [250, 0])):
        known = fisher_exact([before, now]).pvalue
        assert homogeneity_p_value(np.array(before, float), np.array(now, float)) == pytest.approx(known)


def test_the_distance_of_means_is_as_improbable_as_permutations_say() -> None:
    random = np.random.default_rng(6)
    scales = np.linspace(1, 0.1, 12)
    before = (random.standard_t(4, (600, 12)) * scales).astype(np.float32)
    now = (random.standard_t(4, (120, 12)) * scales + 0.1).astype(np.float32)
    both, found = np.concatenate([before, now]), []
    for _ in range(2_000):
        order = random.permutation(720)
        found.append(np.square(both[order[:600]].mean(0) - both[order[600:]].mean(0)).sum())
    seen = np.square(before.mean(0) - now.mean(0)).sum()
    assert mean_shift_p_value(Cloud.of(before), Cloud.of(now)) == pytest.approx(np.mean(found >= seen), rel=0.25)


def test_a_state_says_what_moved_from_where_to_where_and_what_would_have_been_enough(reference: Reference) -> None:
    window = window_of(sentences(250, seed=5), reference.vocabulary, labels=labels_of(250, 0.8))
    states = by_detector(reference, window)
    first = states["labels"].moves[0]
    assert first.name == "news" and first.before == pytest.approx(0.5, abs=0.03)
    assert first.now == pytest.approx(0.8, abs=0.1)
    assert {"PSI", "Jensen-Shannon"} <= {*states["labels"].measures} & {*states["confidence"].measures}
    assert states["labels"].p_value < states["labels"].threshold <= ALPHA
    assert states["confidence"].moves[0].name == "mean"


def test_tenths_of_a_constant_are_one() -> None:
    ones = np.ones(100, np.float32)
    before, now = binned(ones, tenths(ones)), binned(ones[:50], tenths(ones))
    assert before.sum() == 100 and now.sum() == 50 and stability_index(before, now) == pytest.approx(0, abs=0.01)


def test_words_in_like_company_are_near() -> None:
    weather, money = [[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], np.zeros((3, 4))
    weights = csr_matrix(np.block([[np.array(weather), money], [money, np.array(weather)]]) / np.sqrt(2))
    vectors = shared_company(weights, 2)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > 0.99 and abs(vectors[0] @ vectors[4]) < 0.01


def test_words_vectors_are_an_encoders_where_there_is_a_table() -> None:
    vocabulary = Vocabulary.of(
        ["rain bank", "market wind", "rain market"],
        lambda words: np.array([[len(word), 10.0 - len(word)] for word in words], np.float32),
    )
    rain, bank, market = traits_of(["rain", "bank", "market"], vocabulary).vectors
    assert vocabulary.vectors.shape == (4, DIMENSIONS)
    assert rain @ bank == pytest.approx(1) and rain @ market < 0.95


def test_a_script_without_spaces_has_words() -> None:
    vocabulary = Vocabulary.of(["東京で大雨", "大雨の東京", "株価が上がる", "上がる株価"] * 10)
    traits = traits_of(["東京の大雨", "株価", "気温"], vocabulary)
    assert traits.number("words").tolist() == [5, 2, 2]
    assert traits.number("unknown_words").tolist() == [0, 0, 1]
    assert traits.vectors[0] @ traits.vectors[1] < 0.5


def test_new_words_are_named_where_texts_are_at_hand() -> None:
    known = Vocabulary.of(["rain falls", "snow falls"])
    assert known.new_words(["Quake falls", "quake again", "rain"]) == [("quake", 2), ("again", 1)]
