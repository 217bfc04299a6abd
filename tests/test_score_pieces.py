"""The pieces that scoring is made of: remembered texts, threads, parts, inputs, stores, and Ray's actor without Ray."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copydesk.errors import DataError, SourceError, UsageError
from copydesk.progress import Silent
from copydesk.remote.store import Bucket, Folder, Store
from copydesk.runtime.engine import Classifier
from copydesk.score.inputs import Forward, Input, files_of, read_input
from copydesk.score.on_ray import Actor, job_of
from copydesk.score.parts import KEY, PartWriter, Rows, counts_of, missing, parts_of
from copydesk.score.run import score
from copydesk.score.scorer import Options, Scored
from copydesk.score.seen import Seen
from copydesk.score.threads import ahead, behind
from copydesk.training import train_bundle
from fakes import toy_rows


class _Lengths:
    """Computes a text's length, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: list[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[float(len(text)), -1.0] for text in texts])


def test_identical_texts_are_computed_once_within_and_across_batches() -> None:
    seen, compute = Seen(2), _Lengths()
    assert seen.scores(["a", "bb", "a"], compute)[:, 0].tolist() == [1, 2, 1]
    assert seen.scores(["bb", "ccc", "a"], compute)[:, 0].tolist() == [2, 3, 1]
    assert compute.asked == ["a", "bb", "ccc"] and seen.computed == 3
    assert seen.scores([], compute).shape == (0, 2)


def test_memory_of_texts_is_bounded_and_never_wrong() -> None:
    seen, compute = Seen(2, texts=4, characters=40), _Lengths()
    chance = np.random.default_rng(1)
    for _ in range(300):
        texts = ["x" * length for length in chance.integers(0, 60, chance.integers(0, 12))]
        assert seen.scores(texts, compute)[:, 0].tolist() == [len(text) for text in texts]
        assert len(seen._young) <= 4 and len(seen._old) <= 4


def test_what_is_asked_for_again_and_again_is_not_forgotten() -> None:
    seen, compute = Seen(2, texts=4), _Lengths()
    for number in range(50):
        seen.scores(["often", f"once {number}"], compute)
    assert compute.asked.count("often") == 1


def test_an_error_in_the_reading_thread_is_raised_where_its_items_are_taken() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise SourceError("the file changed")

    with pytest.raises(SourceError, match="the file changed"), ahead(items()) as taken:
        assert next(taken) == 1
        next(taken)
    assert _threads() == []


def test_a_reader_whose_items_nobody_wants_ends() -> None:
    with ahead(iter(range(1_000_000))) as taken:
        assert next(taken) == 0
    assert _threads() == []


def test_what_was_handed_over_is_written_even_if_the_work_fails() -> None:
    written: list[int] = []
    with pytest.raises(KeyboardInterrupt), behind(written.append) as hand_over:
        hand_over(1)
        hand_over(2)
        raise KeyboardInterrupt
    assert written == [1, 2] and _threads() == []


def test_an_error_of_the_writing_thread_ends_the_work() -> None:
    def write(item: int) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"), behind(write) as hand_over:
        for item in range(1_000):
            hand_over(item)
    assert _threads() == []


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("copydesk-")]


def test_what_is_missing_is_read_off_the_names() -> None:
    names = ["request.json", "part-000000000006-4.parquet", "part-000000000000-3.parquet", ".copydesk-half"]
    assert parts_of(names) == [Rows(0, 3), Rows(6, 10)]
    assert missing(parts_of(names), 12) == [Rows(3, 6), Rows(10, 12)]
    assert missing([], 2) == [Rows(0, 2)] and missing([Rows(0, 2)], 2) == []
    with pytest.raises(DataError, match="hold the same rows: two processes scored at once"):
        parts_of([*names, "part-000000000001-1.parquet"])


SCHEMA = pa.schema([("a", pa.int64())])


def _scored(*values: int) -> Scored:
    return Scored(pa.table({"a": pa.array(values, pa.int64())}), Counter({"empty text": 1}), len(values))


def test_parts_end_after_so_many_rows_or_seconds_or_at_a_gap(tmp_path: Path) -> None:
    store, now = Folder(tmp_path / "out"), iter([0.0, 1.0, 2.0, 10.0, 11.0, 50.0, 60.0, 61.0])
    with PartWriter(store, SCHEMA, most_rows=4, most_s=30, clock=lambda: next(now)) as parts:
        for start, values in ((0, (1, 2)), (2, (3, 4)), (4, (5,)), (5, (6,)), (9, (7,))):
            parts.write(start, _scored(*values))
    assert parts_of(store.names()) == [Rows(0, 4), Rows(4, 6), Rows(9, 10)]
    counts = counts_of(store, parts_of(store.names()))
    assert counts.errors == {"empty text": 5} and counts.computed == 7
    assert [name for name in store.names() if not name.startswith("part-")] == []


