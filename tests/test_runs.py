from pathlib import Path

import pytest

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import UsageError
from copydesk.files import next_free
from copydesk.models.checkpoints import Work, seal
from copydesk.recipe import Recipe, override
from copydesk.runs.claim import claimed_work
from copydesk.runs.curve import thinned
from copydesk.types import Step
from fakes import Listener, toy_rows, write_csv


@pytest.fixture
def dataset(toy_recipe: Recipe, toy_csv: Path) -> Dataset:
    return prepare_dataset(toy_recipe, toy_csv)


def _begin(bundle: Path, recipe: Recipe, dataset: Dataset) -> Work:
    work = Work.beside(bundle)
    work.begin({"recipe": recipe.model_dump(mode="json"), "data": dataset.content_hash(), "choices": {}})
    return work


def test_an_unfinished_run_keeps_its_name(toy_recipe: Recipe, dataset: Dataset) -> None:
    _begin(Path("bundles/toy-1"), toy_recipe, dataset)
    assert next_free(Path("bundles"), "toy") == Path("bundles/toy-2")


def _claimed(
    recipe: Recipe, dataset: Dataset, out: Path | None, resume: bool, listener: Listener | None = None
) -> Work:
    with claimed_work(recipe, dataset, out, resume=resume, progress=listener or Listener()) as work:
        assert work.lock_file.exists()
    return work


def test_resume_continues_the_run_that_was_begun_last(toy_recipe: Recipe, dataset: Dataset) -> None:
    work = _begin(Path("bundles/toy-1"), toy_recipe, dataset)
    listener = Listener()
    assert _claimed(toy_recipe, dataset, None, True, listener) == work
    assert listener.said == ["resuming bundles/toy-1"]


def test_without_resume_a_new_run_stands_beside_the_unfinished_one(toy_recipe: Recipe, dataset: Dataset) -> None:
    _begin(Path("bundles/toy-1"), toy_recipe, dataset)
    assert _claimed(toy_recipe, dataset, None, False).bundle == Path("bundles/toy-2")


def test_a_new_run_for_the_same_output_gives_the_unfinished_one_up_aloud(
    toy_recipe: Recipe, dataset: Dataset, tmp_path: Path
) -> None:
    work = _begin(tmp_path / "out", toy_recipe, dataset)
    (work.root / "checkpoint-4").mkdir()
    listener = Listener()
    with claimed_work(toy_recipe, dataset, tmp_path / "out", resume=False, progress=listener) as found:
        assert found == work and [path.name for path in work.root.iterdir()] == ["lock"]
    assert "--resume would have continued it" in listener.warned[0]


def test_with_nothing_to_resume_a_new_run_begins(toy_recipe: Recipe, dataset: Dataset) -> None:
    listener = Listener()
    assert _claimed(toy_recipe, dataset, None, True, listener).bundle == Path("bundles/toy-1")
    assert listener.said == ["nothing to resume: a new run"]


def test_what_changed_since_the_run_began_is_named(toy_recipe: Recipe, dataset: Dataset, tmp_path: Path) -> None:
    _begin(tmp_path / "out", toy_recipe, dataset)
    other = override(toy_recipe, {"train.seed": 7})
    with pytest.raises(UsageError, match="cannot be resumed: train changed since it began"):
        _claimed(other, dataset, tmp_path / "out", True)
    more = prepare_dataset(toy_recipe, write_csv(tmp_path / "more.csv", toy_rows(300)))
    with pytest.raises(UsageError, match="cannot be resumed: the data changed"):
        _claimed(toy_recipe, more, tmp_path / "out", True)


def test_two_runs_that_begin_together_get_names_of_their_own(toy_recipe: Recipe, dataset: Dataset) -> None:
    with claimed_work(toy_recipe, dataset, None, resume=False, progress=Listener()) as first:
        assert _claimed(toy_recipe, dataset, None, False).bundle == Path("bundles/toy-2")
    assert first.bundle == Path("bundles/toy-1")


def test_a_run_that_another_process_holds_is_neither_resumed_nor_given_up(
    toy_recipe: Recipe, dataset: Dataset, tmp_path: Path
) -> None:
    with claimed_work(toy_recipe, dataset, tmp_path / "out", resume=False, progress=Listener()) as work:
        work.begin({})
        for resume in (True, False):
            with pytest.raises(UsageError, match="Another process is training"):
                _claimed(toy_recipe, dataset, tmp_path / "out", resume)
        assert work.facts() == {}


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(toy_recipe: Recipe, dataset: Dataset) -> None:
    with (
        pytest.raises(RuntimeError),
        claimed_work(toy_recipe, dataset, None, resume=False, progress=Listener()) as work,
    ):
        work.begin({})
        raise RuntimeError
    assert not work.root.exists()


def test_a_run_that_fails_after_a_checkpoint_can_be_resumed(toy_recipe: Recipe, dataset: Dataset) -> None:
    with (
        pytest.raises(RuntimeError),
        claimed_work(toy_recipe, dataset, None, resume=False, progress=Listener()) as work,
    ):
        (work.root / "checkpoint-3").mkdir()
        seal(work.root / "checkpoint-3")
        raise RuntimeError
    assert work.last_whole()[0] == work.root / "checkpoint-3"


def test_a_run_that_fails_with_its_bundle_written_is_over(toy_recipe: Recipe, dataset: Dataset) -> None:
    with (
        pytest.raises(RuntimeError, match="the upload"),
        claimed_work(toy_recipe, dataset, None, resume=False, progress=Listener()) as work,
    ):
        (work.root / "checkpoint-4").mkdir()
        seal(work.root / "checkpoint-4")
        work.bundle.mkdir()
        raise RuntimeError("the upload failed")
    assert not work.root.exists()


def test_a_run_whose_bundle_is_there_is_not_resumed(toy_recipe: Recipe, dataset: Dataset) -> None:
    _begin(Path("bundles/toy-1"), toy_recipe, dataset)  # killed before its folder went
    Path("bundles/toy-1").mkdir()
    listener = Listener()
    assert _claimed(toy_recipe, dataset, None, True, listener).bundle == Path("bundles/toy-2")
    assert listener.said == ["nothing to resume: a new run"]


def test_a_thinned_curve_keeps_every_evaluation_and_the_means_of_the_updates() -> None:
    updates = [Step(n, n / 10, n, loss=float(n), examples_per_second=2.0 * n) for n in range(1, 11)]
    history = [*updates[:5], Step(5, 0.5, 5, validation_quality=0.9), *updates[5:]]
    found = thinned(history, most=2)
    assert [(step.step, step.loss, step.examples_per_second) for step in found] == [
        (5, 3.0, 6.0),
        (5, None, None),
        (10, 8.0, 16.0),
    ]
