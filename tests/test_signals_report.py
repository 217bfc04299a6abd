"""Aggregated signals: windows, stories, the formula, what is usual, and what is told of rows left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from copydesk.errors import DataError
from copydesk.monitor.entry import SCHEMA
from copydesk.signals import aggregate as aggregation
from copydesk.signals.aggregate import Aggregated, Span, aggregate
from copydesk.signals.cells import sums_of
from copydesk.signals.columns import Asked, Columns, columns_of
from copydesk.signals.rows import OTHER, UNKNOWN, rows_of_log, rows_of_table
from copydesk.signals.sheet import COLUMNS, intensity_of
from copydesk.signals.stories import with_weights
from copydesk.signals.windows import ended, grid, window_of
from copydesk.types import Signal

CATEGORIES = ("emergencies", "weather_wet", "sports")
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
Found = tuple[str, float, str]


def row(
    at: Any, *signals: Found, text: str = "", place: str = "Sweden", outlet: str = "a.example", answered: bool = True
) -> dict[str, Any]:
    """Return a row as `score` writes it: every category is there, those found are present."""
    found = {name: (score, tag) for name, score, tag in signals}
    sheet = [
        {"category": name, "score": score, "tag": tag, "present": name in found}
        for name, (score, tag) in ({name: (0.1, "never") for name in CATEGORIES} | found).items()
    ]
    return {"at": at, "title": text, "place": place, "domain": outlet, "signals": sheet if answered else None}


def rows_of(rows: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    table = pl.DataFrame(rows, infer_schema_length=None)
    return rows_of_table(table.lazy(), columns_of(table.schema, Asked(), ["title"]))


def sheet_of(rows: Sequence[dict[str, Any]], **span: Any) -> pl.DataFrame:
    return aggregated(rows, **span).sheet


def aggregated(rows: Sequence[dict[str, Any]], **span: Any) -> Aggregated:
    return aggregate(rows_of(rows), CATEGORIES, Span(**({"now": NOW} | span)))


def cell(sheet: pl.DataFrame, category: str = "weather_wet", **where: Any) -> dict[str, Any]:
    """Return the last row of a category."""
    chosen = [pl.col(name) == value for name, value in where.items()]
    return sheet.filter(pl.col("category") == category, *chosen).sort("start").row(-1, named=True)


def storm(at: datetime, count: int, score: float = -0.7, **rest: Any) -> list[dict[str, Any]]:
    """Return stories that no two share many letters of."""
    words = [f"{chr(97 + n % 26) * 7} {chr(97 + (n * 7 + 3) % 26) * 7} {n * 7919}" for n in range(count)]
    return [row(at, ("weather_wet", score, "storm"), text=text, **rest) for text in words]


def test_the_hour_that_comes_twice_in_autumn_is_two_windows_and_that_which_spring_leaves_out_none() -> None:
    def hours(day: datetime) -> list[datetime]:
        return grid(day, day + timedelta(hours=26), "1h", "Europe/Stockholm").to_list()

    autumn = [start for start in hours(datetime(2026, 10, 24, 22, tzinfo=UTC)) if start.day == 25]
    assert [start.hour for start in autumn][:5] == [0, 1, 2, 2, 3] and len(autumn) == 25
    spring = [start for start in hours(datetime(2026, 3, 28, 23, tzinfo=UTC)) if start.day == 29]
    assert [start.hour for start in spring][:4] == [0, 1, 3, 4] and len(spring) == 23


def test_a_day_whose_midnight_does_not_exist_has_a_window() -> None:
    days = grid(datetime(2026, 9, 5, 12, tzinfo=UTC), datetime(2026, 9, 7, 12, tzinfo=UTC), "1d", "America/Santiago")
    assert [(day.day, day.hour) for day in days] == [(5, 0), (6, 1), (7, 0)]


def test_windows_follow_the_zones_minutes_and_end_when_the_next_begins() -> None:
    at = pl.DataFrame({"at": [datetime(2026, 11, 20, 10, 10, tzinfo=UTC)]})
    (start,) = at.select(window_of(pl.col("at"), "1h", "Asia/Kolkata")).to_series()
    assert (start.hour, start.minute) == (15, 0) and start.astimezone(UTC).minute == 30
    days = grid(
        datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC), "1d", "Europe/Stockholm"
    )
    assert [ended(day, "1d") for day in days[:-1]] == days.to_list()[1:]
    hours = grid(
        datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 4, tzinfo=UTC), "1h", "Europe/Stockholm"
    )
    assert [ended(hour, "1h").timestamp() for hour in hours[:-1]] == [hour.timestamp() for hour in hours[1:]]


@pytest.mark.parametrize(
    "written",
    [
        "20261120T081500Z",
        "2026-11-20T08:15:00Z",
        "2026-11-20 08:15:00",
        " 2026-11-20T09:15:00+01:00 ",
        datetime(2026, 11, 20, 8, 15),
        datetime(2026, 11, 20, 8, 15, tzinfo=UTC),
    ],
    ids=["GDELT", "ISO", "without a zone", "another zone", "naive", "aware"],
)
def test_a_time_is_read_in_whatever_form_it_stands(written: str | datetime) -> None:
    assert rows_of([row(written)]).collect()["at"].to_list() == [datetime(2026, 11, 20, 8, 15, tzinfo=UTC)]


def test_days_are_times_and_what_cannot_be_read_is_none() -> None:
    assert rows_of([row(date(2026, 11, 20))]).collect()["at"].to_list() == [datetime(2026, 11, 20, tzinfo=UTC)]
    found = rows_of([row("yesterday"), row(None), row(""), row("2026-11-20")]).collect()["at"]
    assert found.is_null().to_list() == [True, True, True, False]


def test_numbers_are_no_times_and_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match=r"'at' holds Int64, not times. Name the column"):
        rows_of([row(1_700_000_000)]).collect()
    with pytest.raises(DataError, match=r"--place: there is no column 'town'; the data has: at, title"):
        columns_of(pl.DataFrame([row(NOW)]).schema, Asked(place="town"), ["title"])
    with pytest.raises(DataError, match="No column of times was found among: title. Name it with --time"):
        columns_of(pl.Schema({"title": pl.String()}), Asked(), ["title"])


def test_columns_are_found_by_their_names_and_the_answers_by_their_form() -> None:
    answers = pl.DataFrame([row(NOW)]).schema["signals"]
    schema = pl.Schema(
        {"seendate": pl.String(), "country": pl.String(), "signals": pl.String(), "predicted_signals": answers}
    )
    assert columns_of(schema, Asked(), ["title"]) == Columns("seendate", "predicted_signals", "country", None, ())


def test_a_story_that_forty_papers_copy_is_one_and_its_papers_are_told() -> None:
    at = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
    agency = "Storm closes the harbour of Gothenburg, thousands without power"
    copies = [
        row(at, ("weather_wet", -0.9, "storm"), text=f"{agency}{' | BBC News' * (n % 2)}", outlet=f"{n}.example")
        for n in range(40)
    ]
    other = row(at, ("weather_wet", 0.3, "rain"), text="Farmers glad of gentle showers after weeks of sun")
    found = cell(sheet_of([*copies, other]))
    assert found["stories"] == pytest.approx(2) and found["texts"] == 41 and found["sources"] == 41
    assert found["signal"] == pytest.approx((-0.9 + 0.3) / 3) and found["mean"] == pytest.approx(-0.3)
    assert (found["window_texts"], found["window_stories"]) == (41, 2)


def test_a_story_counts_once_in_every_window_and_place_that_it_is_told_in() -> None:
    first, second = datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 20, 11, tzinfo=UTC)
    found = ("weather_wet", -0.8, "storm")
    sheet = sheet_of(
        [
            row(first, found, text="Storm"),
            row(second, found, text="Storm"),
            row(second, found, text="Storm", place="Ireland"),
        ]
    )
    assert sheet.filter(pl.col("stories") > 0)["stories"].to_list() == [1, 1, 1]


def test_a_category_found_in_a_part_of_a_storys_copies_is_that_part_of_a_story() -> None:
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    sheet = sheet_of(
        [row(at, ("sports", 0.6, "game"), text="Game on"), row(at, text="Game on"), row(at, text="game on")]
    )
    assert cell(sheet, "sports")["stories"] == pytest.approx(1 / 3)


def test_a_text_that_nobody_knows_by_words_or_hash_is_a_story_of_its_own() -> None:
    unknown = pl.DataFrame(
        {"place": "a", "day": NOW, "start": NOW, "text": [None] * 3, "key": [None, "h", "h"]},
        schema_overrides={"text": pl.String},
    )
    assert with_weights(unknown)["weight"].to_list() == [1, 0.5, 0.5]


def test_the_signal_is_the_mean_with_one_quiet_story_more_and_keeps_its_sign() -> None:
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert cell(sheet_of(storm(at, 1, 0.8)))["signal"] == pytest.approx(0.4)
    assert cell(sheet_of(storm(at, 3, -0.8)))["signal"] == pytest.approx(-0.6)
    assert cell(sheet_of(storm(at, 200, -1.0)))["signal"] == pytest.approx(-200 / 201)


def test_scores_beyond_the_ends_are_cut_and_those_that_are_no_number_do_not_count() -> None:
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    odd = row(at, ("weather_wet", float("nan"), "rain"), ("sports", float("inf"), "game"), text="odd")
    result = aggregated([*storm(at, 1, -9.0), odd])
    found = cell(result.sheet)
    assert (found["signal"], found["mean"], found["low"] >= -1) == (-0.5, -1, True)
    assert result.odd == 2 and cell(result.sheet, "sports")["stories"] == 0


def test_the_intensity_is_that_of_a_prediction_at_every_strength() -> None:
    scores = np.round(np.linspace(-1, 1, 401), 3).tolist() + [0.33, 0.66, -0.33, -0.66]
    found = pl.DataFrame({"score": scores}).select(intensity_of(pl.col("score"))).to_series().to_list()
    assert found == [Signal("a", score).intensity for score in scores]


def test_the_tag_is_that_of_most_stories_then_of_the_strongest_then_by_the_alphabet() -> None:
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)

    def tag(*found: tuple[float, str]) -> tuple[str, float]:
        rows = [
            row(at, ("weather_wet", score, name), text=f"{chr(97 + n) * 9} {n}")
            for n, (score, name) in enumerate(found)
        ]
        chosen = cell(sheet_of(rows))
        return chosen["tag"], chosen["tag_share"]

    assert tag((-0.1, "rain"), (-0.1, "rain"), (-0.9, "storm")) == ("rain", pytest.approx(2 / 3))
    assert tag((-0.1, "rain"), (0.9, "storm")) == ("storm", 0.5)
    assert tag((-0.5, "storm"), (0.5, "flood")) == ("flood", 0.5)
    assert tag((-0.5, ""), (-0.5, ""), (0.1, "flood")) == ("flood", pytest.approx(1 / 3))
    assert tag((-0.5, "")) == ("", 1)


def test_a_window_without_a_text_is_there_and_empty_and_one_without_a_story_is_zero() -> None:
    hours = [datetime(2026, 11, 20, hour, 30, tzinfo=UTC) for hour in (8, 11)]
    sheet = sheet_of([*storm(hours[0], 2), row(hours[1], text="Nothing much")])
    wet = sheet.filter(pl.col("category") == "weather_wet")
    assert [start.hour for start in wet["start"]] == [8, 9, 10, 11] and sheet.height == 4 * len(CATEGORIES)
    assert wet["signal"].to_list()[1:] == [None, None, 0] and wet["window_texts"].to_list() == [2, 0, 0, 1]
    assert wet["intensity"].to_list() == ["medium", None, None, None] and wet["low"].null_count() == 3


def test_the_sheet_has_the_documented_columns_in_the_documented_order() -> None:
    sheet = sheet_of(storm(NOW - timedelta(hours=2), 1)).drop("impact", "number")
    documented = (Path(__file__).parent.parent / "docs" / "signals-report.md").read_text("utf-8")
    assert sheet.columns == list(COLUMNS)
    assert all(f"| `{name}` | {meaning} |" in documented for name, meaning in COLUMNS.items())


def test_the_interval_holds_what_it_promises() -> None:
    """A thousand cells of three stories whose scores scatter by 0.2 around -0.4."""
    random = np.random.default_rng(4)
    scores = random.normal(-0.4, 0.2, (1_000, 3))
    rows = pl.DataFrame(
        {
            "place": [f"{place:04}" for place in range(1_000) for _ in range(3)],
            "start": NOW,
            "outlet": "a",
            "story": range(3_000),
            "weight": 1.0,
            "signals": [[{"category": "sports", "score": score, "tag": ""}] for score in scores.ravel()],
        }
    )
    from copydesk.signals.sheet import sheet_of as whole_sheet

    windows = pl.DataFrame({"start": [NOW], "over": [True]})
    places = sorted(rows["place"].unique())
    sheet = whole_sheet(sums_of(rows, ["sports"]), windows, categories=["sports"], places=places, every="1h")
    held = sheet.select((pl.col("low") <= -0.3) & (pl.col("high") >= -0.3)).to_series()
    assert 0.93 <= held.mean() <= 0.97  # type: ignore[operator]


def days_of(count: int, stories: int = 1, last: int | None = None) -> list[dict[str, Any]]:
    """Return so many days at ten o'clock with some stories each, the last day with others."""
    rows = []
    for day in range(count):
        at = datetime(2026, 11, 20, 10, 5, tzinfo=UTC) - timedelta(days=count - 1 - day)
        rows += storm(at, last if last is not None and day == count - 1 else stories)
        rows.append(row(at, text="Something else"))
    return rows


