from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from copydesk.data.review_file import Header, Item, Review, read_review, write_review
from copydesk.errors import CopydeskError, DataError, Stale, UsageError
from copydesk.review.counts import counts_by_reason, counts_of
from copydesk.review.session import Session, open_session

ITEM = Item("a1", "Nice STRASSE", "bad", suggested="good", reason="label error", where="data.csv:2")
ITEMS = (ITEM, replace(ITEM, id="b2", text="awful", reason="outlier"), replace(ITEM, id="c3", text="so nice"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_review(tmp_path / "review.jsonl", Review(Header("single", ("bad", "good")), ITEMS))
    return tmp_path / "review.jsonl"


def _decisions(path: Path) -> list[str | None]:
    return [item.decision for item in read_review(path).items]


def test_a_decision_is_in_the_file_at_once(path: Path) -> None:
    session = Session(path)
    assert session.decide(1, "drop", None, seen=0).item.decision == "drop"
    assert _decisions(path) == [None, "drop", None]
    session.decide(0, "change", "good", seen=0)
    assert read_review(path).items[0].outcome == "good"


def test_the_last_decisions_are_taken_back_one_by_one(path: Path) -> None:
    session = Session(path)
    session.decide(0, "change", "good", seen=0)
    session.decide(0, "keep", None, seen=1)
    assert session.undo(seen=2).item.new_label == "good"
    assert _decisions(path) == ["change", None, None]
    assert session.undo(seen=3).place == 0
    assert _decisions(path) == [None, None, None]
    assert not session.can_undo
    with pytest.raises(DataError, match="nothing to undo"):
        session.undo(seen=4)


def test_a_decision_on_what_another_window_changed_is_refused(path: Path) -> None:
    session = Session(path)
    session.decide(0, "keep", None, seen=0)
    with pytest.raises(Stale, match="Text 1 was decided in another window"):
        session.decide(0, "drop", None, seen=0)
    assert session.decide(1, "drop", None, seen=0).revision == 2
    with pytest.raises(Stale, match="decided in another window meanwhile. Look at it before you undo"):
        session.undo(seen=1)
    assert _decisions(path) == ["keep", "drop", None]


def test_a_decision_that_cannot_be_changes_nothing(path: Path) -> None:
    session = Session(path)
    with pytest.raises(DataError, match="'goood' is none of bad, good"):
        session.decide(0, "change", "goood", seen=0)
    with pytest.raises(DataError, match="There is no text 4; the file has 3"):
        session.decide(3, "keep", None, seen=0)
    with pytest.raises(DataError, match="There is no text 0"):
        session.seen(-1)
    assert _decisions(path) == [None, None, None]
    assert not session.can_undo


def test_a_decision_that_cannot_be_saved_is_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(path)

    def full(*_: object) -> None:
        raise CopydeskError("No space left on device")

    with monkeypatch.context() as patched, pytest.raises(CopydeskError, match="No space"):
        patched.setattr("copydesk.review.session.append_decision", full)
        session.decide(0, "keep", None, seen=0)
    assert session.seen(0).item.decision is None
    assert session.decide(0, "keep", None, seen=0).item.decision == "keep"


def test_a_file_that_another_program_changed_is_read_again_and_never_overwritten(path: Path) -> None:
    session = Session(path)
    session.decide(0, "keep", None, seen=0)
    write_review(path, Review(Header("single", ("bad", "good")), (*ITEMS, replace(ITEM, id="d4"))))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))  # as some editors leave it
    with pytest.raises(Stale, match="changed by another program and was read again"):
        session.decide(1, "drop", None, seen=0)
    assert len(session.items) == 4
    assert not session.can_undo
    session.decide(3, "drop", None, seen=session.seen(3).revision)
    assert _decisions(path) == [None, None, None, "drop"]
    path.write_text("broken", "utf-8")
    with pytest.raises(DataError, match="is no review file"):
        session.decide(1, "drop", None, seen=0)
    session.close()
    assert path.read_text("utf-8") == "broken"


def test_a_file_that_was_removed_is_written_again(path: Path) -> None:
    session = Session(path)
    session.decide(0, "keep", None, seen=0)
    path.unlink()
    session.decide(1, "drop", None, seen=0)
    assert _decisions(path) == ["keep", "drop", None]


def test_at_the_end_each_decision_stands_in_its_item(path: Path) -> None:
    with open_session(path) as session:
        session.decide(2, "skip", None, seen=0)
        assert path.read_text("utf-8").count("\n") == 5
    assert path.read_text("utf-8").count("\n") == 4
    assert _decisions(path) == [None, None, "skip"]


def test_another_process_is_refused(path: Path) -> None:
    command = [sys.executable, "-m", "copydesk", "review", str(path), "--no-browser"]
    with open_session(path):
        other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert other.returncode == 2
    assert other.stderr.startswith(f"copydesk: Another process is reviewing '{path}'. Go on in its page")
    with open_session(path) as session:
        assert len(session.items) == 3


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none.jsonl' does not exist"), open_session(tmp_path / "none.jsonl"):
        pytest.fail("must not be reached")


def test_texts_are_found_by_reason_decision_and_words(path: Path) -> None:
    session = Session(path)
    session.decide(0, "keep", None, seen=0)
    session.decide(1, "skip", None, seen=0)
    assert session.places() == [0, 1, 2]
    assert session.places(reason="outlier") == [1]
    assert session.places(reason="") == []
    assert session.places(state="undecided") == [2]
    assert session.places(state="decided") == [0]
    assert session.places(state="skip") == [1]
    assert session.places(search="straße nice") == [0]
    assert session.places(search="nice") == [0, 2]
    assert session.places(search="data.csv:2 AWFUL") == [1]


def test_progress_counts_decisions_by_reason(path: Path) -> None:
    session = Session(path)
    session.decide(0, "keep", None, seen=0)
    session.decide(0, "drop", None, seen=1)
    session.decide(1, "skip", None, seen=0)
    counts = counts_of(session.tally)
    assert (counts.all, counts.decided, counts.skipped) == (3, 1, 1)
    by_reason = counts_by_reason(session.tally)
    assert list(by_reason) == ["label error", "outlier"]
    assert [(one.all, one.decided, one.skipped) for one in by_reason.values()] == [(2, 1, 0), (1, 0, 1)]


def test_decisions_that_arrive_together_are_all_saved(tmp_path: Path) -> None:
    items = tuple(replace(ITEM, id=str(place)) for place in range(200))
    write_review(tmp_path / "many.jsonl", Review(Header("single", ("bad", "good")), items))
    with open_session(tmp_path / "many.jsonl") as session, ThreadPoolExecutor(8) as pool:
        revisions = [
            seen.revision for seen in pool.map(lambda place: session.decide(place, "drop", None, seen=0), range(200))
        ]
        assert sorted(revisions) == list(range(1, 201))
        assert _decisions(tmp_path / "many.jsonl") == ["drop"] * 200
        assert counts_of(session.tally).decided == 200