def test_after_an_error_the_rows_there_are_become_a_part_unless_it_must_be_whole(tmp_path: Path) -> None:
    for whole, left in ((False, ["part-000000000000-2.parquet"]), (True, [])):
        store = Folder(tmp_path / str(whole))
        with pytest.raises(KeyboardInterrupt), PartWriter(store, SCHEMA, whole=whole) as parts:
            parts.write(0, _scored(1, 2))
            raise KeyboardInterrupt
        assert store.names() == left


def test_a_part_of_another_size_than_its_name_says_is_damaged(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    pq.write_table(
        pa.table({"a": [1]}).replace_schema_metadata({KEY: '{"errors": {}, "computed": 1}'}),
        tmp_path / "part-000000000000-2.parquet",
    )
    with pytest.raises(DataError, match="'part-000000000000-2.parquet' is damaged"):
        counts_of(store, [Rows(0, 2)])


def _input(*names: str) -> Input:
    return read_input(names[0] if len(names) == 1 else ".", ("text",), Silent())


def test_a_folder_a_glob_and_a_file_name_files(tmp_path: Path) -> None:
    for name in (
        "b.csv",
        "a.jsonl.gz",
        "deep/c.PARQUET",
        "manifest.json",
        ".hidden.csv",
        "_SUCCESS",
        "_old/d.csv",
        "e.md",
    ):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("x")
    assert files_of("in") == ["in/a.jsonl.gz", "in/b.csv", "in/deep/c.PARQUET"]
    assert files_of("in/*.csv") == ["in/.hidden.csv", "in/b.csv"] or files_of("in/*.csv") == ["in/b.csv"]
    assert files_of("in/manifest.json") == ["in/manifest.json"]
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="The folder 'none' holds no data"):
        files_of("none")


def test_a_dataset_is_its_table(tmp_path: Path) -> None:
    for name in ("manifest.json", "data.parquet"):
        (tmp_path / name).write_text("{}")
    assert files_of(str(tmp_path)) == [str(tmp_path / "data.parquet")]


def test_files_of_all_kinds_are_one_run_of_rows_with_all_their_columns(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pl.DataFrame({"text": ["a", "b"], "id": ["1", "2"]}).write_csv("in/1.csv")
    pl.DataFrame({"more": [1.5], "text": ["c"]}).write_parquet("in/2.parquet")
    pl.DataFrame({"text": ["d"], "more": [7]}).write_ndjson("in/3.jsonl")
    found = _input("in")
    for start in range(4):
        tables = [batch.table for batch in found.batches(start)]
        assert (
            pa.concat_tables(tables).to_pylist()
            == [
                {"text": "a", "id": "1", "more": None},
                {"text": "b", "id": "2", "more": None},
                {"text": "c", "id": None, "more": 1.5},
                {"text": "d", "id": None, "more": 7.0},
            ][start:]
        )


def test_files_whose_columns_do_not_go_together_are_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pl.DataFrame({"text": ["a"], "id": ["1"]}).write_csv("in/1.csv")
    pl.DataFrame({"text": ["c"], "id": [1]}).write_parquet("in/2.parquet")
    with pytest.raises(DataError, match=r"'in/2.parquet' and 'in/1.csv' do not go together: Field id"):
        _input("in")


def test_a_text_column_that_holds_no_text_at_all_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"text": [1, 2]}).write_parquet("a.parquet")
    with pytest.raises(DataError, match="Column 'text' holds int64, not text"):
        _input("a.parquet")
    pl.DataFrame({"text": ["a", None]}, schema={"text": pl.Categorical}).write_parquet("b.parquet")
    assert _input("b.parquet").rows == 2