def test_a_storm_is_unusual_and_a_lone_story_is_not() -> None:
    assert cell(sheet_of(days_of(10, 1, 15)))["unusual"] < -5
    lone = [row(datetime(2026, 11, day, 10, tzinfo=UTC), text="Calm") for day in range(8, 20)]
    found = cell(
        sheet_of([*lone, *storm(datetime(2026, 11, 20, 10, tzinfo=UTC), 1, -1.0)]),
        "weather_wet",
        start=datetime(2026, 11, 20, 10, tzinfo=UTC),
    )
    assert -2.5 < found["unusual"] < -0.5 and found["usual"] == 0 and found["change"] == pytest.approx(-0.5)


def test_one_storm_among_the_days_before_does_not_become_the_rule() -> None:
    rows = [*days_of(10, 1, 15), *storm(datetime(2026, 11, 15, 10, tzinfo=UTC), 30)]
    found = cell(sheet_of(rows))
    assert found["usual"] == pytest.approx(-0.35) and found["unusual"] < -5


def test_what_is_missing_is_unusual_too_but_not_before_the_hour_is_over() -> None:
    rows = days_of(14, 20, 0)
    assert cell(sheet_of(rows), start=datetime(2026, 11, 20, 10, tzinfo=UTC))["unusual"] > 2.5
    early = cell(sheet_of(rows, now=datetime(2026, 11, 20, 10, 6, tzinfo=UTC)))
    assert early["unusual"] is None and early["over"] is False
    stormy = cell(sheet_of(days_of(14, 1, 15), now=datetime(2026, 11, 20, 10, 6, tzinfo=UTC)))
    assert stormy["unusual"] < -5 and stormy["over"] is False


