"""The log as a place: addresses that lead to one, and corrections that are kept with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from copydesk.errors import UsageError
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.log import open_log, shown
from copydesk.monitor.traits import Vocabulary

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def line(number: int, label: str, **more: object) -> dict[str, object]:
    return {"at": f"2026-11-21T12:00:{number:02d}.000+00:00", "id": f"1.{number:08x}", "label": label, **more}


def test_a_folder_that_is_not_there_yet_is_a_log(tmp_path: Path) -> None:
    log = open_log(str(tmp_path / "new" / "log"))
    entry = Entry(NOON.timestamp(), "1.00000001", "clickbait", "1", "a text", ("news",), (0.9,), 0.9)
    log.write(table_of([entry], Vocabulary.of(["a text"]), kept=None))
    assert log.read().collect()["id"].to_list() == ["1.00000001"]


def test_an_address_of_another_kind_is_refused_and_its_password_not_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no place for a log") as told:
        open_log("mysql://me:secret@host/log")
    assert "secret" not in str(told.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        open_log(str(tmp_path / "file"))


@pytest.mark.parametrize(
    "address",
    ["postgresql://me:secret@host:5432/log", "postgresql://host/log?user=me&password=secret&sslmode=require"],
)
def test_a_password_is_never_shown(address: str) -> None:
    assert "secret" not in shown(address) and "me" in shown(address)


def test_the_last_correction_of_an_id_counts(tmp_path: Path) -> None:
    log = open_log(str(tmp_path))
    assert log.corrections().height == 0
    log.correct([line(1, "news"), line(2, "news")])
    log.correct([line(1, "clickbait", comment="on second thoughts")])
    found = log.corrections().sort("id")
    assert found["labels"].to_list() == [["clickbait"], ["news"]]
    assert found["comment"].to_list() == ["on second thoughts", None]


def test_corrections_of_every_task_fit_one_table(tmp_path: Path) -> None:
    log = open_log(str(tmp_path))
    at = "2026-11-21T12:00:00.000+00:00"
    log.correct([{"at": at, "id": "1.00000001", "labels": ["cs.LG", "cs.CL"]}])
    log.correct([{"at": at, "id": "1.00000002", "labels": []}])
    signal = {"category": "sports", "score": 0.5, "tag": "football"}
    log.correct([{"at": at, "id": "1.00000003", "signals": [signal]}])
    assert log.corrections().select("labels", "scores", "tags").rows() == [
        (["cs.LG", "cs.CL"], [], []),
        ([], [], []),
        (["sports"], [0.5], ["football"]),
    ]


def test_half_a_line_costs_no_other_correction(tmp_path: Path) -> None:
    log = open_log(str(tmp_path))
    log.correct([line(1, "news")])
    with (tmp_path / "feedback.jsonl").open("a") as file:
        file.write('{"at": "2026-11-2')  # the disk was full
    log.correct([line(2, "clickbait")])
    assert log.corrections()["id"].to_list() == ["1.00000001", "1.00000002"]
