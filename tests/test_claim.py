from __future__ import annotations

from pathlib import Path

import pytest

from copydesk.collect.claim import claimed
from copydesk.collect.journal import Journal
from copydesk.collect.windows import windows_between
from copydesk.errors import UsageError
from copydesk.recipe import Gdelt
from fakes import Listener
from gdelt_server import SINCE, UNTIL

STORM = Gdelt(query="storm", since=SINCE, until=UNTIL)
RAIN = Gdelt(query="rain", since=SINCE, until=UNTIL)


class Stopped(Exception):
    """Stands for whatever ends a collection early."""


def _begin(search: Gdelt, out: Path | None = None, *, windows: int = 1) -> Journal:
    """Leave an unfinished collection behind."""
    with pytest.raises(Stopped), claimed("news", [search], out, Listener()) as journal:
        for window in windows_between(SINCE, UNTIL, 24)[:windows]:
            journal.add(0, window, "whole", ())
        raise Stopped
    return journal


def _claimed(search: Gdelt, out: Path | None = None, listener: Listener | None = None) -> Journal:
    with claimed("news", [search], out, listener or Listener()) as journal:
        assert journal.lock_file.exists()
    return journal


def test_the_first_collection_gets_the_first_name_and_leaves_no_folder_when_it_has_succeeded() -> None:
    journal = _claimed(STORM)
    assert journal.out == Path("raw/news-1.parquet")
    assert not journal.root.exists()


def test_what_was_begun_for_the_same_searches_is_continued() -> None:
    begun = _begin(STORM)
    faster = STORM.model_copy(update={"seconds_per_request": 1.0})
    assert _claimed(faster) == begun


def test_what_was_begun_for_other_searches_is_left_alone_aloud() -> None:
    begun, listener = _begin(STORM), Listener()
    assert _claimed(RAIN, listener=listener).out == Path("raw/news-2.parquet")
    assert begun.windows() and str(begun.root) in listener.said[0]


def test_one_that_was_killed_before_it_knew_what_it_was_for_is_taken_over() -> None:
    empty = Journal.beside(Path("raw/news-1.parquet"))
    empty.root.mkdir(parents=True)
    assert _claimed(STORM) == empty


def test_for_a_given_output_other_searches_are_refused_with_what_changed(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    begun = _begin(STORM, out)
    with pytest.raises(UsageError, match=r"searches for something else \(query changed\).*remove '.*\.collecting'"):
        _claimed(RAIN, out)
    with (
        pytest.raises(UsageError, match=r"\(1 gdelt sources, now 2\)"),
        claimed("news", [STORM, RAIN], out, Listener()),
    ):
        pass
    assert _claimed(STORM, out) == begun


def test_an_output_that_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.parquet").touch()
    with pytest.raises(UsageError, match="exists already"):
        _claimed(STORM, tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_collection_has_one_process(tmp_path: Path) -> None:
    for out in (None, tmp_path / "out.parquet"):
        with claimed("news", [STORM], out, Listener()) as journal:
            with pytest.raises(UsageError, match=f"Another process is collecting '{journal.out}'"):
                _claimed(STORM, out)
            assert journal.asked() is not None


def test_other_searches_may_be_collected_at_the_same_time() -> None:
    with claimed("news", [STORM], None, Listener()) as first:
        assert _claimed(RAIN).out == Path("raw/news-2.parquet")
    assert first.out == Path("raw/news-1.parquet")


def test_one_that_ends_before_its_first_window_leaves_nothing() -> None:
    assert not _begin(STORM, windows=0).root.exists()


def test_a_recipe_with_a_longer_name_is_another_one() -> None:
    with pytest.raises(Stopped), claimed("news-9", [STORM], None, Listener()) as journal:
        journal.add(0, windows_between(SINCE, UNTIL, 24)[0], "whole", ())
        raise Stopped
    assert _claimed(STORM).out == Path("raw/news-1.parquet")