def test_with_few_days_nothing_is_called_usual_and_other_hours_are_no_days() -> None:
    assert cell(sheet_of(days_of(5)))["usual"] is None
    assert cell(sheet_of(days_of(6)))["usual"] is not None
    hours = [story for hour in range(10) for story in storm(datetime(2026, 11, 20, hour, tzinfo=UTC), 1)]
    assert cell(sheet_of(hours))["usual"] is None


def test_hours_without_any_text_say_nothing_of_what_is_usual() -> None:
    rows = [story for day in (1, 4, 7, 10, 13, 20) for story in storm(datetime(2026, 11, day, 10, tzinfo=UTC), 3)]
    sheet = sheet_of(rows)
    assert cell(sheet)["usual"] is None  # of the fourteen days before only three have texts
    assert cell(sheet_of(rows, every="1d"))["usual"] is None


def test_by_the_day_the_days_before_count_whatever_their_hour() -> None:
    rows = [story for day in range(10, 21) for story in storm(datetime(2026, 11, day, day % 24, tzinfo=UTC), 3)]
    assert cell(sheet_of(rows, every="1d", now=NOW + timedelta(days=1)))["usual"] == pytest.approx(-0.525)


def test_every_row_that_is_left_out_is_counted_for_one_reason() -> None:
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    rows = [
        row("soon", text="no time"),
        row("2099-01-01", text="future"),
        row("1970-01-01", text="old"),
        row(at.isoformat(), text="broken", answered=False),
        row(at.isoformat(), ("sports", 0.5, ""), text="nowhere", place="  "),
        row(at.isoformat(), ("sports", 0.5, ""), text="somewhere"),
    ]
    found = aggregated(rows)
    assert found.counts.to_json() == {
        "rows": 6,
        "no_time": 1,
        "no_answer": 1,
        "in_future": 1,
        "outside": 1,
        "used": 2,
        "unknown_place": 1,
    }
    assert set(found.sheet["place"]) == {UNKNOWN, "Sweden"} and found.sheet["start"].n_unique() == 1


