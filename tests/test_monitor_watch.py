"""Watching a log: windows judged once, alarms that do not come and go, and what survives a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from copydesk.errors import DataError, UsageError
from copydesk.monitor.alarms import Finding
from copydesk.monitor.gauges import DECLARED, PREFIX, Gauges, Seen
from copydesk.monitor.memory import Event, Memory, load_memory, save_memory, settled, voted
from copydesk.monitor.recent import size_of, windows_after
from copydesk.monitor.subject import Subject
from copydesk.monitor.watch import NO_LOG, TOO_ALIKE, Settings, Watch, watch_until
from copydesk.monitor.webhook import NotTold
from copydesk.recipe import Monitor
from monitor_logs import NOON, MemoryLog, registered, rows, sentences, subject, without_measures

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def quiet(number: int, count: int = 200, **more: object) -> pl.DataFrame:
    """Return the answers of an hour, so many hours after NOON."""
    since = NOON + number * HOUR
    return rows(count, since=since, until=since + HOUR, seed=number, **more)  # type: ignore[arg-type]


def loud(number: int) -> pl.DataFrame:
    """Return an hour in which texts are of another kind."""
    return quiet(number, texts=[f"{text.upper()} !!! 10/10" for text in sentences(200, seed=number)])


class Told:
    """A webhook in memory, which is away as long as it is told to."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_away = False

    def __call__(self, event: Event) -> None:
        if self.is_away:
            raise NotTold("away")
        self.events.append(event)

    @property
    def lines(self) -> list[str]:
        return [f"{event.alarm.rule} {event.state}" for event in self.events]


def watch(
    log: MemoryLog,
    folder: Path,
    told: Callable[[Event], None] | None = None,
    found: Callable[[], Subject] = subject,
    size: int | timedelta = 200,
) -> Watch:
    return Watch(found, log, Settings(size, timedelta(days=7), folder / "memory.json"), told)


def looked(log: MemoryLog, folder: Path, told: Told, tables: list[pl.DataFrame], **more: object) -> list[Seen]:
    """Return what a watch saw at the end of each hour in which a table's answers came."""
    watching = watch(log, folder, told, **more)  # type: ignore[arg-type]
    seen = []
    for number, table in enumerate(tables):
        log.tables.append(table)
        seen.append(watching.look(NOON + (number + 1) * HOUR))
    return seen


def rules_of(seen: Seen) -> set[str]:
    return {alarm.rule for alarm in seen.alarms}


@pytest.mark.parametrize("given", ["", "99", "0", "-1000", "1000.5", "1x", "0h", "1e4"])
def test_a_window_that_is_none_or_too_small_to_judge_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="Expected|nothing is judged"):
        size_of(given)


def test_a_window_is_a_number_of_texts_or_a_time() -> None:
    assert size_of("1000") == 1_000 and size_of("1h") == HOUR


def test_a_memory_that_is_damaged_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text('{"version": 3}', "utf-8")
    with pytest.raises(DataError, match="Remove it"):
        load_memory(tmp_path / "memory.json")


def test_a_memory_is_read_as_it_was_written(tmp_path: Path) -> None:
    log, told = MemoryLog(), Told()
    looked(log, tmp_path, told, [loud(0), loud(1)])
    before = load_memory(tmp_path / "memory.json")
    assert before is not None and before.alarms and before.window is not None
    save_memory(tmp_path / "again.json", before)
    assert load_memory(tmp_path / "again.json") == before


def test_one_window_is_no_alarm_two_of_three_are_and_it_ends_after_three_quiet_ones(tmp_path: Path) -> None:
    told = Told()
    hours = [quiet(0), loud(1), quiet(2), loud(3), quiet(4), quiet(5), quiet(6)]
    seen = looked(MemoryLog(), tmp_path, told, hours, found=lambda: subject(alarm_of=3))
    assert ["drift.capitals" in rules_of(one) for one in seen] == [False, False, False, True, True, True, False]
    assert told.lines.count("drift.capitals begins") == told.lines.count("drift.capitals ends") == 1


def test_a_window_is_judged_once_however_often_the_log_is_looked_at(tmp_path: Path) -> None:
    log, told = MemoryLog(quiet(0), loud(1)), Told()
    watching = watch(log, tmp_path, told)
    seen = [watching.look(NOON + 2 * HOUR + number * MINUTE) for number in range(4)]
    assert not any(rules_of(one) for one in seen), "the same window four times is one window"
    assert seen[0].window == seen[3].window and seen[3].at > seen[0].at


def test_a_watch_that_starts_on_a_log_judges_the_windows_before(tmp_path: Path) -> None:
    told = Told()
    seen = watch(MemoryLog(quiet(0), loud(1), loud(2)), tmp_path, told).look(NOON + 3 * HOUR)
    assert "drift.capitals" in rules_of(seen) and "drift.capitals begins" in told.lines


