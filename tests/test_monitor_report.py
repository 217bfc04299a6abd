"""The monitoring report: what it says of a log, and that the page says the same."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import numpy as np
import polars as pl
import pytest

from copydesk.errors import RecipeError, UsageError
from copydesk.monitor.charts import Scale, lines_of, scale_of
from copydesk.monitor.page import render_monitor
from copydesk.monitor.report import MonitorReport, Span, quiet_periods, report_of
from copydesk.monitor.report_json import plain_values, to_json
from copydesk.monitor.subject import Subject
from copydesk.monitor.times import moment, stretch
from copydesk.recipe import parse_recipe
from monitor_logs import NOON, MemoryLog, rows, sentences, subject, without_measures

WEEK = timedelta(days=7)
MIDNIGHT = NOON.replace(hour=0)


def day(number: int, count: int = 300, **more: Any) -> pl.DataFrame:
    """Return answers of a day so many days before that of NOON."""
    since = MIDNIGHT - timedelta(days=number)
    return rows(count, since=since, until=since + timedelta(hours=11), seed=100 + number, **more)


def reported(*tables: pl.DataFrame, lines: Any = (), found: Subject | None = None, **span: Any) -> MonitorReport:
    whole = Span(**{"since": NOON - WEEK, "until": NOON, **span})
    return report_of(found or subject(), MemoryLog(*tables, lines=lines), whole, now=NOON)


def unknown_headlines(count: int) -> list[str]:
    return [f"OMG {text.upper()} !!! 10/10 #wow" for text in sentences(count, seed=9)]


@pytest.mark.parametrize("given", ["", "7", "7x", "-7d", "0d", "d", "٣d", "1e3s", "tomorrow", "2026-13-01"])
def test_a_time_that_is_none_is_refused_with_what_was_expected(given: str) -> None:
    with pytest.raises(UsageError, match="Expected"):
        moment(given, NOON)


def test_a_time_is_so_long_ago_or_a_date_and_told_in_utc_whatever_zone_it_names() -> None:
    assert moment("36h", NOON) == NOON - timedelta(hours=36) and stretch("2w") == timedelta(weeks=2)
    assert moment("2026-11-01", NOON).isoformat() == "2026-11-01T00:00:00+00:00"
    assert moment("2026-11-01T12:00+01:00", NOON).isoformat() == "2026-11-01T11:00:00+00:00"


def test_a_recipe_that_could_never_alarm_is_refused() -> None:
    with pytest.raises(RecipeError, match="alarm_after is 6, more than alarm_of, which is 5"):
        parse_recipe({"name": "a", "monitor": {"alarm_after": 6}})


def test_a_quiet_week_is_fine_in_one_sentence_without_anything_to_do() -> None:
    found = reported(*(day(number) for number in range(7)))
    assert found.verdict.status == "fine" and not found.verdict.next and not found.alarms
    assert found.verdict.sentence.startswith("Nothing is wrong") and len(found.periods) == 7


def test_drift_of_today_is_an_alarm_that_says_what_moved_and_what_to_do() -> None:
    found = reported(*(day(number) for number in range(1, 7)), day(0, texts=unknown_headlines(300)))
    assert found.verdict.status == "alarm" and found.verdict.sentence.startswith("Something is wrong: ")
    assert found.verdict.next and {"drift.capitals", "drift.digits"} <= {alarm.rule for alarm in found.alarms}
    assert found.judged == MIDNIGHT
    assert any("texts have changed" in note for note in found.notes), "the expectation must be doubted"


def test_drift_that_went_away_is_told_and_alarms_no_more() -> None:
    found = reported(*(day(number) for number in (0, 1, 2, 4)), day(3, texts=unknown_headlines(300)))
    assert found.verdict.status == "changed" and "18 November" in found.verdict.sentence and not found.alarms


def test_a_detector_that_the_recipe_ignores_is_shown_and_does_not_alarm() -> None:
    ignored = [
        "capitals",
        "digits",
        "punctuation",
        "loose_punctuation",
        "unknown_words",
        "topics",
        "words",
        "characters",
    ]
    found = reported(day(0, texts=unknown_headlines(300)), found=subject(ignore=ignored))
    assert {"capitals", "digits"} <= {state.detector for state in found.drift if state.drifted}
    assert not [alarm for alarm in found.alarms if alarm.rule.removeprefix("drift.") in ignored]


def test_expected_accuracy_below_the_held_out_texts_is_an_alarm() -> None:
    found = reported(day(0, mean=0.75))
    assert "expected_accuracy" in {alarm.rule for alarm in found.alarms}
    assert found.periods[-1].expected is not None and found.periods[-1].expected < 0.85


def test_drawn_texts_that_are_surely_below_the_floor_are_an_alarm_and_users_corrections_alone_are_none() -> None:
    table = day(0)
    wrong = [
        {"at": NOON.isoformat(), "id": id_, "label": "news" if label == ["clickbait"] else "clickbait"}
        for id_, label in table.select("id", "labels").head(60).iter_rows()
    ]
    users = reported(table, lines=wrong[:10])
    drawn = reported(table, lines=[{**line, "weight": 5.0} for line in wrong])
    assert "accuracy" not in {alarm.rule for alarm in users.alarms}
    assert drawn.alarms[0].rule == "accuracy" and "drawn and looked at 0.0% were right" in drawn.verdict.sentence


def test_a_model_that_is_too_old_and_a_log_that_fell_silent_are_alarms() -> None:
    found = reported(day(3), found=subject(max_age_days=9))
    assert [alarm.rule for alarm in found.alarms] == ["silence", "age"]
    assert "no text for 73.0 hours" in found.alarms[0].what


def test_a_report_on_the_past_does_not_complain_of_silence_since() -> None:
    found = reported(day(3), until=NOON - timedelta(days=2))
    assert not found.alarms


def test_a_log_without_texts_of_this_model_is_told() -> None:
    found = reported(day(0, model="another"))
    assert not found.periods and "the log holds no text of this model" in found.verdict.sentence
    said = {"at": NOON.isoformat(), "id": "3.0000000000000001", "label": "news"}
    assert reported(day(0, model="another"), lines=[said]).verdict == found.verdict
    assert "never" in render_monitor(to_json(found))


def test_a_bundle_without_a_reference_is_reported_on_without_drift() -> None:
    found = reported(day(0), day(1), found=subject(has_reference=False))
    assert found.verdict.status == "unknown" and found.periods[0].confidence is not None
    assert found.periods[0].expected is None and "Train it again" in found.notes[0]
    assert "held-out texts: –" in render_monitor(to_json(found))


def test_texts_that_were_not_measured_are_counted_and_not_judged() -> None:
    found = reported(without_measures(day(0)), day(1, count=99))
    assert [period.own for period in found.periods] == [99, 300] and found.verdict.status == "unknown"
    assert found.periods[1].expected is not None, "what to expect needs no measures"


def test_answers_of_another_version_are_counted_and_not_compared() -> None:
    found = reported(day(0), day(0, version="2", share=0.0), day(0, version="4", source="shadow"))
    (period,) = found.periods
    assert (period.n, period.own, period.versions) == (600, 300, {"2": 300, "3": 300})
    assert sum(period.labels.values()) == 300 and not period.drifted and "other versions (2)" in found.notes[0]


def test_hours_in_which_nothing_was_logged_are_found() -> None:
    starts = [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=4)]
    assert quiet_periods(starts, "1h") == [NOON + timedelta(hours=2), NOON + timedelta(hours=3)]
    assert quiet_periods([], "1h") == []


def test_example_texts_are_the_least_sure_the_strangest_and_the_corrected_and_none_without_texts() -> None:
    table = day(0, kept=True)
    given = table.row(5, named=True)
    line = {"at": NOON.isoformat(), "id": given["id"], "label": "clickbait" if given["labels"] == ["news"] else "news"}
    examples = reported(table, lines=[line]).examples
    assert [one.text for one in examples.corrected] == [given["text"]] and examples.corrected[0].right == [
        line["label"]
    ]
    assert examples.unsure[0].confidence == pytest.approx(min(table["confidence"]))
    assert len({one.text for one in examples.unsure}) == len(examples.unsure)
    assert not reported(day(0)).examples.unsure


def test_the_page_says_what_the_json_says() -> None:
    table = day(0, texts=unknown_headlines(300), kept=True)
    lines = [{"at": NOON.isoformat(), "id": id_, "label": "news"} for id_ in table["id"].head(20)]
    report = to_json(reported(*(day(number) for number in range(1, 5)), table, lines=lines))
    page = render_monitor(report)
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " ").split())
    assert report["verdict"]["sentence"] in text
    for period in report["periods"]:
        (row,) = re.findall(rf'<tr data-period="{re.escape(period["start"])}">(.*?)</tr>', page, re.DOTALL)
        shown = f"{period['texts']:,}", f"{period['confidence']:.1%}", f"{period['expected_accuracy']:.1%}"
        assert all(value in row.replace("\u00a0", "") for value in shown)
    for state in report["drift"]["states"]:
        (row,) = re.findall(rf'data-detector="{state["detector"]}">(.*?)</tr>', page, re.DOTALL)
        assert f"{state['measure']} {state['effect']:.2f}" in row and ("alarm</span>" in row) == state["drifted"]
    for label in report["labels"]:
        assert f"{label['share']:.1%}" in page.replace("\u00a0", "") and label["label"] in text
    for judged in report["feedback"]["versions"]:
        assert f"{judged['contradicted']:,}" in text
    for one in [*report["examples"]["unsure"], *report["examples"]["corrected"]]:
        assert " ".join(one["text"].split()) in text


def test_the_page_stands_alone_and_shows_hostile_labels_and_texts_as_they_are() -> None:
    hostile = "<script>alert(1)</script>\ud800"
    table = (
        day(0, kept=True).with_columns(
            labels=pl.lit(pl.Series([[hostile]], dtype=pl.List(pl.String)).first()),
            text=pl.lit("<img src=x onerror=1>"),
        )
        if False
        else day(0, kept=True).with_columns(text=pl.lit("<img src=x onerror=1> a b"))
    )
    report = to_json(reported(table))
    report["labels"][0]["label"] = hostile
    page = render_monitor(report)
    assert "<script" not in page and "<img" not in page and "&lt;img src=x" in page
    assert not re.search(r'(?:src|href)="(?!#)', page) and "http-equiv" not in page and "@import" not in page


def test_a_hundred_and_fifty_eight_labels_are_a_short_table_and_the_rest_unfolded() -> None:
    labels = np.random.default_rng(1).choice([f"cs.{number}" for number in range(158)], 600).tolist()
    table = day(0, count=600).with_columns(labels=pl.Series([[label] for label in labels]))
    page = render_monitor(to_json(reported(table)))
    shown, unfolded = page.split("more labels</summary>")
    assert shown.count('data-name="points"') == 12 and unfolded.count('data-name="points"') > 120


def test_json_has_no_numbers_that_are_none() -> None:
    assert plain_values({"a": float("nan"), "b": [1.0, float("inf")], "c": NOON}) == {
        "a": None,
        "b": [1.0, None],
        "c": "2026-11-21T12:00:00+00:00",
    }


@pytest.mark.parametrize("values", [[0.5], [0.0], [0.981, 0.985], [1.0, 1.0], [0, 142_846], [-3.0, 7.0], []])
def test_a_scale_holds_all_values_between_few_round_steps(values: list[float]) -> None:
    scale = scale_of(values)
    assert all(scale.low <= value <= scale.high for value in values) and 2 <= len(scale.ticks) <= 6
    assert all(0 <= scale.y(tick) <= 100 for tick in scale.ticks)


def test_a_scale_is_as_long_as_it_must_be_so_that_noise_looks_small() -> None:
    scale = scale_of([0.951, 0.953], least=0.06, most=1.0)
    assert scale.high - scale.low >= 0.06 and scale.high <= 1


def test_a_line_breaks_where_nothing_is_known_and_one_point_alone_is_still_drawn() -> None:
    lines = lines_of([(0.0, 1.0), (0.5, None), (0.75, 0.5), (1.0, 0.0)], Scale(0.0, 1.0))
    assert lines == ["0.00,0.00 0.00,0.00", "75.00,50.00 100.00,100.00"]


def test_times_of_periods_are_in_order_and_begin_where_they_should() -> None:
    found = reported(*(day(number) for number in (3, 1, 2)), every="1h", since=NOON - timedelta(days=5))
    starts = [period.start for period in found.periods]
    assert starts == sorted(starts) and all(isinstance(one, datetime) and one.minute == 0 for one in starts)
    assert len(starts) == 33 and len(found.quiet) == 2 * 13
