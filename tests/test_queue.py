"""Which logged texts are most worth labelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from copydesk.data.review_file import RANDOM
from copydesk.monitor.entry import Entry
from copydesk.monitor.promise import promise_of
from copydesk.monitor.queue import (
    DISAGREED,
    DRIFTED,
    UNCERTAIN,
    Pool,
    Queued,
    draw_pool,
    novelty_of,
    queue_of,
)
from copydesk.monitor.reference import Answers, reference_of
from copydesk.normalise import text_id
from fakes import toy_rows
from log_fakes import answer, rows_of

TEXTS = [text for text, _ in toy_rows(300)]


def pool_of(entries: Sequence[Entry], seed: int = 0, most: int = 5_000) -> Pool:
    return draw_pool(rows_of(entries), most=most, seed=seed)


def answers(count: int = 300) -> list[Entry]:
    """Return answers of which the later ones are surer."""
    return [answer(number, TEXTS[number], confidence=0.5 + number / 1_000) for number in range(count)]


def texts_of(pool: Pool, queue: Sequence[Queued], reason: str) -> list[str]:
    return [pool.frame["text"][queued.place] for queued in queue if queued.reason == reason]


def test_the_least_sure_come_first() -> None:
    pool = pool_of(answers())
    queue = queue_of(pool, None, limit=10, random_share=0)
    assert texts_of(pool, queue, UNCERTAIN) == TEXTS[:10]
    assert queue[0].suspicion == pytest.approx(0.5)


def test_texts_unlike_those_of_training_are_found() -> None:
    new = [f"cricket wicket innings {number} over bowler" for number in range(30)]
    entries = [answer(number, text) for number, text in enumerate([*TEXTS[:200], *new])]
    confidence = np.full(100, 0.9)
    held = Answers(TEXTS[200:], confidence, {})
    reference = reference_of(held, TEXTS[:200], promise_of(confidence, np.ones(100, bool)))
    pool = pool_of(entries)
    novelty = novelty_of(pool.frame["text"].to_list(), reference)
    queue = queue_of(pool, novelty, limit=40, random_share=0)
    found = texts_of(pool, queue, DRIFTED)
    assert len(found) == 10 and all("cricket" in text for text in found)


def test_where_a_shadow_answered_otherwise_it_is_asked() -> None:
    live = [answer(number, TEXTS[number]) for number in range(50)]
    shadow = [
        answer(number, TEXTS[number], "money" if number < 5 else "sport", source="shadow") for number in range(20)
    ]
    pool = pool_of([*live, *shadow])
    queue = queue_of(pool, None, limit=20, random_share=0)
    assert pool.frame.height == 50
    assert sorted(texts_of(pool, queue, DISAGREED)) == sorted(TEXTS[:5])


def test_labelled_texts_are_not_asked_again_and_texts_that_were_not_kept_not_at_all() -> None:
    labelled = {text_id(text) for text in TEXTS[:100]}
    pool = draw_pool(rows_of(answers()), labelled)
    assert set(pool.frame["text"]) == set(TEXTS[100:])
    assert draw_pool(rows_of(answers(), texts=False)).frame.is_empty()


def test_of_near_copies_one_is_chosen_for_its_doubt_and_drawn_ones_stay_what_they_are() -> None:
    pool = pool_of(answers())
    queue = queue_of(pool, None, [0] * pool.frame.height, limit=20, random_share=0.5)
    assert Counter(queued.reason for queued in queue) == {RANDOM: 10}
    assert Counter(one.reason for one in queue_of(pool, None, [0] * 300, limit=20, random_share=0)) == {UNCERTAIN: 1}


def test_weights_of_drawn_texts_estimate_the_whole_log_without_bias() -> None:
    often = [answer(1_000 + number, TEXTS[0], confidence=0.5) for number in range(60)]
    entries = [*answers(), *often]
    sums, wrong = [], []
    for seed in range(60):
        pool = pool_of(entries, seed, most=150)  # of 300 texts
        assert 100 < pool.frame.height < 200
        drawn = [one for one in queue_of(pool, None, limit=100, random_share=0.4) if one.weight]
        assert len(drawn) == 40 and all(one.reason == RANDOM for one in drawn)
        sums.append(sum(one.weight for one in drawn))
        wrong.append(sum(one.weight for one in drawn if pool.frame["text"][one.place] in TEXTS[:30]))
    assert np.mean(sums) == pytest.approx(len(entries), rel=0.1)
    assert np.mean(wrong) == pytest.approx(30 + len(often), rel=0.35)


def test_a_text_asked_often_is_in_the_pool_once_with_its_latest_answer() -> None:
    entries = [answer(number, TEXTS[0], "sport" if number < 4 else "money") for number in range(5)]
    pool = pool_of(entries)
    assert pool.frame.select("requests", "id").rows() == [(5, "1.00000004")]
    assert pool.frame["labels"].to_list() == [["money"]]


def test_stopping_anywhere_leaves_a_fair_sample() -> None:
    queue = queue_of(pool_of(answers()), None, limit=100, random_share=0.2)
    for end in (10, 50, 100):
        drawn = [one.place for one in queue[:end] if one.reason == RANDOM]
        assert len(drawn) == pytest.approx(end / 5, abs=1) and drawn == sorted(drawn)
