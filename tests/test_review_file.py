from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from copydesk.data.review_file import Header, Item, Review, append_decision, read_review, write_review
from copydesk.errors import DataError

HEADER = Header("single", ("bad", "good"), recipe="toy")
ITEM = Item("a1", "Nice", "bad", suggested="good", reason="label error", suspicion=0.9, model={"bad": 0.1, "good": 0.9})
SIGNALS = Header("signals", ("crime",), {"crime": ["theft"]})


def _written(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), "utf-8")
    return path


def _header(**others: object) -> dict[str, object]:
    return {"format": "copydesk review 1", "task": "single", "labels": ["bad", "good"], **others}


def test_a_written_review_is_read_back_equal(tmp_path: Path) -> None:
    review = Review(HEADER, (ITEM, replace(ITEM, id="b2", text="Zeile\u2028zwei", decision="keep")))
    write_review(tmp_path / "review.jsonl", review)
    back = read_review(tmp_path / "review.jsonl")
    assert back.items == review.items
    assert back.header.labels == ("bad", "good")


def test_each_decision_has_its_outcome() -> None:
    review = Review(HEADER, (ITEM,))
    assert review.decided(0, "keep").items[0].outcome == "bad"
    assert review.decided(0, "accept").items[0].outcome == "good"
    assert review.decided(0, "change", "good").items[0].outcome == "good"
    assert review.decided(0, "drop").items[0].outcome is None
    assert not review.decided(0, "skip").items[0].is_decided
    assert not review.decided(0, "drop").decided(0, None).items[0].is_decided


def test_the_old_file_stays_whole_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    write_review(path, Review(HEADER, (ITEM,)))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        write_review(path, Review(HEADER, (replace(ITEM, suspicion=float("nan")),)))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["review.jsonl"]


