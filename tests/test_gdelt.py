from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from copydesk.collect.answers import MOST_ARTICLES, Record
from copydesk.collect.client import TooNarrow
from copydesk.collect.gdelt import collect_source, windows_left
from copydesk.collect.journal import Journal, Windows
from copydesk.collect.windows import QUARTER, Window
from copydesk.errors import SourceError
from copydesk.recipe import Gdelt
from gdelt_server import SINCE, article

GDELT = Gdelt(query="storm", since=SINCE, until=SINCE + timedelta(days=4))


class Archive:
    """Has articles at certain quarters of an hour; gives at most 250, refuses windows shorter than `shortest`."""

    def __init__(self, at_quarter: dict[int, int], *, shortest: timedelta = QUARTER, fail_after: int = 10**6) -> None:
        self.articles_: list[tuple[int, Record]] = []
        for quarter, count in at_quarter.items():
            for _ in range(count):
                number = len(self.articles_)
                self.articles_.append((quarter, article(number, f"Storm {number}", SINCE + quarter * QUARTER)))
        self.shortest, self.fail_after = shortest, fail_after
        self.asked: list[Window] = []

    def articles(self, gdelt: Gdelt, window: Window) -> tuple[Record, ...]:
        if len(self.asked) == self.fail_after:
            raise SourceError("gone")
        if window.end - window.start < self.shortest:
            raise TooNarrow
        self.asked.append(window)
        found = [one for quarter, one in self.articles_ if window.start <= SINCE + quarter * QUARTER < window.end]
        return tuple(found[:MOST_ARTICLES])


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal.beside(tmp_path / "raw.parquet")
    made.root.mkdir()
    return made


def _collect(archive: Archive, journal: Journal, gdelt: Gdelt = GDELT) -> tuple[Windows, float]:
    known, hours = journal.windows(), 0.0

    def done(window: Window, articles: int) -> None:
        nonlocal hours
        hours += window.hours

    collect_source(0, gdelt, client=archive, journal=journal, known=known, done=done)
    return known, hours


def _urls(journal: Journal) -> list[str]:
    return [record["url"] for record in journal.records(0)]


def test_every_window_is_asked_for_once_in_order(journal: Journal) -> None:
    archive = Archive({0: 3, 96: 249, 383: 1})
    _, hours = _collect(archive, journal)
    assert [window.start for window in archive.asked] == [SINCE + timedelta(days=day) for day in range(4)]
    assert _urls(journal) == [one["url"] for _, one in archive.articles_]
    assert hours == 96


def test_a_window_with_as_many_articles_as_an_answer_holds_is_halved_until_it_has_fewer(journal: Journal) -> None:
    archive = Archive({quarter: 20 for quarter in range(96, 192)})
    known, hours = _collect(archive, journal)
    assert sorted(_urls(journal)) == sorted(one["url"] for _, one in archive.articles_)
    assert len(_urls(journal)) == len(set(_urls(journal))) == 1_920
    assert {noted.state for noted in known.values()} == {"whole", "halved"}
    assert hours == 96


def test_exactly_250_may_be_more(journal: Journal) -> None:
    archive = Archive({0: 125, 50: 125})
    known, _ = _collect(archive, journal)
    assert known[0, archive.asked[0].key].state == "halved"
    assert len(_urls(journal)) == 250


def test_what_stands_in_one_quarter_of_an_hour_is_cut_and_marked(journal: Journal) -> None:
    archive = Archive({5: 300, 6: 7})
    known, hours = _collect(archive, journal)
    assert [window for (_, window), noted in known.items() if noted.state == "cut"] == [
        "2026-01-01T01:15:00/2026-01-01T01:30:00"
    ]
    assert len(_urls(journal)) == 257
    assert hours == 96


def test_where_gdelt_refuses_short_windows_the_last_it_takes_is_cut(journal: Journal) -> None:
    archive = Archive({0: 200, 3: 200, 40: 9}, shortest=timedelta(hours=1))
    known, _ = _collect(archive, journal)
    cut = [window for (_, window), noted in known.items() if noted.state == "cut"]
    assert cut == ["2026-01-01T00:00:00/2026-01-01T01:30:00"]
    assert len(set(_urls(journal))) == 259
    before = len(archive.asked)
    _collect(archive, journal)
    assert len(archive.asked) == before


def test_a_first_window_that_is_too_short_is_an_error_with_the_remedy(journal: Journal) -> None:
    with pytest.raises(SourceError, match="2026-01-01 00:00 to 2026-01-01 00:30. Raise window_hours"):
        _collect(Archive({}, shortest=timedelta(hours=1)), journal, GDELT.model_copy(update={"window_hours": 0.5}))


def test_stopped_anywhere_it_goes_on_without_asking_twice(journal: Journal) -> None:
    at_quarter = {quarter: 30 for quarter in range(90, 120)}
    whole = Archive(at_quarter)
    _collect(whole, journal)
    expected, asked = sorted(_urls(journal)), len(whole.asked)
    for stop in range(asked):
        journal.file.unlink()
        first, second = Archive(at_quarter, fail_after=stop), Archive(at_quarter)
        with pytest.raises(SourceError):
            _collect(first, journal)
        _collect(second, journal)
        assert len(first.asked) + len(second.asked) == asked
        assert sorted(_urls(journal)) == expected


def test_what_is_left_is_known_before_it_is_asked_for(journal: Journal) -> None:
    assert len(windows_left(0, GDELT, {})) == 4
    with pytest.raises(SourceError):
        _collect(Archive({quarter: 30 for quarter in range(20)}, fail_after=2), journal)
    left = windows_left(0, GDELT, journal.windows())
    assert sum(window.hours for window in left) == 96
    assert len(left) == 6