def test_after_a_restart_an_alarm_goes_on_and_nobody_is_told_again(tmp_path: Path) -> None:
    log, told = MemoryLog(loud(0), loud(1)), Told()
    before = watch(log, tmp_path, told).look(NOON + 2 * HOUR)
    first = list(told.events)
    after = watch(log, tmp_path, told).look(NOON + 2 * HOUR + MINUTE)
    assert first and told.events == first and rules_of(after) == rules_of(before)
    assert after.window == before.window, "gauges must not vanish with a restart"


def test_a_webhook_that_is_away_is_told_later_in_order_and_across_a_restart(tmp_path: Path) -> None:
    log, told = MemoryLog(loud(0), loud(1)), Told()
    told.is_away = True
    assert rules_of(watch(log, tmp_path, told).look(NOON + 2 * HOUR)) and not told.events
    told.is_away = False
    log.tables += [quiet(number) for number in range(2, 7)]
    watch(log, tmp_path, told).look(NOON + 7 * HOUR)
    rule = "drift.capitals"
    assert [line for line in told.lines if line.startswith(rule)] == [f"{rule} begins", f"{rule} ends"]
    assert len({event.id for event in told.events}) == len(told.events)


def test_another_version_is_judged_by_its_own_reference_and_answers_and_ends_the_alarms_of_the_one_before(
    tmp_path: Path,
) -> None:
    now = [subject()]
    log, told = MemoryLog(loud(0), loud(1)), Told()
    watching = watch(log, tmp_path, told, lambda: now[0])
    assert rules_of(watching.look(NOON + 2 * HOUR))
    now[0] = registered(now[0], "4")
    seen = watching.look(NOON + 2 * HOUR + MINUTE)
    assert seen.version == "4" and seen.window is None and not rules_of(seen)
    assert "drift is not judged yet: it takes 200 texts" in seen.notes[0]
    assert "drift.capitals ends" in told.lines
    log.tables += [quiet(2, version="4"), loud(3)]
    seen = watching.look(NOON + 4 * HOUR)
    assert seen.window is not None and seen.window.texts == 200 and not rules_of(seen) and not seen.notes


def test_a_window_of_the_same_texts_again_and_again_is_told_as_not_judged(tmp_path: Path) -> None:
    same = quiet(0, texts=sentences(200, seed=1)[:50] * 4)
    seen = watch(MemoryLog(same), tmp_path).look(NOON + HOUR)
    assert seen.window is not None and not seen.window.states and seen.notes == [TOO_ALIKE]


def test_a_log_that_is_not_there_yet_is_told_and_becomes_an_alarm_after_its_time(tmp_path: Path) -> None:
    log = MemoryLog()
    log.fails = UsageError("holds no prediction log")
    watching = watch(log, tmp_path)
    first, later = watching.look(NOON), watching.look(NOON + 25 * HOUR)
    assert first.notes == [NO_LOG] and not first.alarms
    assert rules_of(later) == {"silence"} and "25.0 hours" in later.alarms[0].what


def test_silence_ends_with_the_next_text(tmp_path: Path) -> None:
    log, told = MemoryLog(quiet(0)), Told()
    watching = watch(log, tmp_path, told)
    assert rules_of(watching.look(NOON + 30 * HOUR)) == {"silence"}
    log.tables.append(quiet(30))
    assert not rules_of(watching.look(NOON + 31 * HOUR)) and told.lines == ["silence begins", "silence ends"]


def test_a_shadows_answers_break_no_silence(tmp_path: Path) -> None:
    log = MemoryLog(quiet(0), quiet(29, version="4", source="shadow"))
    assert rules_of(watch(log, tmp_path).look(NOON + 30 * HOUR)) == {"silence"}


def test_a_bundle_without_a_reference_is_watched_for_age_and_silence_alone(tmp_path: Path) -> None:
    found = subject(has_reference=False, max_age_days=5)
    seen = watch(MemoryLog(loud(0), loud(1)), tmp_path, found=lambda: found).look(NOON + 2 * HOUR)
    assert rules_of(seen) == {"age"} and seen.window is None and "Train it again" in seen.notes[0]


def test_a_database_that_is_away_is_told_and_the_next_look_tries_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = MemoryLog(quiet(0))
    log.fails = ConnectionError("connection refused")
    watching, shown = watch(log, tmp_path), list[Seen]()

    def ended(_: float) -> bool:
        log.fails = None
        return bool(shown)

    watch_until(ended, lambda: watching.look(NOON + HOUR), shown.append, 1)
    assert len(shown) == 1 and shown[0].window is not None
    assert "look failed" in caplog.text and "ConnectionError: connection refused" in str(caplog.records[0].__dict__)


