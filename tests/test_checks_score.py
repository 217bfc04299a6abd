"""The rubric, held against the paper's arithmetic; notes; and what becomes of a check."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from copydesk.checks.badge import badge_svg
from copydesk.checks.outcome import SECTIONS, Finding, Outcome, Status
from copydesk.checks.run import execute
from copydesk.checks.score import score_of
from copydesk.checks.settings import CheckSettings, Note, load_settings
from copydesk.checks.table import CHECKS, chosen
from copydesk.errors import Terminated, Undecided, UsageError

TODAY = date(2026, 11, 21)


def outcomes(*statuses: Status, section: str = "data") -> list[Outcome]:
    return [Outcome(f"{section}.{place}", section, place, "", status, "") for place, status in enumerate(statuses)]  # type: ignore[arg-type]


def test_a_test_run_automatically_is_a_point_one_by_hand_half_of_one_and_any_other_nothing() -> None:
    found = score_of(outcomes("passed", "passed", "manual", "failed", "skipped"))
    assert found.sections == {"data": 2.5, "model": 0, "infrastructure": 0, "monitoring": 0}


def test_the_score_is_the_least_of_the_four_sections() -> None:
    everything = [one for section in SECTIONS for one in outcomes(*["passed"] * 7, section=section)]
    assert score_of(everything).value == 7
    weak = [replace(one, status="failed") if one.section == "monitoring" and one.number else one for one in everything]
    assert score_of(weak).value == 1
    assert score_of([]).value == 0


@pytest.mark.parametrize(
    ("points", "meaning"),
    [(0, "research"), (1, "serious holes"), (2, "first pass"), (3, "reasonably"), (5, "strong"), (6, "exceptional")],
)
def test_the_meanings_are_those_of_the_papers_table(points: int, meaning: str) -> None:
    rows = [one for section in SECTIONS for one in outcomes(*["passed"] * points, section=section)]
    assert meaning in score_of(rows).meaning


def test_there_are_28_tests_seven_in_each_section_in_the_papers_order() -> None:
    assert [sum(check.section == section for check in CHECKS.values()) for section in SECTIONS] == [7, 7, 7, 7]
    assert [check.number for check in CHECKS.values()] == [*range(1, 8)] * 4
    assert all(check.id.startswith(check.section + ".") for check in CHECKS.values())
    assert len({check.run for check in CHECKS.values()}) == 28


def test_only_takes_sections_and_ids_and_refuses_others() -> None:
    assert [check.id for check in chosen(["monitoring.no_skew", "data"])][-2:] == [
        "data.input_code_tested",
        "monitoring.no_skew",
    ]
    with pytest.raises(UsageError, match=r"'speed' is no section and no check"):
        chosen(["speed"])


class Asked:
    """What `execute` needs of a subject."""

    def __init__(self, *notes: Note) -> None:
        self.settings = CheckSettings(notes=list(notes))
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.clock = lambda: 0.0


def run_of(*notes: Note, **finding: Any) -> Outcome:
    def run(_: Any) -> Finding:
        if "raises" in finding:
            raise finding["raises"]
        return Finding(**{"holds": True, "evidence": "seen", "n": 3, "threshold": "all", **finding})

    check = SimpleNamespace(id="data.schema", section="data", number=1, title="", run=run)
    return execute(check, Asked(*notes))  # type: ignore[arg-type]


def test_a_check_that_measured_nothing_has_not_passed() -> None:
    found = run_of(n=0)
    assert found.status == "failed" and "measured nothing" in found.evidence


def test_a_check_that_raises_has_failed_with_its_error_and_one_that_is_ended_ends_all() -> None:
    found = run_of(raises=ValueError("a\n  b"))
    assert (found.status, found.evidence) == ("failed", "ValueError: a b")
    with pytest.raises(Terminated):
        run_of(raises=Terminated("SIGTERM"))


def test_figures_that_are_no_numbers_are_left_out_since_json_has_none() -> None:
    assert run_of(figures={"a": float("nan"), "b": 2}).figures == {"b": 2.0}


def note(day: date = date(2026, 11, 1), text: str = "read with Charles") -> Note:
    return Note(id="data.schema", date=day, by="Ada", note=text)


def test_a_note_is_half_a_point_for_what_could_not_be_executed_and_nothing_for_what_failed() -> None:
    assert run_of(note(), raises=Undecided("no data")).status == "manual"
    assert run_of(raises=Undecided("no data")).status == "skipped"
    assert run_of(note(), holds=False).status == "failed"
    assert run_of(note(), raises=ValueError()).status == "failed"


def test_a_note_expires_and_the_newest_counts() -> None:
    old = note(date(2026, 5, 1))
    found = run_of(old, raises=Undecided("no data"))
    assert found.status == "skipped" and "has expired" in found.evidence
    assert "(until 2027-04-30)" in run_of(old, note(), raises=Undecided("no data")).evidence
    assert CheckSettings(notes=[old]).note_for("data.schema", old.expires()) is old


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("notes: [{id: data.schema, date: 2026-11-22, by: Ada, note: read it all}]", "has not come yet"),
        ("notes: [{id: data.shema, date: 2026-11-20, by: Ada, note: read it all}]", "no check 'data.shema'"),
        ("notes: [{id: data.schema, date: 2026-11-20, by: '  ', note: read it all}]", "by"),
        ("notes: [{id: data.schema, date: 2026-11-20, by: Ada, note: ok}]", "note"),
        ("notes: [{id: data.schema, by: Ada, note: read it all}]", "date"),
        ("notes: [{id: data.schema, date: yesterday, by: Ada, note: read it all}]", "date"),
        ("notes: [{id: data.schema, date: 2026-11-20, by: Ada, note: read it all, points: 1}]", "points"),
        ("max_age_days: 0", "max_age_days"),
        ("passed: [data.schema]", "passed"),
    ],
)
def test_a_checks_file_is_strict(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "checks.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=told):
        load_settings(path, known=list(CHECKS), today=TODAY)


def test_a_checks_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checks.yaml"
    path.write_text(
        "forbidden_columns: [author]\nnotes:\n- {id: data.schema, date: 2026-11-21, by: Ada, note: read it all}\n"
    )
    found = load_settings(path, known=list(CHECKS), today=TODAY)
    assert found.forbidden_columns == ["author"] and found.notes[0].by == "Ada"
    path.write_text("# nothing yet\n")
    assert load_settings(path, known=list(CHECKS), today=TODAY) == CheckSettings()


@pytest.mark.parametrize("score", [0, 0.5, 4, 6.5, 7])
def test_the_badge_is_xml_with_a_title_for_those_who_do_not_see_it(score: float) -> None:
    root = ElementTree.fromstring(badge_svg(score))
    space = "{http://www.w3.org/2000/svg}"
    title = root.find(f"{space}title")
    assert root.get("role") == "img" and title is not None and title.text == f"ML Test Score: {score:g} of 7"
    assert root.get("aria-labelledby") == title.get("id")
    assert [text.text for text in root.iter(f"{space}text")] == ["ML Test Score", f"{score:g}"]
    assert "http" not in badge_svg(score).replace("http://www.w3.org/2000/svg", "")


def test_the_badges_colour_follows_the_meaning() -> None:
    def colour(score: float) -> str:
        rects = ElementTree.fromstring(badge_svg(score)).iter("{http://www.w3.org/2000/svg}rect")
        return [rect.get("fill", "") for rect in rects][-1]

    assert len({colour(score) for score in (1, 2, 3, 5, 6)}) == 5
    assert colour(3.5) == colour(5)