def test_a_file_that_changes_or_goes_while_it_is_scored_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a"] * 9}).write_csv("a.csv")
    found = _input("a.csv")
    (tmp_path / "a.csv").write_text("text\nother\n")
    with pytest.raises(SourceError, match="'a.csv' changed while it was scored: 11 bytes, not 23"):
        list(found.batches())
    (tmp_path / "a.csv").unlink()
    with pytest.raises(SourceError, match="'a.csv' is not on this machine"):
        list(found.batches())


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_runs_of_rows_are_taken_forwards_and_backwards(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"text": [str(place) for place in range(10_000)]})
    frame.write_csv(name) if name == "a.csv" else frame.write_parquet(name, row_group_size=3_000)
    forward = Forward(_input(name))
    for start, stop in ((0, 10), (10, 5_000), (5_000, 5_001), (9_000, 10_000), (1, 2), (4_095, 4_097)):
        taken = list(forward.take(start, stop))
        assert [first for first, _ in taken][0] == start
        texts = [text for _, batch in taken for text in batch.table["text"].to_pylist()]
        assert texts == [str(place) for place in range(start, stop)]


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_a_store_keeps_whole_files(tmp_path: Path, kind: str) -> None:
    store: Store = Folder(tmp_path / "store") if kind == "folder" else Bucket(f"memory://{tmp_path.name}/store")
    assert store.names() == [] and store.read("a.json") is None
    store.write("a.json", "{}")
    draft = store.draft()
    draft.write_bytes(b"part")
    store.keep(draft, "b")
    assert store.names() == ["a.json", "b"] and store.read("a.json") == "{}" and not draft.exists()
    with store.opened("b") as file:
        assert file.read() == b"part"
    store.drop("a.json")
    store.drop("a.json")
    assert store.has("b") and not store.has("a.json")
    store.remove()
    assert store.names() == []


@pytest.fixture
def classifier(toy_recipe: Any, toy_csv: Path) -> Classifier:
    return Classifier.load(train_bundle(toy_recipe, data=str(toy_csv), out=Path("bundle")).path)


@pytest.mark.parametrize("out", ["memory://{}/out", "memory://{}/out.parquet"])
def test_a_remote_input_is_scored_into_a_remote_output(classifier: Classifier, tmp_path: Path, out: str) -> None:
    import fsspec

    texts = [text for text, _ in toy_rows(50)]
    out = out.format(tmp_path.name)
    with fsspec.open(f"memory://{tmp_path.name}/in/rows.csv", "w") as file:
        file.write(pl.DataFrame({"text": texts}).write_csv())
    done = score(classifier, f"memory://{tmp_path.name}/in", out)
    assert done.rows == 50
    name = out if out.endswith(".parquet") else f"{out}/part-000000000000-50.parquet"
    with fsspec.open(name, "rb") as file:
        frame = pl.read_parquet(file.read())
    assert frame["label"].to_list() == [answer.label for answer in classifier.predict(texts)]
    assert score(classifier, f"memory://{tmp_path.name}/in", out).done_before == 50
    with pytest.raises(UsageError, match="--scores is on, it was off"):
        score(classifier, f"memory://{tmp_path.name}/in", out, scores=True)


def test_a_web_address_is_no_place_for_an_output(classifier: Classifier, toy_csv: Path) -> None:
    with pytest.raises(UsageError, match="'https://example.com/out' cannot be written to"):
        score(classifier, str(toy_csv), "https://example.com/out")


def test_an_actor_scores_units_into_parts_that_another_continues(classifier: Classifier, toy_csv: Path) -> None:
    score(classifier, str(toy_csv), "whole")
    found = read_input(str(toy_csv), ("text",), Silent())
    job = job_of(classifier, found, Options(("text",)), Folder(Path("out")))
    assert Path(job.model).is_absolute() and Path(job.found.files[0].url).is_absolute()
    units = {"start": np.array([100, 0]), "stop": np.array([240, 100])}
    assert Actor(job)(units) == {"rows": [140, 100], "failed": ["", ""]}
    before = {path: path.stat().st_mtime_ns for path in Path("out").iterdir()}
    assert Actor(job)(units)["rows"] == [140, 100]  # handed out again: nothing is done twice
    assert {path: path.stat().st_mtime_ns for path in Path("out").iterdir()} == before
    answers = ["predicted_label", "score", "error"]
    assert pl.read_parquet("out/*.parquet")[answers].equals(pl.read_parquet("whole/*.parquet")[answers])


def test_an_actor_says_what_is_wrong_on_its_machine(classifier: Classifier, toy_csv: Path) -> None:
    found = read_input(str(toy_csv), ("text",), Silent())
    job = job_of(classifier, found, Options(("text",)), Folder(Path("out")))
    (Path(job.model) / "manifest.json").unlink()
    failed = Actor(job)({"start": np.array([0]), "stop": np.array([9])})["failed"][0]
    assert "is not a complete bundle" in failed
    assert not Path("out").exists()