@pytest.mark.parametrize(
    ("header", "item", "message"),
    [
        (_header(), {"decision": "yes"}, "line 2: decision 'yes' is none of keep, accept, change, drop, skip"),
        (_header(), {"decision": "accept"}, "line 2: there is no suggestion to accept"),
        (_header(), {"decision": "change"}, "line 2: the decision 'change' and a `new_label` belong together"),
        (_header(), {"decision": "keep", "new_label": "good"}, "belong together"),
        (_header(), {"decision": "change", "new_label": "goood"}, "'goood' is none of bad, good; did you mean 'good'"),
        (_header(), {"decison": "keep"}, "unknown key 'decison'. Did you mean 'decision'"),
        (_header(task="multi"), {"decision": "change", "new_label": []}, "no list of names"),
        (_header(task="multi"), {"decision": "change", "new_label": ["x"]}, "'x' is none of bad, good"),
        (_header(task="topics"), {"decision": "keep"}, "task 'topics' is unknown"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(
    header: dict[str, object], item: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = _written(tmp_path / "review.jsonl", header, {"id": "a", "text": "t", "label": "bad", **item})
    with pytest.raises(DataError, match=message):
        read_review(path)


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        ({"category": "crim", "score": 0}, "'crim' is none of crime; did you mean 'crime'"),
        ({"category": ["crime"], "score": 0}, "is none of crime"),
        ({"category": "crime", "score": 2}, "score 2 of 'crime'"),
        ({"category": "crime", "score": True}, "score True of 'crime'"),
        ({"category": "crime", "score": 0.5, "tag": "thef"}, "'thef' is none of theft; did you mean 'theft'"),
    ],
)
def test_a_changed_signal_must_be_possible(signal: dict[str, object], message: str) -> None:
    review = Review(SIGNALS, (Item("a", "t", [{"category": "crime", "score": 0.5, "tag": "theft"}]),))
    with pytest.raises(DataError, match=message):
        review.decided(0, "change", [signal])
    assert review.decided(0, "change", []).items[0].outcome == []
    with pytest.raises(DataError, match="category 'crime' is listed twice"):
        review.decided(0, "change", [{"category": "crime", "score": 0.5}, {"category": "crime", "score": 0.1}])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        (['{"id": 1}'], "is no review file"),
        (["name: toy"], "is no review file: its first line"),
        (["[1]"], "is no review file: its first line"),
        ([_header(), "{"], "line 2 is not JSON"),
        ([_header(), "[1]"], "line 2 holds list, not an object"),
        ([_header(), {"text": "t"}], "line 2: missing 2 required positional arguments: 'id' and 'label'"),
    ],
)
def test_a_broken_file_is_refused(lines: list[object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_review(_written(tmp_path / "review.jsonl", *lines))


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "review.jsonl").write_bytes('{"format": "é"}'.encode("latin-1"))
    with pytest.raises(DataError, match="cannot be read"):
        read_review(tmp_path / "review.jsonl")


def test_a_decision_at_the_end_belongs_to_its_item(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    review = Review(HEADER, (ITEM, replace(ITEM, id="b2")))
    write_review(path, review)
    before = path.read_bytes()
    for decision in ("drop", "change"):
        review = review.decided(1, decision, "good" if decision == "change" else None)
        append_decision(path, review, 1)
    assert path.read_bytes().startswith(before)
    assert path.read_text("utf-8").count("\n") == 5
    assert read_review(path).items == review.items
    write_review(path, read_review(path))
    assert path.read_text("utf-8").count("\n") == 3


def test_a_decision_that_was_cut_off_anywhere_leaves_the_file_readable(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    review = Review(Header("single", ("schlecht", "größe")), (replace(ITEM, label="größe", suggested=None),))
    write_review(path, review)
    whole = path.read_bytes()
    append_decision(path, review.decided(0, "change", "größe"), 0)
    added = path.read_bytes()[len(whole) :]
    for kept in range(len(added)):
        path.write_bytes(whole + added[:kept])
        assert read_review(path).items[0].decision == ("change" if kept == len(added) - 1 else None)


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ({"item": 2, "id": "a1", "decision": "keep"}, "line 3: there is no item 2; 1 stand above it"),
        ({"item": True, "id": "a1", "decision": "keep"}, "line 3: there is no item True"),
        ({"item": 1, "id": "b2", "decision": "keep"}, "line 3: item 1 has the id 'a1', not 'b2'"),
        ({"item": 1, "id": "a1", "decision": "accept"}, "line 3: there is no suggestion to accept"),
    ],
)
def test_a_decision_that_cannot_be_is_named_with_its_line(
    decision: dict[str, object], message: str, tmp_path: Path
) -> None:
    item = {"id": "a1", "text": "t", "label": "bad"}
    with pytest.raises(DataError, match=message):
        read_review(_written(tmp_path / "review.jsonl", _header(), item, decision))


@pytest.mark.parametrize(
    ("header", "item", "message"),
    [
        ({"labels": "bad"}, {}, "line 1: labels 'bad' is no list of names"),
        ({}, {"text": None}, "line 2: text None is no text"),
        ({}, {"id": 7}, "line 2: id 7 is no text"),
        ({}, {"suspicion": "high"}, "line 2: suspicion 'high' is not a number from 0 to 1"),
        ({}, {"suspicion": float("nan")}, "line 2: suspicion nan is not a number"),
        ({}, {"votes": ["good"]}, "line 2: votes .* is no list of {function, label}"),
        ({}, {"model": {"good": "0.9"}}, "line 2: model .* is no object of numbers by label"),
        ({}, {"text": "cut \ud83d"}, "line 2 holds half a surrogate pair"),
    ],
)
def test_what_could_not_be_shown_or_written_again_is_refused(
    header: dict[str, object], item: dict[str, object], message: str, tmp_path: Path
) -> None:
    whole = {"id": "a", "text": "t", "label": "bad", **item}
    with pytest.raises(DataError, match=message):
        read_review(_written(tmp_path / "review.jsonl", _header(**header), whole))
