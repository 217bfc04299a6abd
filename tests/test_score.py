"""Scoring files: what comes out, what a second call does, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from copydesk.bundle import Settings
from copydesk.errors import CopydeskError, DataError, SourceError, UsageError
from copydesk.runtime.engine import Classifier
from copydesk.score import local, run
from copydesk.score.destination import MANIFEST, REQUEST, Destination
from copydesk.score.parts import parts_of
from copydesk.score.run import Outcome, score
from copydesk.tasks import Scores
from copydesk.types import Decision
from fakes import FakeModel, Listener

BY_WORD = {"goal": [3.0, 0.0], "bank": [0.0, 2.0]}


def classifier_of(task: str = "single", **changes: Any) -> Classifier:
    settings = {"task": task, "labels": ("sport", "money"), "model": "fake", "text": ("text",), "normalise": ()}
    return Classifier(FakeModel(BY_WORD, 2), Settings(**{**settings, **changes}))


def write_rows(path: Path, texts: Sequence[object]) -> str:
    rows = [{"id": place, "text": text} for place, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def read_out(out: str | Path) -> pl.DataFrame:
    return pl.read_parquet(out if Path(out).is_file() else f"{out}/*.parquet")


@pytest.fixture
def rows(tmp_path: Path) -> str:
    return write_rows(tmp_path / "rows.jsonl", ["goal one", "bank two", "goal three"] * 5)


@pytest.mark.parametrize("out", ["out", "out/", "deep/er/out", "out.parquet", "deep/out.parquet"])
def test_every_row_is_kept_with_its_answer_in_the_order_of_the_input(rows: str, out: str) -> None:
    done = score(classifier_of(), rows, out)
    frame = read_out(out.rstrip("/"))
    assert frame.columns == ["id", "text", "label", "score", "error"]
    assert frame["id"].to_list() == list(range(15))
    assert frame["label"].to_list() == ["sport", "money", "sport"] * 5
    assert done == Outcome(out, 15, {}, 3, 0)


def test_the_answers_are_those_of_predict(rows: str) -> None:
    classifier = classifier_of()
    score(classifier, rows, "out", scores=True)
    frame = read_out("out")
    expected = [answer.to_json() for answer in classifier.predict(frame["text"].to_list(), scores=True)]
    assert frame.select("label", "score", "scores").to_dicts() == expected


@pytest.mark.parametrize(("kind", "calls"), [("linear", [3_000]), ("encoder", [1_024, 1_024, 952])])
def test_a_slow_model_gets_few_texts_at_once_so_that_progress_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, calls: list[int]
) -> None:
    rows = write_rows(tmp_path / "many.jsonl", [f"goal {number}" for number in range(3_000)])
    classifier, sizes = classifier_of(model=kind), []
    answer = classifier.scored
    monkeypatch.setattr(classifier, "scored", lambda texts: sizes.append(len(texts)) or answer(texts))
    score(classifier, rows, "out")
    assert sizes == calls
    assert read_out("out")["id"].to_list() == list(range(3_000))


@pytest.mark.parametrize("task", ["multi", "signals"])
def test_every_task_has_its_own_columns(rows: str, task: str) -> None:
    categories = {"sport": (), "money": ()} if task == "signals" else {}
    classifier = classifier_of(task, categories=categories)
    classifier.model = FakeModel({"goal": [3.0, -3.0, 0.0, 0.0][: classifier.task.outputs]}, classifier.task.outputs)
    score(classifier, rows, "out")
    frame = read_out("out").select("text", pl.col("^labels|signals$"))
    expected = [answer.to_json() for answer in classifier.predict(frame["text"].to_list())]
    assert frame.drop("text").to_dicts() == expected


def test_rows_without_a_text_are_kept_with_the_reason_and_move_nobody(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "a.jsonl", ["goal", None, "", " \t", 5, ["bank"], {"a": 1}, True, "bank"])
    listener = Listener()
    done = score(classifier_of(), source, "out", progress=listener)
    frame = read_out("out")
    assert frame["label"].to_list() == ["sport", *[None] * 7, "money"]
    reasons = ["missing text", "empty text", "empty text", "no text: a number", "no text: a list", "no text: an object"]
    assert frame["error"].to_list() == [None, *reasons, "no text: true or false", None]
    assert frame["text"].to_list() == ["goal", None, "", " \t", "5", '["bank"]', '{"a": 1}', "true", "bank"]
    assert done.errors["empty text"] == 2 and sum(done.errors.values()) == 7
    assert listener.tracked["scoring"] == 9


def test_hostile_texts_get_an_answer_and_change_nobody_elses(tmp_path: Path) -> None:
    hostile = [
        "a" * 1_000_000,
        "\x00\x00",
        "\ud800 alone",
        "א" * 50 + "\u202e",
        "👩‍👩‍👧‍👦" * 99,
        "\u200b",
        "\x1f",
        "\n",
    ]
    texts = [text for one in hostile for text in ("goal", one, "bank")]
    score(classifier_of(), write_rows(tmp_path / "a.jsonl", texts), "out")
    labels = read_out("out")["label"].to_list()
    assert labels[::3] == ["sport"] * 8 and labels[2::3] == ["money"] * 8
    assert labels[1::3] == ["sport"] * 6 + [None] * 2


def test_bytes_that_are_no_text_are_no_text(tmp_path: Path) -> None:
    broken = pa.array([b"goal", b"\xff\xfe", b"bank"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": broken}), tmp_path / "a.parquet")
    score(classifier_of(), str(tmp_path / "a.parquet"), "out")
    assert read_out("out").select("label", "error").rows() == [
        ("sport", None),
        (None, "no text: bytes that are not UTF-8"),
        ("money", None),
    ]


def test_identical_texts_reach_the_model_once(rows: str) -> None:
    classifier = classifier_of()
    score(classifier, rows, "out")
    model = classifier.model
    assert isinstance(model, FakeModel) and sorted(model.seen) == ["bank two", "goal one", "goal three"]


def test_an_answer_whose_name_a_column_has_gets_another(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["goal"], "label": ["x"], "predicted_label": ["y"], "error": ["z"]}).write_csv("a.csv")
    listener = Listener()
    score(classifier_of(), "a.csv", "out", progress=listener)
    row = read_out("out").to_dicts()[0]
    assert (row["label"], row["predicted_label"], row["error"]) == ("x", "y", "z")
    assert (row["predicted_predicted_label"], row["predicted_error"]) == ("sport", None)
    assert (
        "The input has a column 'label' already; the answer's is called 'predicted_predicted_label'." in listener.warned
    )


def test_several_text_columns_are_read_in_the_order_they_are_named(tmp_path: Path) -> None:
    pl.DataFrame({"body": ["x", None, None], "title": ["goal", "bank", None]}).write_csv("a.csv")
    classifier = classifier_of(text=("headline", "lead"))
    score(classifier, "a.csv", "out", text=["title", "body"])
    assert read_out("out")["label"].to_list() == ["sport", "money", None]
    model = classifier.model
    assert isinstance(model, FakeModel) and model.seen == ["goal\x1fx", "bank\x1f"]
    with pytest.raises(UsageError, match=r"reads 2 text columns \(headline, lead\); --text names 1: title"):
        score(classifier, "a.csv", "other", text=["title"])


def test_thresholds_can_be_changed_and_a_fallback_is_said_in_every_row(rows: str) -> None:
    classifier = classifier_of("multi", decision=Decision())
    classifier.fallback = "keywords: no bundle"
    listener = Listener()
    score(classifier, rows, "out", thresholds={"sport": 0.99, "money": 0.99}, progress=listener)
    frame = read_out("out")
    assert frame["labels"].to_list() == [[]] * 15 and set(frame["fallback"]) == {"keywords: no bundle"}
    assert listener.warned == ["These are not the trained model's answers. keywords: no bundle"]


class _Cascade(Classifier):
    """Says which stage answered each text."""

    def scored(self, texts: Sequence[Any]) -> tuple[Scores, list[str]]:
        return super().scored(texts)[0], ["linear" if "goal" in text else "encoder" for text in texts]


def test_of_a_cascade_every_row_says_which_stage_answered(tmp_path: Path) -> None:
    plain = classifier_of(model="cascade")
    source = write_rows(tmp_path / "a.jsonl", ["bank", "", "goal", "bank", "goal x"])
    score(_Cascade(plain.model, plain.settings), source, "out")
    frame = read_out("out")
    assert frame.columns == ["id", "text", "label", "score", "stage", "error"]
    assert frame["stage"].to_list() == ["encoder", None, "linear", "encoder", "linear"]


def test_the_manifest_says_what_was_scored_by_what(rows: str) -> None:
    score(classifier_of(), rows, "out")
    manifest = json.loads((Path("out") / MANIFEST).read_text())
    assert manifest["input"][0]["file"] == rows and manifest["input"][0]["rows"] == 15
    assert manifest["rows"] == 15 and len(manifest["model"]["identity"]) == 64
    assert manifest["columns"] == {"label": "string", "score": "double", "error": "string"}
    assert [part["rows"] for part in manifest["parts"]] == [15]
    score(classifier_of(), rows, "one.parquet")
    assert json.loads(pq.read_metadata("one.parquet").metadata[b"copydesk"])["input"] == manifest["input"]
    assert sorted(path.name for path in Path().iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("out", ["out", "out.parquet"])
def test_what_is_finished_is_done_already_for_the_same_request_alone(rows: str, tmp_path: Path, out: str) -> None:
    score(classifier_of(), rows, out)
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    assert score(classifier_of(), rows, out) == Outcome(out, 15, {}, 3, 15)
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    with pytest.raises(UsageError, match=f"'{out}' is of another request: --scores is on, it was off"):
        score(classifier_of(), rows, out, scores=True)
    with pytest.raises(UsageError, match=r"the model is fake \(\w+\), it was fake \(\w+\)"):
        score(classifier_of(temperature=2.0), rows, out)
    write_rows(tmp_path / "rows.jsonl", ["goal"])
    with pytest.raises(UsageError, match=r"the input '.*rows.jsonl' has another content"):
        score(classifier_of(), rows, out)


def _interrupted(monkeypatch: pytest.MonkeyPatch, after: int, error: BaseException, call: Callable[[], object]) -> None:
    """Run until `after` batches were scored."""
    real, scored = run.Scorer.__call__, 0

    def fragile(self: run.Scorer, batch: Any) -> Any:
        nonlocal scored
        if scored == after:
            raise error
        scored += 1
        return real(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(run.Scorer, "__call__", fragile)
        with pytest.raises(type(error)):
            call()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from copydesk.data import stream
    from copydesk.data.batches import Bounds

    monkeypatch.setattr(stream, "BATCH", Bounds(2))


@pytest.mark.parametrize("out", ["out", "out.parquet"])
def test_interrupted_it_keeps_what_was_scored_and_goes_on_there(
    rows: str, out: str, monkeypatch: pytest.MonkeyPatch, small_batches: None
) -> None:
    score(classifier_of(), rows, "whole")
    _interrupted(monkeypatch, 3, KeyboardInterrupt(), lambda: score(classifier_of(), rows, out))
    assert not Path(out).is_file() and not (Path(out) / MANIFEST).exists()
    with pytest.raises(UsageError, match="--scores is on, it was off"):
        score(classifier_of(), rows, out, scores=True)
    listener = Listener()
    done = score(classifier_of(), rows, out, progress=listener)
    assert done.done_before == 6 and listener.tracked["scoring"] == 9
    assert "6 of 15 rows were done before; continuing" in listener.said
    assert read_out(out).equals(read_out("whole"))
    assert not (Path(out) / REQUEST).exists()


def test_a_gap_between_parts_is_filled(rows: str, monkeypatch: pytest.MonkeyPatch, small_batches: None) -> None:
    score(classifier_of(), rows, "whole")
    monkeypatch.setattr(
        local.PartWriter.__init__,
        "__kwdefaults__",
        {"most_rows": 4, "most_s": 60.0, "whole": False, "clock": lambda: 0.0},
    )
    _interrupted(monkeypatch, 6, KeyboardInterrupt(), lambda: score(classifier_of(), rows, "out"))
    (Path("out") / parts_of(path.name for path in Path("out").iterdir())[1].part).unlink()
    done = score(classifier_of(), rows, "out")
    assert done.done_before == 8
    assert read_out("out").equals(read_out("whole"))


def test_what_a_killed_process_was_writing_is_swept_up(rows: str) -> None:
    Path("out").mkdir()
    (Path("out") / ".copydesk-killed").write_text("half")
    score(classifier_of(), rows, "out")
    assert sorted(path.name for path in Path("out").iterdir()) == [MANIFEST, "part-000000000000-15.parquet"]


def test_a_damaged_part_is_named(rows: str, monkeypatch: pytest.MonkeyPatch, small_batches: None) -> None:
    _interrupted(monkeypatch, 3, KeyboardInterrupt(), lambda: score(classifier_of(), rows, "out"))
    part = next(Path("out").glob("part-*"))
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(DataError, match=f"'{part.name}' is damaged"):
        score(classifier_of(), rows, "out")


def test_an_error_of_reading_or_writing_ends_the_work_and_keeps_the_rest(
    rows: str, monkeypatch: pytest.MonkeyPatch, small_batches: None
) -> None:
    def failing(self: Any, draft: Path, name: str) -> None:
        raise CopydeskError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("copydesk.remote.store.Folder.keep", failing)
        with pytest.raises(CopydeskError, match="the disk is full"):
            score(classifier_of(), rows, "out")
    assert sorted(path.name for path in Path("out").iterdir()) == [REQUEST]
    assert score(classifier_of(), rows, "out").done_before == 0


def test_what_is_not_ours_is_never_touched(rows: str, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "novel.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    pl.DataFrame({"a": [1]}).write_parquet("theirs.parquet")
    for out, message in (
        ("theirs", "exists already, and holds 'novel.txt'"),
        ("theirs.parquet", "is there, but not by this command"),
        ("file", "is a file"),
        ("answers.csv", "will be Parquet"),
    ):
        with pytest.raises(UsageError, match=message):
            score(classifier_of(), rows, out)
    assert sorted(path.name for path in (tmp_path / "theirs").iterdir()) == ["novel.txt"]


def test_two_processes_do_not_score_into_one_output(rows: str) -> None:
    with Destination("out").alone(), pytest.raises(UsageError, match="Another process is scoring into 'out'"):
        score(classifier_of(), rows, "out")


def test_a_wrong_request_is_refused_before_anything_is_written(rows: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_rows(folder / "a.jsonl", ["goal"])
    (tmp_path / "empty.csv").write_text("text\n")
    for arguments, options, message in (
        ((rows, "out"), {"engine": "spark"}, "--engine 'spark' is not one of: local, ray"),
        (("in", "in/out"), {}, "lies in the input folder 'in'"),
        (("gone.csv", "out"), {}, "'gone.csv' does not exist"),
        (("*.gone", "out"), {}, "matches no file"),
        (("empty.csv", "out"), {}, "has no rows"),
        ((rows, "out"), {"text": ["body"]}, "Column 'body' is missing; the data has: id, text"),
        ((rows, "out"), {"thresholds": {"sport": 0.5}}, "Thresholds are for the tasks"),
    ):
        with pytest.raises((UsageError, DataError, SourceError), match=message):
            score(classifier_of(), *arguments, **options)
    assert not (tmp_path / "out").exists()


class _Slow(FakeModel):
    """Takes its answers' sum out of order, as length sorting does."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        order = np.argsort([len(text) for text in texts])
        answers = super().logits([texts[place] for place in order])
        return answers[np.argsort(order)]


def test_many_rows_of_many_lengths_stay_where_they_are(tmp_path: Path) -> None:
    texts = [("goal" if place % 3 else "bank") + " x" * (place % 7) + f" {place % 11}" for place in range(10_000)]
    classifier = classifier_of()
    classifier.model = _Slow(BY_WORD, 2)
    score(classifier, write_rows(tmp_path / "a.jsonl", texts), "out")
    frame = read_out("out")
    assert frame["label"].to_list() == ["sport" if place % 3 else "money" for place in range(10_000)]
    assert frame["text"].to_list() == texts
