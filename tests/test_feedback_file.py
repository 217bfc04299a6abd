"""Feedback from files: brought to the right answers, once, and refused where a name is wrong."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from copydesk.cli.main import app
from copydesk.data.review_file import Header, Item, Review, write_review
from copydesk.errors import DataError, UsageError
from copydesk.monitor.corrections import corrections_of
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.feedback import Answers, Placed, place, read_feedback
from copydesk.monitor.log import open_log
from copydesk.monitor.quality import quality
from copydesk.monitor.traits import Vocabulary
from copydesk.normalise import normalise, steps_of
from copydesk.recipe import parse_recipe

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KNOWN = Vocabulary.of(["a known headline"])
SINGLE = Answers(["news", "clickbait"])


def entry(number: int, *, labels: tuple[str, ...] = ("news",), version: str = "1", text: str = "") -> Entry:
    return Entry(
        NOW.timestamp() + number,
        f"{version}.{number:08x}",
        "m",
        version,
        text or f"headline {number}",
        labels,
        (0.9,),
        0.9,
    )


def rows_of(*entries: Entry) -> pl.LazyFrame:
    return table_of(entries, KNOWN, kept=None).lazy()


def written(path: Path, text: str, at: datetime = NOW) -> Path:
    path.write_text(text, "utf-8")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def placed(path: Path, rows: pl.LazyFrame, before: pl.DataFrame | None = None, answers: Answers = SINGLE) -> Placed:
    said = corrections_of([]) if before is None else before
    return place(read_feedback(path, answers, NOW), rows, said, answers)


def test_a_spreadsheet_with_ids_and_labels_becomes_corrections(tmp_path: Path) -> None:
    file = written(
        tmp_path / "f.csv", "id,label,comment\n1.00000001,clickbait,no news\n1.00000002, news ,\n1.00000003,,\n"
    )
    found = placed(file, rows_of(entry(1), entry(2), entry(3)))
    assert found.lines == [
        {"at": "2026-11-21T12:00:00.000+00:00", "label": "clickbait", "id": "1.00000001", "comment": "no news"},
        {"at": "2026-11-21T12:00:00.000+00:00", "label": "news", "id": "1.00000002"},
    ]
    assert (found.joined, found.late, found.unknown) == (2, 0, 0)


def test_a_text_finds_the_last_answer_of_every_version_as_the_model_reads_it(tmp_path: Path) -> None:
    text = normalise("It &amp; &quot;that&quot;  all", steps_of("web"))
    rows = rows_of(entry(1, text=text), entry(2, text=text), entry(3, version="2", text=text), entry(4))
    file = written(tmp_path / "f.jsonl", json.dumps({"text": "It &amp; &quot;that&quot;  all", "label": "news"}) + "\n")
    assert [line["id"] for line in placed(file, rows).lines] == ["1.00000002", "2.00000003"]
    elsewhere = placed(written(file, json.dumps({"text": "never asked", "label": "news"})), rows)
    assert (elsewhere.lines, elsewhere.unknown, elsewhere.examples) == ([], 1, ["never asked"])


def test_the_same_file_twice_says_nothing_new_and_a_later_one_only_what_changed(tmp_path: Path) -> None:
    rows = rows_of(entry(1), entry(2))
    file = written(tmp_path / "f.csv", "id,label\n1.00000001,clickbait\n1.00000002,news\n")
    first = placed(file, rows)
    before = corrections_of(first.lines)
    again = placed(file, rows, before)
    assert (again.lines, again.known, again.joined) == ([], 2, 2)
    touched = written(file, "id,label\n1.00000001,clickbait\n1.00000002,clickbait\n", NOW.replace(hour=11))
    assert placed(touched, rows, before).lines == [], "what was said since is not taken back by an older file"
    later = before.with_columns(at=pl.col("at").dt.offset_by("-1d"))
    assert [line["id"] for line in placed(touched, rows, later).lines] == ["1.00000002"]


def test_answers_that_are_kept_no_longer_and_unknown_ones_are_told_apart(tmp_path: Path) -> None:
    file = written(tmp_path / "f.csv", "id,label\n1.00000001,news\n1.0000000f,news\n7.00000001,news\nnonsense,news\n")
    found = placed(file, rows_of(entry(1)))
    assert (found.joined, found.late, found.unknown) == (1, 1, 2) and found.examples == ["7.00000001", "nonsense"]
    assert [line["id"] for line in found.lines] == ["1.00000001", "1.0000000f"]


def test_a_wrong_label_refuses_the_file_with_the_row_and_the_nearest_name(tmp_path: Path) -> None:
    file = written(tmp_path / "f.csv", "id,label\n1.00000001,news\n1.00000002,clikbait\n1.00000003,clikbait\n")
    with pytest.raises(DataError) as told:
        read_feedback(file, SINGLE, NOW)
    assert "'clikbait' (2 times, first f.csv:2; did you mean 'clickbait'?)" in str(told.value)
    assert "Nothing was taken." in str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,lable\n1.1,news\n", "Did you mean 'label'?"),
        ("label\nnews\n", "Expected: id or text"),
        ("id,label\n,news\n", "f.csv:1: neither id nor text"),
        ("id,label,weight\n1.1,news,-3\n", "weight '-3' is no number above 0"),
        ("id,label,at\n1.1,news,yesterday\n", "at 'yesterday' is no time"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_a_remedy(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told.replace("?", r"\?").replace("'", ".")):
        read_feedback(written(tmp_path / "f.csv", text), SINGLE, NOW)


def test_several_labels_come_as_lists_or_parted_and_none_is_an_answer_too(tmp_path: Path) -> None:
    answers = Answers(["cs.CL", "cs.LG"])
    lists = written(
        tmp_path / "f.jsonl", '{"id": "1.00000001", "labels": ["cs.LG", "cs.CL"]}\n{"id": "1.00000002", "labels": []}\n'
    )
    assert [line["labels"] for line in read_feedback(lists, answers, NOW)] == [["cs.CL", "cs.LG"], []]
    parted = written(tmp_path / "f.csv", "id,labels\n1.00000001,cs.LG|cs.CL\n")
    assert [line["labels"] for line in read_feedback(parted, answers, NOW)] == [["cs.CL", "cs.LG"]]


def test_signals_are_read_by_the_models_categories(tmp_path: Path) -> None:
    recipe = parse_recipe(
        {"name": "s", "task": "signals", "text": ["text"], "label": "signals", "categories": {"sports": ["football"]}}
    )
    file = written(tmp_path / "f.jsonl", '{"id": "1.00000001", "signals": {"sports": [0.5, "football"]}}\n')
    (line,) = read_feedback(file, Answers(["sports"], recipe, (("characters",),)), NOW)
    assert line["signals"] == [{"category": "sports", "score": 0.5, "tag": "football"}]
    with pytest.raises(UsageError, match="give --model"):
        read_feedback(file, Answers(["sports"]), NOW)
    with pytest.raises(UsageError, match="of task 'single'"):
        read_feedback(written(tmp_path / "l.csv", "id,label\n1.1,a\n"), Answers(["a"], recipe), NOW)


def test_a_reviews_decisions_are_feedback_and_drawn_texts_keep_their_weight(tmp_path: Path) -> None:
    items = (
        Item("a", "one", "news", decision="keep", prediction="1.00000001", weight=12.5, reason="random"),
        Item("b", "two", "news", decision="change", new_label="clickbait", prediction="1.00000002"),
        Item("c", "three", "news", decision="drop", prediction="1.00000003"),
        Item("d", "four", "news", decision="skip", prediction="1.00000004"),
        Item("e", "five", "news", prediction="1.00000005"),
    )
    write_review(tmp_path / "review.jsonl", Review(Header("single", ("news", "clickbait")), items))
    lines = read_feedback(tmp_path / "review.jsonl", SINGLE, NOW)
    assert [(line["id"], line["label"], line.get("weight")) for line in lines] == [
        ("1.00000001", "news", 12.5),
        ("1.00000002", "clickbait", None),
    ]


def filled(tmp_path: Path, answers: int = 40) -> Path:
    open_log(str(tmp_path / "log")).write(rows_of(*(entry(one) for one in range(answers))).collect())
    return tmp_path / "log"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["monitor", "feedback", *map(str, arguments)])


def test_the_command_says_what_became_of_every_row(tmp_path: Path) -> None:
    log = filled(tmp_path)
    file = written(tmp_path / "f.csv", "id,label\n1.00000001,news\n1.0000ffff,news\n9.00000001,news\n")
    done = run(file, "--log", log)
    assert done.exit_code == 0, done.output
    assert "new: 2  (1 about answers in the log, 1 about answers that it no longer keeps)" in done.stdout
    assert "1 rows are about no answer of this log, e.g. '9.00000001'." in " ".join(done.stderr.split())
    again = run(file, "--log", log, "--json")
    assert json.loads(again.stdout) == {"new": 0, "joined": 1, "known": 2, "late": 1, "unknown": 1}
    assert len((log / "feedback.jsonl").read_text().splitlines()) == 2


def test_a_random_sample_gives_an_accuracy(tmp_path: Path) -> None:
    log = filled(tmp_path)
    names = "\n".join(f"1.{one:08x},{'news' if one < 27 else 'clickbait'}" for one in range(30))
    file = written(tmp_path / "f.csv", f"id,label\n{names}\n")
    refused = run(file, "--log", log)
    assert refused.exit_code == 1 and "no answer in the log has" in refused.output
    open_log(str(log)).write(rows_of(entry(99, labels=("clickbait",), version="0")).collect())
    assert run(file, "--log", log, "--drawn").exit_code == 0
    kept = open_log(str(log))
    estimate = quality(kept.read(), kept.corrections()).versions[0].estimate
    assert estimate is not None and estimate.n == 30 and estimate.share == pytest.approx(0.9)
    assert kept.corrections()["weight"].sum() == pytest.approx(41)