def test_texts_that_were_not_measured_make_no_window(tmp_path: Path) -> None:
    seen = watch(MemoryLog(without_measures(quiet(0)), without_measures(quiet(1))), tmp_path).look(NOON + 2 * HOUR)
    assert seen.window is None and not seen.alarms


def test_a_window_of_time_with_too_few_texts_goes_on_until_it_has_enough() -> None:
    table = pl.concat([quiet(0, count=60), quiet(1, count=60), quiet(2, count=150)]).lazy()

    def read(since: datetime, until: datetime) -> pl.LazyFrame:
        return table.filter(pl.col("at") >= since, pl.col("at") < until)

    windows = windows_after(read, HOUR, judged_until=NOON, now=NOON + 3 * HOUR + MINUTE, most=3)
    assert [(one.since, one.until, one.texts) for one in windows] == [
        (NOON, NOON + 2 * HOUR, 120),
        (NOON + 2 * HOUR, NOON + 3 * HOUR, 150),
    ]


def test_windows_of_texts_hold_each_text_once_whenever_they_are_asked_for() -> None:
    table = pl.concat([quiet(number, count=170) for number in range(4)]).lazy()

    def read(since: datetime, until: datetime) -> pl.LazyFrame:
        return table.filter(pl.col("at") >= since, pl.col("at") < until)

    until, ids = NOON - HOUR, list[str]()
    for step in range(0, 260, 20):
        for window in windows_after(read, 100, judged_until=until, now=NOON + step * MINUTE, most=3):
            until, ids = window.until, ids + window.rows["id"].to_list()
    assert len(ids) == len(set(ids)) == 600


def test_a_watch_that_was_away_for_long_judges_the_newest_windows_alone() -> None:
    table = pl.concat([quiet(number) for number in range(6)]).lazy()

    def read(since: datetime, until: datetime) -> pl.LazyFrame:
        return table.filter(pl.col("at") >= since, pl.col("at") < until)

    windows = windows_after(read, 200, judged_until=NOON, now=NOON + 6 * HOUR, most=3)
    assert [one.since for one in windows] == [NOON + number * HOUR for number in (3, 4, 5)]


def test_accuracy_from_feedback_neither_begins_nor_ends_where_chance_could_be_all() -> None:
    rules, memory = Monitor(), Memory("3", NOON)
    for speaks, is_there in ((None, False), (True, True), (None, True), (False, False)):
        memory = settled(memory, [Finding("accuracy", speaks, "")], rules, "clickbait", NOON)
        assert ("accuracy" in memory.alarms) == is_there


def test_gauges_are_those_that_are_declared_and_say_what_was_seen(tmp_path: Path) -> None:
    log = MemoryLog(loud(0), loud(1))
    id_, labels = log.tables[0].select("id", "labels").row(0)
    log.lines.append({"at": NOON.isoformat(), "id": id_, "label": "news" if labels == ["clickbait"] else "clickbait"})
    gauges = Gauges()
    assert all(not family.samples for family in gauges.collect())
    gauges.seen = watch(log, tmp_path).look(NOON + 2 * HOUR)
    values = {
        (sample.name.removeprefix(PREFIX), *sorted(sample.labels.items())): sample.value
        for family in gauges.collect()
        for sample in family.samples
    }
    model, version = ("model", "clickbait"), ("version", "3")
    assert values["drift", ("detector", "capitals"), model] == 1 and values["drift", ("detector", "labels"), model] == 0
    assert values["window_texts", model] == 200 and values["alarms", model] == len(gauges.seen.alarms) > 0
    assert values["model_age_seconds", model, version] == timedelta(days=10, hours=2).total_seconds()
    assert values["accuracy_high", model, ("source", "live"), version] == 1 - 1 / 400
    assert ("accuracy", model, ("source", "live"), version) not in values, "what users chose to correct is no accuracy"
    assert {name for name, *_ in values} == set(DECLARED) - {"accuracy"}


def test_votes_are_kept_for_so_many_windows_as_the_recipe_counts(tmp_path: Path) -> None:
    seen = looked(MemoryLog(), tmp_path, Told(), [loud(0), loud(1)])[-1]
    assert seen.window is not None
    memory, rules = Memory("3", NOON), Monitor(alarm_of=2, alarm_after=1)
    for number in range(5):
        memory = voted(memory, seen.window, [Finding("drift.words", number % 2 == 0, "")], rules)
    assert memory.votes == {"drift.words": [False, True]}


def test_every_gauge_is_documented_as_it_is_declared() -> None:
    reference = (Path(__file__).parent.parent / "docs" / "monitor.md").read_text("utf-8")
    for name, (text, labels) in DECLARED.items():
        assert f"| `{PREFIX}{name}` | {', '.join(f'`{label}`' for label in labels)} | {text} |" in reference
