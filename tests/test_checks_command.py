"""`copydesk check` as people use it: the table, the page, the JSON, the exit code, and the registered version."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from checked import outcome_of, recipe_of, subject_in, trained
from copydesk.checks.outcome import Outcome
from copydesk.checks.report import render_checks, write_report
from copydesk.checks.run import Checked, run_checks
from copydesk.checks.table import CHECKS
from copydesk.cli import check as command
from copydesk.cli.check_table import check_table
from copydesk.cli.main import app
from copydesk.errors import UsageError
from copydesk.recipe import load_recipe
from copydesk.types import BehaviourResult, CaseFailure, ModelVersion
from fakes import Listener, toy_rows, write_csv


def checked_of(**changes: Any) -> Checked:  # noqa: ANN401 (fields)
    statuses = ("passed", "failed", "manual", "skipped")
    outcomes = [
        Outcome(
            check.id, check.section, check.number, check.title, statuses[place % 4], f"<b>seen</b> {place}", 7, "x < y"
        )
        for place, check in enumerate(CHECKS.values())
    ]
    failure = CaseFailure("<script>alert(1)</script>", "1", "0", 0.5, "changed \ud800")
    behaviours = [
        BehaviourResult("names & places", "INV", 10, 9, (0.6, 0.98), 0.95, [failure], "fairness"),
        BehaviourResult("praise", "MFT", 10, 10, (0.72, 1.0), 0.9),
    ]
    return replace(Checked("toy", "0" * 64, "2026-11-21T12:00:00+00:00", outcomes, behaviours), **changes)


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_shows_every_check_and_asks_nothing_of_anybody() -> None:
    page = Page()
    page.feed(render_checks(checked_of()))
    assert all(check.title in page.words for check in CHECKS.values())
    assert "<b>seen</b> 1" in page.words and "<script>alert(1)</script>" in page.words
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe"}
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in page.tags)
    ids = {attributes["id"] for _, attributes in page.tags if attributes.get("id")}
    assert {attributes["href"] for tag, attributes in page.tags if tag == "a"} <= {f"#{name}" for name in ids}


def test_a_behaviour_of_which_nothing_is_required_is_watched_and_does_not_count_as_held() -> None:
    watched = BehaviourResult("not bad", "MFT", 10, 0, (0.0, 0.28), 0.0)
    checked = checked_of(behaviours=[BehaviourResult("praise", "MFT", 10, 10, (0.72, 1.0), 0.9), watched])
    console = Console(width=120, record=True, file=StringIO())
    console.print(check_table(checked))
    shown = console.export_text()
    assert "1 of 1 hold; 1 are watched" in shown and "watched" in render_checks(checked)


def test_the_page_says_where_only_some_checks_were_run() -> None:
    whole = render_checks(checked_of())
    some = [replace(one, status="skipped", evidence="not run: --only named others") for one in checked_of().outcomes]
    assert "Only some of the checks" not in whole
    assert "Only some of the checks" in render_checks(checked_of(outcomes=some))


def test_the_same_result_is_the_same_page_and_its_json_has_the_keys_that_others_read(tmp_path: Path) -> None:
    write_report(checked_of(), tmp_path / "checks")
    found = json.loads((tmp_path / "checks" / "checks.json").read_text("utf-8"))
    assert {"score", "sections", "checks", "behaviours", "digest", "created"} <= set(found)
    assert set(found["sections"]) == {"data", "model", "infrastructure", "monitoring"}
    assert found["score"] == min(found["sections"].values()) and len(found["checks"]) == 28
    assert found["behaviours"][0]["rate"] == 0.9 and not found["behaviours"][0]["holds"]
    assert (tmp_path / "checks" / "checks.html").read_text("utf-8") == render_checks(checked_of())
    assert (tmp_path / "checks" / "badge.svg").read_text("utf-8").startswith("<svg")
    with pytest.raises(UsageError):
        write_report(checked_of(), tmp_path / "checks")


def test_checks_follow_one_another_each_in_a_folder_of_its_own(checked_folder: Path, tmp_path: Path) -> None:
    listener = Listener()
    subject = subject_in(checked_folder, tmp_path / "work", progress=listener)
    found = run_checks(subject, only=["data.schema", "monitoring.not_stale"])
    assert [one.status for one in found.outcomes if one.evidence != "not run: --only named others"] == ["passed"] * 2
    assert listener.tracked == {"checking": 2} and len(listener.said) == 2
    assert not found.is_whole and found.score.value == 0 and not subject.work.exists()


def run(folder: Path, *options: str) -> Any:  # noqa: ANN401 (typer's result)
    given = ["check", str(folder / "bundle"), "--data", str(folder / "data.csv"), "--only", "data.schema", *options]
    return CliRunner().invoke(app, given)


def test_the_command_prints_a_table_and_the_score_and_writes_the_report(checked_folder: Path, tmp_path: Path) -> None:
    found = run(checked_folder, "--report", str(tmp_path / "out"))
    assert found.exit_code == 0 and "✓ passed" in found.output and "rules hold on 240 rows" in found.output
    assert found.output.splitlines()[-1].startswith("ML Test Score: 0 (more of a research project")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["badge.svg", "checks.html", "checks.json"]


def test_the_behaviours_of_a_recipe_that_is_given_count_instead_of_the_bundles(
    checked_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "asked.yaml").write_text("behaviours: {goals: {templates: [a goal in the match], expect: sport}}")
    (tmp_path / "recipe.yaml").write_text("name: toy\nbehaviours: asked.yaml\n")
    given = load_recipe(tmp_path / "recipe.yaml")
    assert not subject_in(checked_folder, tmp_path / "own").behaviours
    assert [one.name for one in subject_in(checked_folder, tmp_path / "given", given=given).behaviours] == ["goals"]
    assert run(checked_folder, "--recipe", str(tmp_path / "recipe.yaml")).exit_code == 0
    assert run(checked_folder, "--recipe", str(tmp_path / "none.yaml")).exit_code == 2


def test_a_model_with_lessons_is_checked_against_the_raw_rows_it_was_made_of(tmp_path: Path) -> None:
    lessons = write_csv(tmp_path / "lessons.csv", [("the match was abandoned at the bank", "sport")])
    folder = trained(tmp_path / "made", recipe_of(prepare={"lessons": [str(lessons)]}), toy_rows())
    assert subject_in(folder, tmp_path / "work").trained_on.manifest["lessons"][0]["rows"] == 1


def test_the_exit_code_tells_whether_the_least_score_was_reached(checked_folder: Path) -> None:
    assert run(checked_folder, "--min-score", "0", "--quiet").exit_code == 0
    found = run(checked_folder, "--min-score", "1", "--json")
    assert found.exit_code == 1 and json.loads(found.stdout)["sections"]["data"] == 1


def test_an_unknown_check_and_a_wrong_checks_file_are_refused_before_anything_runs(
    checked_folder: Path, tmp_path: Path
) -> None:
    assert run(checked_folder, "--only", "speed").exit_code == 2
    (tmp_path / "notes.yaml").write_text("notes: [{id: nothing}]")
    found = run(checked_folder, "--manual", str(tmp_path / "notes.yaml"))
    assert found.exit_code == 2 and "notes" in found.output


def test_a_note_in_the_working_folder_counts(checked_folder: Path) -> None:
    Path("checks.yaml").write_text(
        "notes: [{id: model.online_metrics, date: 2026-11-01, by: Ada, note: compared by hand in October}]"
    )
    given = ["check", str(checked_folder / "bundle"), "--only", "model.online_metrics", "--json"]
    found = json.loads(CliRunner().invoke(app, given).stdout)
    assert found["sections"]["model"] == 0.5


def test_the_result_is_attached_to_the_registered_version_unless_only_some_ran(
    checked_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[object, str, dict[str, Any]]] = []
    registry = SimpleNamespace(
        find=lambda name, which: (name, which),
        attach=lambda version, kind, content: kept.append((version, kind, content)),
    )
    monkeypatch.setattr("copydesk.registry.references.registry_for", lambda _: registry)
    listener = Listener()
    subject = subject_in(checked_folder, tmp_path / "work", progress=listener)
    command._attach(subject, checked_of())
    assert not kept, "a folder is no registered version"
    subject.classifier._bundle = replace(subject.bundle, registered=ModelVersion("toy", "3", "models:/toy/3"))
    command._attach(subject, checked_of())
    assert kept[0][:2] == (("toy", 3), "checks") and kept[0][2]["digest"] == "0" * 64
    command._attach(subject, run_checks(subject, only=["data.schema"]))
    assert len(kept) == 1 and "not attached" in listener.warned[0]


def test_rows_are_suggested_only_where_there_are_behaviours(checked_folder: Path, tmp_path: Path) -> None:
    found = run(checked_folder, "--suggest-augmentation", str(tmp_path / "lessons.jsonl"))
    assert found.exit_code == 2 and "holds no behaviours" in found.output


def test_one_failed_check_does_not_keep_the_others_from_running(checked_folder: Path, tmp_path: Path) -> None:
    subject = subject_in(checked_folder, tmp_path / "work", clock=lambda: 0.0)
    subject.classifier.model = SimpleNamespace(kind="linear", logits=lambda _: 1 / 0)
    assert "ZeroDivisionError" in outcome_of("model.slices", subject).evidence
    assert outcome_of("data.schema", subject).status == "passed"
