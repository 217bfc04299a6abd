"""The prediction log in a real PostgreSQL: what is written is read again, streamed, dropped in time, and never told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import psycopg2
import pytest
from polars.testing import assert_frame_equal

from copydesk.errors import ServiceError, UsageError
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.log import open_log
from copydesk.monitor.log_postgres import as_written
from copydesk.monitor.traits import Vocabulary
from copydesk.serve.answer_log import notes_on
from postgres_server import free_port, running_postgres

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ODD = '\\ " { } , NULL \\N \n\r\t \x1f ’ 漢字 🦆 ; -- $1'


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_postgres() as server:
        yield server.url


@pytest.fixture(autouse=True)
def emptied(url: str) -> Iterator[None]:
    yield
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS copydesk_log, copydesk_feedback")


def rows(count: int, at: datetime = NOON, **more: Any) -> pl.DataFrame:
    facts: dict[str, Any] = {"labels": ("news",), "scores": (0.9,), **more}
    entries = [
        Entry(at.timestamp(), f"1.{number:08x}", "toy", "1", f"text {number}", confidence=0.25, **facts)
        for number in range(count)
    ]
    return table_of(entries, Vocabulary.of(["a text"]), kept=str)


def odd_rows() -> pl.DataFrame:
    """Return rows with everything that a text format could trip over; the last is not measured."""
    entries = [
        Entry(
            NOON.timestamp() + 0.000001,
            "1.00000001",
            "toy",
            "1",
            ODD,
            (ODD, "", "NULL"),
            (1.0, -0.5, 1e-30),
            0.5,
            (ODD, "", "x"),
        ),
        Entry(NOON.timestamp(), "1.00000002", "toy", "1", "", (), (), 0.0, (), stage=ODD, source="job"),
        Entry(NOON.timestamp(), "1.00000003", "toy", "1", "plain", ("news",), (0.9,), 1.0),
    ]
    made = table_of(entries, Vocabulary.of(["plain"]), kept=str, languages=lambda texts: ["sv", ""])
    unmeasured = pl.col("id") == "1.00000003"
    null = [pl.when(~unmeasured).then(pl.col(name)).alias(name) for name in ("words", "vector", "text")]
    return made.with_columns(null)


def test_what_is_written_is_read_again_to_the_last_bit(url: str) -> None:
    log, written = open_log(url), odd_rows()
    log.write(written)
    assert_frame_equal(log.read().collect(), written, check_exact=True)
    log.close()


def test_a_reader_gets_the_columns_and_rows_it_asks_for(url: str) -> None:
    log = open_log(url)
    for hours in range(4):
        log.write(rows(2, NOON + timedelta(hours=hours)))
    some = log.read(NOON + timedelta(hours=1), NOON + timedelta(hours=3))
    assert some.select(pl.len()).collect().item() == 4
    assert some.filter(pl.col("id").str.ends_with("1")).select("at").collect().height == 2
    assert some.head(3).collect().height == 3
    assert some.group_by("version").agg(n=pl.len()).collect(engine="streaming").rows() == [("1", 4)]
    log.close()


def test_a_log_of_any_length_streams_through(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copydesk.monitor.log_postgres._ROWS_AT_ONCE", 7)
    log = open_log(url)
    log.write(rows(20))
    seen: list[int] = []
    kept = log._rows  # type: ignore[attr-defined]

    def watched(*asked: Any) -> Iterator[pl.DataFrame]:
        for part in kept(*asked):
            seen.append(part.height)
            yield part

    monkeypatch.setattr(log, "_rows", watched)
    assert log.read().select("labels").collect(engine="streaming").height == 20
    assert seen == [7, 7, 6]
    log.close()


def test_rows_are_dropped_after_their_days(url: str) -> None:
    log = open_log(url, keep_days=7)
    log.write(rows(1, datetime.now(UTC) - timedelta(days=8)))
    log.write(rows(2, datetime.now(UTC) - timedelta(days=6)))
    log.tidy()
    assert log.read().collect().height == 2
    log.close()


def test_a_log_that_keeps_all_drops_nothing(url: str) -> None:
    log = open_log(url, keep_days=None)
    log.write(rows(1, NOON - timedelta(days=900)))
    log.tidy()
    assert log.read().collect().height == 1
    log.close()


def test_corrections_are_kept_and_the_last_one_counts(url: str) -> None:
    log = open_log(url)
    at = NOON.isoformat()
    log.correct(
        [{"at": at, "id": "1.1", "label": "news", "text": ODD + "\0 \ud800"}, {"at": at, "id": "1.2", "labels": []}]
    )
    log.correct([{"at": at, "id": "1.1", "label": "clickbait"}])
    assert open_log(url).corrections().select("id", "labels").rows() == [("1.2", []), ("1.1", ["clickbait"])]


def test_a_write_after_the_connection_broke_has_a_new_one(url: str) -> None:
    log = open_log(url)
    log.write(rows(1))
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'copydesk'")
    with pytest.raises(psycopg2.OperationalError):
        log.write(rows(1))
    log.write(rows(1))
    assert log.read().collect().height == 2
    log.close()


def test_a_database_without_a_log_says_how_to_make_one(url: str) -> None:
    with pytest.raises(UsageError, match="copydesk serve --log"):
        open_log(url).read()


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    address = f"postgresql://me:secret@127.0.0.1:{free_port()}/log"
    log = open_log(address)
    for use in (log.read, log.corrections, lambda: log.correct([{"at": NOON.isoformat(), "id": "1.1", "label": "x"}])):
        with pytest.raises(ServiceError, match="127.0.0.1, database 'log' does not answer") as told:
            use()  # type: ignore[operator]
        assert "secret" not in str(told.value)
    (note,) = notes_on(address)
    assert "Connection refused" in note and "secret" not in note


def test_an_address_that_postgresql_does_not_read_is_refused_without_telling_it() -> None:
    with pytest.raises(UsageError, match="none that PostgreSQL reads") as told:
        open_log("postgresql://me:se%cret@host/log")
    assert "cret" not in str(told.value)


def test_rows_without_any_vector_are_written(url: str) -> None:
    log, none = open_log(url), rows(2).with_columns(vector=pl.lit(None, pl.Array(pl.Int8, 64)))
    assert as_written(none)["vector"].null_count() == 2
    log.write(none)
    assert log.read().collect()["vector"].null_count() == 2
    log.close()
