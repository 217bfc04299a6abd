"""The prediction log: what is kept, what is dropped, and that it never stands in the way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice, repeat
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from copydesk.errors import UsageError
from copydesk.monitor.entry import SCHEMA, Entry, table_of
from copydesk.monitor.log_files import LogFiles, read
from copydesk.monitor.record import MOST_CHARACTERS, MOST_TRIES, Recorder, Store, longer
from copydesk.monitor.traits import Vocabulary

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KNOWN = Vocabulary.of(["a known headline"])


def entry(number: int, at: datetime = NOON) -> Entry:
    return Entry(at.timestamp(), f"1.{number:08x}", "clickbait", "1", f"headline {number}", ("news",), (0.9,), 0.9)


def rows_of(entries: Sequence[Entry]) -> pl.DataFrame:
    return table_of(entries, KNOWN, kept=None)


class Pile:
    """What is gathered before a recorder."""

    def __init__(self, store: Store, counts: Counter[str], **options: Any) -> None:
        self._batches: list[list[Entry]] = []
        self._lock = threading.Lock()
        counted = lambda outcome, answers: counts.update({outcome: answers})  # noqa: E731
        self._recorder = Recorder(store, self._taken, rows_of, counted=counted, **options)
        self.close = self._recorder.close

    def offer(self, entries: list[Entry], *, characters: int = 0) -> None:
        if self._recorder.has_room(len(entries), characters):
            with self._lock:
                self._batches.append(entries)

    def _taken(self) -> list[list[Entry]]:
        with self._lock:
            taken, self._batches = self._batches, []
        return taken


class Kept:
    """A store in memory that fails as long as it is told to."""

    def __init__(self) -> None:
        self.rows: list[pl.DataFrame] = []
        self.fails = self.is_untidy = False
        self.refused = 0
        self.held = threading.Event()
        self.held.set()

    def write(self, rows: pl.DataFrame) -> None:
        self.held.wait(5)
        if self.fails:
            self.refused += 1
            raise OSError(28, "No space left on device")
        self.rows.append(rows)

    def tidy(self) -> None:
        if self.is_untidy:
            raise OSError("busy")


def test_a_text_is_not_kept_unless_that_was_asked_for() -> None:
    kept = table_of([entry(1)], KNOWN, kept=None)
    assert kept["text"].to_list() == [None] and "headline" not in str(kept.to_dicts())
    assert table_of([entry(1)], KNOWN, kept=str.upper)["text"].to_list() == ["HEADLINE 1"]


def test_rows_have_the_schema_whatever_is_in_them() -> None:
    empty = table_of([], KNOWN, kept=None)
    odd = table_of([Entry(0.0, "1.0", "m", "1", "\ud800", (), (), 0.0)], KNOWN, kept=lambda text: "")
    assert empty.schema == odd.schema == pl.Schema(SCHEMA)


def test_only_the_first_texts_are_asked_for_their_language() -> None:
    rows = table_of([entry(1), entry(2), entry(3)], KNOWN, kept=None, languages=lambda texts: ["en", "sv"])
    assert rows["language"].to_list() == ["en", "sv", None]


def test_the_same_text_has_the_same_hash_in_every_log() -> None:
    assert table_of([entry(1)], KNOWN, kept=None)["text_hash"].item() == "6d854e7105486e94"


def test_everything_offered_is_written_when_the_recorder_closes() -> None:
    store, counts = Kept(), Counter[str]()
    recorder = Pile(store, counts, every_s=60)
    for number in range(10):
        recorder.offer([entry(number)])
    recorder.close()
    assert pl.concat(store.rows)["id"].to_list() == [f"1.{number:08x}" for number in range(10)]
    assert counts == {"written": 10}


def test_a_full_buffer_drops_and_counts_and_does_not_wait() -> None:
    store, counts = Kept(), Counter[str]()
    store.held.clear()
    recorder = Pile(store, counts, most_waiting=5, every_s=60)
    recorder.offer([entry(number) for number in range(4)])
    recorder.offer([entry(number) for number in range(2)])
    assert counts == {"dropped": 2}
    store.held.set()
    recorder.close()
    assert counts == {"dropped": 2, "written": 4}


def test_a_few_texts_that_are_very_long_fill_the_buffer_too() -> None:
    counts = Counter[str]()
    recorder = Pile(Kept(), counts, every_s=60)
    recorder.offer([entry(1)], characters=MOST_CHARACTERS)
    recorder.offer([entry(2)], characters=1)
    recorder.close()
    recorder.offer([entry(3)], characters=1)
    assert counts == {"dropped": 1, "written": 1}


def test_what_a_store_refuses_is_tried_again_and_written_when_it_recovers(caplog: pytest.LogCaptureFixture) -> None:
    store, counts = Kept(), Counter[str]()
    store.fails = True
    recorder = Pile(store, counts, every_s=0.01)
    recorder.offer([entry(1)])
    _until(lambda: store.refused >= 2)
    recorder.offer([entry(2)])
    store.fails = False
    recorder.close()
    assert pl.concat(store.rows)["id"].to_list() == ["1.00000001", "1.00000002"]
    assert counts == {"written": 2}
    assert caplog.messages == [
        "prediction log: rows cannot be written and wait: OSError: [Errno 28] No space left on device",
        "prediction log: rows are written again",
    ]


def test_what_a_store_refuses_time_and_again_is_lost_and_counted() -> None:
    store, counts = Kept(), Counter[str]()
    store.fails = True
    recorder = Pile(store, counts, every_s=0.01)
    recorder.offer([entry(1)])
    _until(lambda: counts["lost"] == 1)
    store.fails = False
    recorder.offer([entry(2)])
    recorder.close()
    assert store.refused == MOST_TRIES and pl.concat(store.rows)["id"].to_list() == ["1.00000002"]
    assert counts == {"lost": 1, "written": 1}


def test_a_store_that_fails_is_asked_ever_more_seldom_but_every_half_a_minute() -> None:
    pauses = list(islice(accumulate(repeat(10.0), lambda pause, every_s: longer(pause, every_s), initial=0.0), 1, 8))
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_a_store_that_cannot_be_tidied_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store, counts = Kept(), Counter[str]()
    store.is_untidy = True
    recorder = Pile(store, counts, every_s=0.01)
    for number in range(2):
        recorder.offer([entry(number)])
        _until(lambda number=number: counts["written"] > number)
    recorder.close()
    assert counts == {"written": 2} and caplog.messages == ["prediction log: not tidied: OSError: busy"]


def test_answers_that_make_no_rows_are_lost_and_cost_no_others() -> None:
    counts = Counter[str]()
    store = Kept()
    recorder = Pile(store, counts, every_s=0.01)
    recorder.offer([None])  # type: ignore[list-item]
    _until(lambda: counts["lost"] == 1)
    recorder.offer([entry(2)])
    recorder.close()
    assert counts == {"lost": 1, "written": 1}


def test_many_threads_may_offer_at_once() -> None:
    store = Kept()
    recorder = Pile(store, Counter(), every_s=0.01)
    threads = [
        threading.Thread(target=lambda start=start: [recorder.offer([entry(start + one)]) for one in range(100)])
        for start in range(0, 400, 100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert sorted(pl.concat(store.rows)["id"]) == [f"1.{number:08x}" for number in range(400)]


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now.timestamp()


def test_an_hours_parts_become_one_file_when_it_is_over(tmp_path: Path) -> None:
    clock = Clock(NOON)
    log = LogFiles(tmp_path, clock=clock)
    for number in range(3):
        log.write(rows_of([entry(number)]))
        log.tidy()
    assert len(list(tmp_path.rglob("*.parquet"))) == 3
    clock.now += timedelta(hours=1)
    log.write(rows_of([entry(3, clock.now)]))
    log.tidy()
    assert len(list((tmp_path / "2026-11-21" / "12").iterdir())) == 1
    assert read(tmp_path).collect()["id"].to_list() == [f"1.{number:08x}" for number in range(4)]


def test_parts_of_a_full_hour_are_put_together_before_it_is_over(tmp_path: Path) -> None:
    log = LogFiles(tmp_path, clock=Clock(NOON), most_bytes=1)
    for number in range(4):
        log.write(rows_of([entry(number)]))
    log.tidy()
    log.write(rows_of([entry(4)]))
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    assert read(tmp_path).collect().height == 5


def test_a_reader_sees_no_row_twice_while_parts_are_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFiles(tmp_path, clock=Clock(NOON), most_bytes=1)
    log.write(rows_of([entry(1)]))
    log.write(rows_of([entry(2)]))
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # killed before the parts were taken away
    log.tidy()
    log.write(rows_of([entry(3)]))
    assert len(list(tmp_path.rglob("*.parquet"))) == 4
    assert read(tmp_path).collect()["id"].to_list() == ["1.00000001", "1.00000002", "1.00000003"]


def test_days_that_were_kept_long_enough_go(tmp_path: Path) -> None:
    clock = Clock(NOON)
    log = LogFiles(tmp_path, keep_days=7, clock=clock)
    log.write(rows_of([entry(1)]))
    clock.now += timedelta(days=8)
    log.write(rows_of([entry(2, clock.now)]))
    log.tidy()
    assert read(tmp_path).collect()["id"].to_list() == ["1.00000002"]


def test_a_time_is_read_and_no_more(tmp_path: Path) -> None:
    clock = Clock(NOON)
    log = LogFiles(tmp_path, clock=clock)
    for hours in range(0, 72, 6):
        clock.now = NOON + timedelta(hours=hours)
        log.write(rows_of([entry(hours, clock.now)]))
    found = read(tmp_path, NOON + timedelta(hours=12), NOON + timedelta(hours=30)).collect()
    assert found["id"].to_list() == [f"1.{hours:08x}" for hours in (12, 18, 24)]


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no prediction log"):
        read(tmp_path / "nowhere")


def _until(holds: object) -> None:
    for _ in range(500):
        if holds():  # type: ignore[operator]
            return
        time.sleep(0.01)
    raise AssertionError("It did not come true in five seconds.")