def test_a_table_of_which_nothing_can_be_used_says_why() -> None:
    with pytest.raises(
        DataError, match=r"No text can be used: of 2 rows 1 without a time that can be read, 1 dated later"
    ):
        aggregated([row("never"), row("2099-01-01")])
    with pytest.raises(DataError, match="1 outside the time of the report"):
        aggregated([row(NOW - timedelta(hours=1))], since="2026-11-20T10:00", until="2026-11-20T09:00")


def test_a_report_since_a_time_begins_then_though_the_first_text_came_later() -> None:
    rows = [story for hour in (6, 12, 14) for story in storm(datetime(2026, 11, 20, hour, 30, tzinfo=UTC), 1)]
    found = aggregated(rows, since="2026-11-20T10:00", until="2026-11-20T14:00")
    assert found.sheet["start"].unique().sort().dt.hour().to_list() == [10, 11, 12]
    assert (found.counts.used, found.counts.outside) == (1, 2)


def test_rare_places_stand_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "MOST_PLACES", 2)
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    rows = [story for n, place in enumerate("abcd") for story in storm(at, 4 - n, place=place)]
    found = aggregated(rows)
    assert found.merged == 2 and set(found.sheet["place"]) == {"a", "b", OTHER}
    assert cell(found.sheet, place=OTHER)["stories"] == 2  # the same story in both
    named = [*rows, *(story for _ in range(6) for story in storm(at, 1, place=OTHER))]
    assert set(aggregated(named).sheet["place"]) == {"a", OTHER}


