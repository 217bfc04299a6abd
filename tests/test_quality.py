"""Quality from feedback: what is right, what may be said of all answers, and what may not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from copydesk.monitor.accuracy import accuracy_of
from copydesk.monitor.corrections import corrections_of, read_lines
from copydesk.monitor.entry import Entry, Source, table_of
from copydesk.monitor.quality import Quality, quality
from copydesk.monitor.traits import Vocabulary

MONDAY = datetime(2026, 11, 16, 12, tzinfo=UTC)
KNOWN = Vocabulary.of(["a known headline"])


def entry(
    number: int, label: str | tuple[str, ...] = "news", *, version: str = "1", source: Source = "live", **more: Any
) -> Entry:
    labels = (label,) if isinstance(label, str) else label
    values: dict[str, Any] = {"at": MONDAY.timestamp(), "scores": (0.9,) * len(labels), "confidence": 0.9, **more}
    text = " ".join(["word"] * (number % 20 + 1))
    return Entry(id=f"1.{number:08x}", model="m", version=version, source=source, text=text, labels=labels, **values)


def line(number: int, label: object = "news", **more: object) -> dict[str, object]:
    form = {"form": "label", **more}.pop("form")
    more.pop("form", None)
    return {"at": "2026-11-21T12:00:00.000+00:00", "id": f"1.{number:08x}", str(form): label, **more}


def said_of(entries: Sequence[Entry], lines: Sequence[dict[str, object]], **more: Any) -> Quality:
    return quality(table_of(entries, KNOWN, kept=None).lazy(), corrections_of(lines), **more)


def test_corrections_and_confirmations_are_told_apart_and_bound_the_accuracy() -> None:
    found = said_of([entry(one) for one in range(100)], [line(1, "clickbait"), line(2, "clickbait"), line(3), line(99)])
    (live,) = found.versions
    assert (live.version, live.source, live.answers, live.confirmed, live.contradicted) == ("1", "live", 100, 2, 2)
    assert live.bounds == (0.02, 0.98)
    assert live.estimate is None and live.chosen is not None and live.chosen.share == 0.5
    assert live.wrong_per_thousand[0] == 20 and live.wrong_per_thousand[1][0] < 20 < live.wrong_per_thousand[1][1]
    assert "no accuracy: between 2.0% and 98.0% of all are right" in found.notes[0]


def test_of_drawn_texts_an_accuracy_is_estimated_whatever_users_chose_to_correct() -> None:
    entries = [entry(one) for one in range(1_000)]
    drawn = [line(one, "news" if one % 10 else "clickbait", weight=10.0) for one in range(100)]
    chosen = [line(one, "clickbait") for one in range(500, 600)]
    (live,) = said_of(entries, [*drawn, *chosen]).versions
    assert live.estimate is not None and live.estimate.share == 0.9 and live.estimate.n == 100
    assert live.estimate.low == pytest.approx(0.8256, abs=1e-3) and live.estimate.high == pytest.approx(
        0.9448, abs=1e-3
    )
    assert live.chosen is not None and live.chosen.share == 0


def test_a_drawn_text_counts_for_the_answers_that_it_stands_for() -> None:
    lines = [line(one, "clickbait" if one < 20 else "news", weight=1.0 if one < 20 else 4.0) for one in range(40)]
    (live,) = said_of([entry(one) for one in range(40)], lines).versions
    assert live.estimate is not None and live.estimate.share == pytest.approx(0.8)
    assert live.estimate.low < 0.63, "few texts stand for most: the interval must be that of about 29, not of 40"


def test_the_interval_of_weighted_texts_holds_the_truth_as_often_as_it_says() -> None:
    random, missed = np.random.default_rng(7), 0
    for _ in range(1_000):
        said = pl.DataFrame({"right": random.random(80) < 0.9, "weight": random.choice([1.0, 5.0, 20.0], 80)})
        found = accuracy_of(said, "drawn")
        assert found is not None
        missed += not found.low <= 0.9 <= found.high
    assert 20 <= missed <= 70, missed


def test_of_fewer_than_thirty_drawn_texts_nothing_is_estimated() -> None:
    (live,) = said_of([entry(one) for one in range(50)], [line(one, weight=2.0) for one in range(29)]).versions
    assert live.estimate is None and live.drawn is not None and live.drawn.n == 29


def test_the_last_word_on_an_answer_counts_and_a_drawn_text_stays_drawn() -> None:
    lines = [line(one, "clickbait", weight=3.0) for one in range(30)]
    later = [{**line(one, "news"), "at": "2026-11-22T00:00:00+00:00"} for one in range(30)]
    (live,) = said_of([entry(one) for one in range(30)], [*later, *lines]).versions
    assert live.estimate is not None and live.estimate.share == 1.0


def test_versions_sources_and_periods_are_judged_by_themselves() -> None:
    week = timedelta(days=7).total_seconds()
    entries = [
        *(entry(one) for one in range(30)),
        *(entry(one, version="2", source="job", at=MONDAY.timestamp() + week) for one in range(30, 50)),
        *(entry(one, "clickbait", version="3", source="shadow") for one in range(10)),
    ]
    found = said_of(entries, [line(one, "news" if one < 30 else "x") for one in range(40)])
    assert [(one.version, one.source, one.answers, one.confirmed, one.contradicted) for one in found.versions] == [
        ("1", "live", 30, 30, 0),
        ("2", "job", 20, 0, 10),
        ("3", "shadow", 10, 0, 10),
    ]
    assert [(one.start, one.answers, one.contradicted) for one in found.periods] == [
        (datetime(2026, 11, 16, tzinfo=UTC), 30, 0),
        (datetime(2026, 11, 23, tzinfo=UTC), 20, 10),
    ]


def test_an_answer_that_a_job_logged_twice_counts_once() -> None:
    (job,) = said_of([entry(1, source="job")] * 2, [line(1)]).versions
    assert job.confirmed == 1


def test_an_abstaining_model_was_neither_right_nor_wrong() -> None:
    (live,) = said_of([entry(1, ()), entry(2)], [line(1), line(2)]).versions
    assert (live.confirmed, live.contradicted) == (1, 0)


def test_a_set_of_labels_is_right_as_a_whole_and_in_any_order() -> None:
    entries = [entry(1, ("b", "a")), entry(2, ("a",)), entry(3, ())]
    lines = [line(one, ["a", "b"] if one < 3 else [], form="labels") for one in (1, 2, 3)]
    found = said_of(entries, lines)
    assert (found.versions[0].confirmed, found.versions[0].contradicted) == (2, 1)
    assert {label: accuracy.share for label, accuracy in found.precision.items()} == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize(
    ("category", "score", "tag", "right"),
    [
        ("sports", 0.2, "", True),  # another strength, the same sign
        ("sports", -0.2, "", False),
        ("sports", 0.0, "football", True),  # present without an impact: any sign
        ("sports", 0.0, "", False),  # said to be absent, and given
        ("crime", 0.0, "", True),
        ("crime", -0.4, "", False),  # missed
    ],
)
def test_of_signals_only_what_was_said_counts(category: str, score: float, tag: str, right: bool) -> None:
    answer = entry(1, ("sports", "politics"), scores=(0.8, -0.5), tags=("football", ""))
    said = line(1, [{"category": category, "score": score, "tag": tag}], form="signals")
    (live,) = said_of([answer], [said]).versions
    assert (live.confirmed, live.contradicted) == (int(right), int(not right))


def test_slices_name_the_part_that_is_worst() -> None:
    entries = [
        entry(
            one,
            "news" if one % 2 else "clickbait",
            confidence=0.6 if one < 40 else 0.95,
            stage="linear" if one < 40 else "encoder",
        )
        for one in range(200)
    ]
    lines = [line(one, entries[one].labels[0] if one >= 40 else "x", weight=1.0) for one in range(200)]
    found = said_of(entries, lines)
    shares = {one.name: (one.n, one.accuracy) for one in found.slices}
    assert shares["stage: linear"] == shares["confidence 0.5 to 0.7"] == (40, 0.0)
    assert shares["stage: encoder"] == (160, 1.0)
    assert shares["answered: news"] == (100, 0.8) and found.precision["news"].share == 0.8
    assert sum(n for name, (n, _) in shares.items() if name.endswith("words")) == 200
    assert found.sampling == "drawn"


def test_texts_that_were_not_measured_are_in_no_slice_of_length() -> None:
    rows = table_of([entry(one) for one in range(100)], KNOWN, kept=None)
    rows = rows.with_columns(words=pl.when(pl.int_range(pl.len()) < 70).then("words"))
    found = quality(rows.lazy(), corrections_of([line(one, weight=1.0) for one in range(100)]))
    assert sum(one.n for one in found.slices if one.name.endswith("words")) == 70


def test_a_shadow_is_compared_with_its_champion_on_the_same_drawn_texts() -> None:
    live = [entry(one, "news" if one < 90 else "clickbait") for one in range(100)]
    shadow = [entry(one, "news" if one < 98 else "clickbait", version="2", source="shadow") for one in range(100)]
    lines = [line(one, weight=1.0) for one in range(100)]
    (pair,) = said_of([*live, *shadow], lines).shadows
    assert (pair.champion, pair.shadow, pair.texts, pair.losses, pair.gains) == ("1", "2", 100, 0, 8)
    assert pair.fair and pair.rise == pytest.approx(0.08) and 0 < pair.low < 0.08 < pair.high
    assert pair.p_value == pytest.approx(0.5**8, rel=1e-6)


def test_users_corrections_alone_do_not_decide_for_the_shadow() -> None:
    live = [entry(one, "clickbait") for one in range(20)]
    shadow = [entry(one, version="2", source="shadow") for one in range(20)]
    found = said_of([*live, *shadow], [line(one) for one in range(20)])
    assert not found.shadows[0].fair and any("the shadow looks better than it is" in note for note in found.notes)


def test_corrections_of_answers_that_are_not_there_are_counted() -> None:
    found = said_of([entry(1)], [line(1), line(2), line(3)])
    assert found.unknown == 2 and any(
        note.startswith("2 corrections are of answers that are not") for note in found.notes
    )


def test_without_feedback_there_are_answers_and_nothing_else() -> None:
    found = said_of([entry(1)], [])
    assert [(one.answers, one.drawn, one.chosen) for one in found.versions] == [(1, None, None)]
    assert (found.slices, found.precision, found.shadows, found.notes) == ([], {}, [], [])
    assert said_of([], []).versions == []


def test_lines_that_somebody_else_wrote_are_passed_over() -> None:
    text = (
        '{"at": "2026-11-2\n\n[1]\n{"at": "yesterday", "id": "1.1", "label": "a"}\n{"at": "2026-11-21", "id": "1.2"}\n'
    )
    text += '{"at": "2026-11-21", "id": "1.3", "signals": [{"category": "c"}]}\n'
    text += '{"at": "2026-11-21", "id": "1.4", "label": "a"}'
    assert corrections_of(read_lines(text))["id"].to_list() == ["1.4"]
