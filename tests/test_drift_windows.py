"""Rows of a prediction log as detectors see them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from copydesk.monitor.detectors import Shares
from copydesk.monitor.entry import SCHEMA, Entry, table_of
from copydesk.monitor.summary import window_of
from copydesk.monitor.traits import DIMENSIONS, Vocabulary

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
KNOWN = Vocabulary.of(["a known headline", "another one"])


def rows_of(texts: list[str], labels: tuple[str, ...] = ("news",), languages: list[str] | None = None) -> pl.DataFrame:
    entries = [
        Entry(NOON + place, f"1.{place:08x}", "clickbait", "1", text, labels, (0.9,), 0.9)
        for place, text in enumerate(texts)
    ]
    return table_of(entries, KNOWN, kept=None, languages=(lambda _: languages) if languages else None)


def test_a_text_that_was_asked_many_times_counts_once() -> None:
    window = window_of(rows_of(["a headline"] * 200 + ["another headline"]))
    assert window.n == 2 and window.kinds["labels"] == ["news", "news"]


def test_rows_that_were_not_measured_do_not_count() -> None:
    rows = rows_of(["one", "two", "three"])
    bare = rows.with_columns(pl.lit(None, SCHEMA[name]).alias(name) for name in ("vector", "words", "text_hash"))
    window = window_of(pl.concat([rows, bare]))
    assert window.n == 3 and all(len(values) == 3 for values in window.numbers.values())


def test_a_text_without_a_label_counts_as_one_without() -> None:
    rows = pl.concat([rows_of(["one", "two"], ("a", "b")), rows_of(["three"], ())])
    assert window_of(rows).kinds["labels"] == ["a", "b", "a", "b", ""]
    state = Shares("labels", {"a": 90, "": 10}).update(window_of(rows_of([f"text {n}" for n in range(200)], ())))
    assert state.moves[-1].before == 0.9 and "(none) +90%" in state.detail


def test_languages_are_counted_where_they_were_looked_at() -> None:
    rows = rows_of(["one", "two", "three"], languages=["en", ""])
    assert window_of(rows).kinds["languages"] == ["en", ""]


def test_no_rows_are_an_empty_window() -> None:
    window = window_of(rows_of([]))
    assert window.n == 0 and window.vectors.shape == (0, DIMENSIONS)
