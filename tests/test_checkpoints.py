from pathlib import Path

import pytest

from copydesk.models.checkpoints import Work, is_whole, seal, unfinished


def _checkpoint(work: Work, step: int) -> Path:
    folder = work.root / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights %d" % step)
    seal(folder)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work.beside(tmp_path / "bundles" / "toy-1")


def test_the_work_folder_stands_beside_the_bundle_it_will_become(work: Work) -> None:
    assert work.root.parent == work.bundle.parent and work.bundle.name == "toy-1"


def test_the_newest_whole_checkpoint_counts_by_number_not_by_name(work: Work) -> None:
    _checkpoint(work, 9)
    newest = _checkpoint(work, 10)
    assert work.last_whole() == (newest, [])


@pytest.mark.parametrize("harm", ["truncate", "remove", "unsealed"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(work: Work, harm: str) -> None:
    older, newer = _checkpoint(work, 10), _checkpoint(work, 20)
    if harm == "truncate":
        (newer / "model.safetensors").write_bytes(b"wei")
    else:
        (newer / ("model.safetensors" if harm == "remove" else "complete.json")).unlink()
    assert not is_whole(newer)
    assert work.last_whole() == (older, [newer])


def test_no_checkpoint_is_no_error(work: Work) -> None:
    assert work.last_whole() == (None, []) and work.facts() is None


def test_facts_are_read_back_and_damaged_ones_are_none(work: Work) -> None:
    work.begin({"data": "abc"})
    assert work.facts() == {"data": "abc"}
    (work.root / "run.json").write_text("{", "utf-8")
    assert work.facts() is None


def test_unfinished_runs_of_a_name_are_found(work: Work) -> None:
    work.begin({})
    Work.beside(work.bundle.parent / "other-1").begin({})
    Work.beside(work.bundle.parent / "toy-sv-1").begin({})
    assert unfinished(work.bundle.parent, "toy") == [work]