def news(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(2)
    days = [NOW - timedelta(days=float(back)) for back in random.random(count) * 12]
    kinds = random.choice(CATEGORIES, count)
    return [
        row(at, (str(kind), float(score), "x"), text=f"{kind} {place % 40}", place=str(random.choice(["a", "b"])))
        for place, (at, kind, score) in enumerate(zip(days, kinds, random.uniform(-1, 1, count), strict=True))
    ]


def test_in_parts_and_in_any_order_the_sheet_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = news(400)
    whole = sheet_of(rows, zone="Europe/Stockholm")
    monkeypatch.setattr(aggregation, "_ROWS_AT_ONCE", 30)
    assert (whole["stories"] > 0).sum() > 100
    assert_frame_equal(sheet_of(rows[::-1], zone="Europe/Stockholm"), whole)


def log_row(at: datetime, labels: list[str], scores: list[float], tags: list[str], **rest: Any) -> dict[str, Any]:
    values = {"at": at, "id": "i", "source": "live", "text_hash": "h", "labels": labels, "scores": scores, "tags": tags}
    return {name: None for name in SCHEMA} | values | rest


def test_a_logs_rows_are_those_that_users_got_by_category_score_and_tag() -> None:
    log = pl.DataFrame(
        [
            log_row(NOW, ["sports", "emergencies"], [0.5, -0.9], ["game", ""], text="Match stopped by a fire"),
            log_row(NOW, [], [], [], text_hash="g"),
            log_row(NOW, ["sports"], [1.0], ["game"], source="shadow"),
        ],
        schema=SCHEMA,
    )
    rows = rows_of_log(log.lazy()).collect()
    assert rows.height == 2 and set(rows["key"]) == {"h", "g"}
    found = aggregate(rows.lazy(), CATEGORIES, Span(NOW))
    assert cell(found.sheet, "emergencies")["signal"] == pytest.approx(-0.45)
    assert cell(found.sheet, "sports")["tag"] == "game" and cell(found.sheet)["window_texts"] == 2
