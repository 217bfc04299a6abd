from pathlib import Path

import pytest

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import UsageError
from copydesk.models.checkpoints import Work
from copydesk.recipe import Recipe, override
from copydesk.runs import find_work, next_free, thinned
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


def test_resume_continues_the_run_that_was_begun_last(toy_recipe: Recipe, dataset: Dataset) -> None:
    work = _begin(Path("bundles/toy-1"), toy_recipe, dataset)
    listener = Listener()
    assert find_work(toy_recipe, dataset, None, resume=True, progress=listener) == work
    assert listener.said == ["resuming bundles/toy-1"]


def test_without_resume_a_new_run_stands_beside_the_unfinished_one(toy_recipe: Recipe, dataset: Dataset) -> None:
    _begin(Path("bundles/toy-1"), toy_recipe, dataset)
    assert find_work(toy_recipe, dataset, None, resume=False, progress=Listener()).bundle == Path("bundles/toy-2")


def test_a_new_run_for_the_same_output_gives_the_unfinished_one_up_aloud(
    toy_recipe: Recipe, dataset: Dataset, tmp_path: Path
) -> None:
    work = _begin(tmp_path / "out", toy_recipe, dataset)
    listener = Listener()
    assert find_work(toy_recipe, dataset, tmp_path / "out", resume=False, progress=listener) == work
    assert not work.root.exists() and "--resume would have continued it" in listener.warned[0]


def test_with_nothing_to_resume_a_new_run_begins(toy_recipe: Recipe, dataset: Dataset) -> None:
    listener = Listener()
    found = find_work(toy_recipe, dataset, None, resume=True, progress=listener)
    assert found.bundle == Path("bundles/toy-1") and listener.said == ["nothing to resume: a new run"]


def test_what_changed_since_the_run_began_is_named(toy_recipe: Recipe, dataset: Dataset, tmp_path: Path) -> None:
    _begin(tmp_path / "out", toy_recipe, dataset)
    other = override(toy_recipe, {"train.seed": 7})
    with pytest.raises(UsageError, match="cannot be resumed: train changed since it began"):
        find_work(other, dataset, tmp_path / "out", resume=True, progress=Listener())
    more = prepare_dataset(toy_recipe, write_csv(tmp_path / "more.csv", toy_rows(300)))
    with pytest.raises(UsageError, match="cannot be resumed: the data changed"):
        find_work(toy_recipe, more, tmp_path / "out", resume=True, progress=Listener())


def test_a_thinned_curve_keeps_every_evaluation_and_the_means_of_the_updates() -> None:
    updates = [Step(n, n / 10, n, loss=float(n), examples_per_second=2.0 * n) for n in range(1, 11)]
    history = [*updates[:5], Step(5, 0.5, 5, validation_quality=0.9), *updates[5:]]
    found = thinned(history, most=2)
    assert [(step.step, step.loss, step.examples_per_second) for step in found] == [
        (5, 3.0, 6.0),
        (5, None, None),
        (10, 8.0, 16.0),
    ]
