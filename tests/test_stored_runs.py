"""Checkpoints in a bucket: whole or not at all, of this run alone, brought there beside the training."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import CopydeskError, UsageError
from copydesk.models.checkpoints import Work, best_of, is_whole
from copydesk.recipe import Recipe, override
from copydesk.remote import store
from copydesk.remote.retry import Retries
from copydesk.remote.store import Bucket
from copydesk.runs.claim import claimed_work
from copydesk.runs.elsewhere import _require
from copydesk.runs.same import run_key
from copydesk.runs.stored import StoredRun
from copydesk.runs.uploads import Uploads
from fakes import Listener, toy_rows, write_csv


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_RETRIES", Retries(sleep=lambda _: None))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}/checkpoints"


@pytest.fixture
def stored(url: str) -> StoredRun:
    return StoredRun(url, "toy", "0" * 16)


def _checkpoint(work: Work, step: int, best: int | None = None) -> Path:
    """Write a whole checkpoint that names the best one so far."""
    work.root.mkdir(parents=True, exist_ok=True)
    if work.facts() is None:
        work.begin({"choices": {"epochs": 3}})
    folder = work.root / f"checkpoint-{step}"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "model.safetensors").write_bytes(b"weights %d" % step)
    named = str(work.root / f"checkpoint-{best}") if best else None
    (folder / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": named}), "utf-8")
    work.seal(folder)
    return folder


@pytest.fixture
def first(tmp_path: Path) -> Work:
    return Work(tmp_path / "first" / ".toy-1.training")


@pytest.fixture
def second(tmp_path: Path) -> Work:
    work = Work(tmp_path / "second" / ".toy-1.training")
    work.root.mkdir(parents=True)
    return work


def test_a_checkpoint_comes_to_another_machine_whole_with_its_best_one(
    stored: StoredRun, first: Work, second: Work
) -> None:
    for step in (4, 8):
        stored.upload(_checkpoint(first, step, best=4))
    fetched = stored.fetch(8, second, Listener())
    assert fetched == second.root / "checkpoint-8" and is_whole(fetched)
    assert (fetched / "inner" / "model.safetensors").read_bytes() == b"weights 8"
    assert json.loads((fetched / "trainer_state.json").read_text())["best_model_checkpoint"] == str(
        second.root / "checkpoint-4"
    )
    assert is_whole(second.root / "checkpoint-4")
    assert json.loads((fetched / "run.json").read_text()) == {"choices": {"epochs": 3}}


def test_half_an_upload_never_counts(stored: StoredRun, first: Work) -> None:
    stored.upload(_checkpoint(first, 4))
    files = iter([False, False, True])
    stored.upload(_checkpoint(first, 8), stop=lambda: next(files))
    assert [found.step for found in stored.whole()] == [4]


def _files_of(stored: StoredRun, step: int) -> list[str]:
    return [name for name in stored._bucket.files() if name.startswith(f"checkpoint-{step}-")]


def test_what_is_not_what_was_written_is_left_out_aloud(stored: StoredRun, first: Work, second: Work) -> None:
    stored.upload(_checkpoint(first, 4))
    stored._bucket.write(next(name for name in _files_of(stored, 4) if name.endswith("model.safetensors")), "other")
    listener = Listener()
    assert stored.fetch(4, second, listener) is None
    assert "is not what was written; it is left out" in listener.warned[0]
    assert [path.name for path in second.root.iterdir()] == []


def test_a_checkpoint_without_the_best_one_it_names_is_left_out(stored: StoredRun, first: Work, second: Work) -> None:
    _checkpoint(first, 4)
    stored.upload(_checkpoint(first, 8, best=4))
    listener = Listener()
    assert stored.fetch(8, second, listener) is None
    assert "needs 'checkpoint-4', which is not there whole" in listener.warned[0]


def test_the_two_newest_and_the_best_they_name_are_kept(stored: StoredRun, first: Work) -> None:
    for step, best in ((2, 2), (4, 4), (6, 4), (8, 4), (10, 4)):
        stored.upload(_checkpoint(first, step, best))
    half = [False, True]
    for step in (9, 12):  # one that another process left, one that may be on its way
        stored.upload(_checkpoint(first, step), stop=iter(half).__next__)
    stored.prune()
    assert sorted({int(name.split("-")[1]) for name in stored._bucket.files()}) == [4, 8, 10, 12]


def test_runs_of_one_name_do_not_see_each_other(stored: StoredRun, url: str, first: Work) -> None:
    stored.upload(_checkpoint(first, 4))
    other = StoredRun(url, "toy", "1" * 16)
    assert other.whole() == [] and other.others() == 1
    assert StoredRun(url, "toy-two", "1" * 16).others() == 0
    other.remove()
    assert len(stored.whole()) == 1


@pytest.mark.parametrize("place", ["https://example.com/x", "checkpoints", "/data/checkpoints", "hf://a/b"])
def test_what_is_no_store_is_refused_with_what_is(place: str) -> None:
    with pytest.raises(UsageError, match="Expected gs://BUCKET/FOLDER"):
        StoredRun(place, "toy", "0" * 16)


def test_a_folder_that_all_machines_see_is_a_store_too(tmp_path: Path, first: Work, second: Work) -> None:
    stored = StoredRun(f"file://{tmp_path}/shared", "toy", "0" * 16)
    stored.begin({"recipe": "toy"})
    stored.upload(_checkpoint(first, 4))
    assert stored.fetch(4, second, Listener()) == second.root / "checkpoint-4"
    stored.remove()
    assert stored.whole() == []


class _Slow(StoredRun):
    """Holds every upload until it may go on, and fails as often as it is told."""

    def __init__(self, url: str, failures: int = 0) -> None:
        super().__init__(url, "toy", "0" * 16)
        self.may_go, self.begun, self.left = threading.Event(), threading.Event(), failures

    def upload(self, checkpoint: Path, *, stop: Callable[[], bool] = lambda: False) -> None:
        self.begun.set()
        assert self.may_go.wait(30)
        if self.left:
            self.left -= 1
            raise CopydeskError("The bucket is gone.")
        super().upload(checkpoint, stop=stop)


def test_training_does_not_wait_and_of_those_that_wait_the_newest_goes(url: str, first: Work) -> None:
    slow = _Slow(url)
    uploads = Uploads(slow, first, Listener())
    uploads.offer(_checkpoint(first, 2))
    assert slow.begun.wait(30)
    for step in (4, 6):
        uploads.offer(_checkpoint(first, step))
        shutil.rmtree(first.root / f"checkpoint-{step}")  # as Trainer prunes, whoever reads it
    slow.may_go.set()
    uploads.close(finish=True)
    assert sorted(found.step for found in slow.whole()) == [2, 6]
    assert not list(first.root.glob(".uploading-*")) and uploads.failures == 0


def test_a_bucket_that_fails_is_told_of_once_counted_and_tried_again(url: str, first: Work) -> None:
    slow, listener = _Slow(url, failures=2), Listener()
    slow.may_go.set()
    uploads = Uploads(slow, first, listener, again_s=0)
    uploads.offer(_checkpoint(first, 2))
    while not slow.whole():
        pass
    uploads.close(finish=True)
    assert [line.split(":")[0] for line in listener.warned] == [
        "A checkpoint was not uploaded",
        "Uploads of checkpoints to memory",
    ]
    assert listener.warned[1].endswith("that failed: 2; the newest there is checkpoint-2.")


def test_a_run_that_has_succeeded_gives_up_the_upload_under_way(url: str, first: Work) -> None:
    slow = _Slow(url)
    uploads = Uploads(slow, first, Listener())
    uploads.offer(_checkpoint(first, 2))
    assert slow.begun.wait(30)
    threading.Timer(0.05, slow.may_go.set).start()
    uploads.close(finish=False)
    assert slow.whole() == []


@pytest.fixture
def dataset(toy_recipe: Recipe, toy_csv: Path) -> Dataset:
    return prepare_dataset(toy_recipe, toy_csv)


class _Killed(BaseException):
    """Stands for the end of the process."""


def _train(recipe: Recipe, dataset: Dataset, out: Path, url: str, step: int = 0, *, resume: bool = False) -> Any:
    """Claim a run whose checkpoints are kept at the address; save one and fail, or succeed where `step` is 0."""
    listener = Listener()
    out.parent.mkdir(exist_ok=True)
    with claimed_work(recipe, dataset, out, resume=resume, progress=listener, checkpoints=url) as work:
        found = work.last_whole()[0]
        if work.facts() is None:
            work.begin({"recipe": recipe.model_dump(mode="json"), "data": dataset.content_hash(), "choices": {}})
        if step:
            _checkpoint(work, step)
            raise _Killed
    return found, listener


def test_a_new_machine_goes_on_from_the_newest_and_clears_up_at_the_end(
    toy_recipe: Recipe, dataset: Dataset, tmp_path: Path, url: str
) -> None:
    for step in (3, 6):
        with pytest.raises(_Killed):
            _train(toy_recipe, dataset, tmp_path / f"machine-{step}" / "out", url, step)
    found, listener = _train(toy_recipe, dataset, tmp_path / "third" / "out", url)
    assert found is not None and found.name == "checkpoint-6" and listener.warned == []
    assert Bucket(url).files() == []


def test_a_damaged_newest_falls_back_to_the_one_before(
    toy_recipe: Recipe, dataset: Dataset, tmp_path: Path, url: str
) -> None:
    for step in (3, 6):
        with pytest.raises(_Killed):
            _train(toy_recipe, dataset, tmp_path / f"machine-{step}" / "out", url, step)
    damaged = next(name for name in Bucket(url).files() if "checkpoint-6-" in name and "model" in name)
    Bucket(url).write(damaged, "other")
    found, listener = _train(toy_recipe, dataset, tmp_path / "third" / "out", url)
    assert found is not None and found.name == "checkpoint-3" and len(listener.warned) == 1


def test_the_disk_counts_where_it_is_further_than_the_bucket(
    toy_recipe: Recipe, dataset: Dataset, tmp_path: Path, url: str
) -> None:
    out = tmp_path / "one" / "out"
    with pytest.raises(_Killed):
        _train(toy_recipe, dataset, out, url, 3)
    _checkpoint(Work.beside(out), 9, best=3)
    with pytest.raises(_Killed):
        _train(toy_recipe, dataset, out, url, 12, resume=True)
    stored = StoredRun(url, "toy", run_key(toy_recipe, dataset))
    assert [found.step for found in stored.whole()] == [12, 9, 3]


def test_other_data_or_another_recipe_begins_anew_and_says_so(
    toy_recipe: Recipe, dataset: Dataset, tmp_path: Path, url: str
) -> None:
    with pytest.raises(_Killed):
        _train(toy_recipe, dataset, tmp_path / "first" / "out", url, 3)
    more = prepare_dataset(toy_recipe, write_csv(tmp_path / "more.csv", toy_rows(300)))
    for recipe, data, name in ((toy_recipe, more, "a"), (override(toy_recipe, {"train.seed": 1}), dataset, "b")):
        found, listener = _train(recipe, data, tmp_path / name / "out", url)
        assert found is None and "a new run (of 1 other run there are" in listener.said[0]
    assert len(StoredRun(url, "toy", run_key(toy_recipe, dataset)).whole()) == 1


def test_a_bucket_out_of_reach_at_the_start_is_an_error_and_leaves_no_folder(
    toy_recipe: Recipe, dataset: Dataset, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.pipe_file", fail)
    with pytest.raises(CopydeskError, match="The folder of checkpoints 'memory://.*' cannot be used"):
        _train(toy_recipe, dataset, tmp_path / "one" / "out", url)
    assert list((tmp_path / "one").iterdir()) == []


def test_every_machine_fetches_what_the_leader_begins_at_and_nothing_newer(
    stored: StoredRun, first: Work, second: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.upload(_checkpoint(first, 4))
    monkeypatch.setenv("RANK", "1")
    _checkpoint(second, 9)
    _require("checkpoint-4", second, stored, Listener())
    assert [path.name for path in second.checkpoints()] == ["checkpoint-4"]
    with pytest.raises(CopydeskError, match="'checkpoint-5', at which the leading process begins"):
        _require("checkpoint-5", second, stored, Listener())
    assert best_of(second.root / "checkpoint-4") is None


def test_one_run_has_one_key_wherever_its_files_lie(toy_recipe: Recipe, dataset: Dataset, tmp_path: Path) -> None:
    keys = []
    for name, said in (("here", "a"), ("there", "a"), ("there", "b")):
        place = tmp_path / name
        (place / "encoder").mkdir(parents=True, exist_ok=True)
        (place / "behaviours.yaml").write_text("a", "utf-8")
        (place / "encoder" / "model.safetensors").write_text(said, "utf-8")
        values = {"behaviours": str(place / "behaviours.yaml"), "model.encoder": str(place / "encoder")}
        values["source"] = [{"url": str(place / "rows.csv")}]
        keys.append(run_key(override(toy_recipe, values), dataset))
    assert keys[0] == keys[1] != keys[2]
