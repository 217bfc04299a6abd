"""Training towards probabilities: what a model learns from them, and that certain ones change nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.models.finetune import fine_tune
from copydesk.models.linear import LinearModel
from copydesk.models.targets import training_targets
from copydesk.progress import Silent
from copydesk.recipe import Recipe, override
from copydesk.tasks import Task, make_task
from copydesk.training import task_of, train_bundle
from fakes import SPORT, toy_rows
from test_weak_labels import shares, weak_rows, write_parquet

Row = dict[str, Any]
UNKNOWN = [" ".join(SPORT[:3]), "bank", "the city"]


def multi_rows(sure: float) -> list[Row]:
    """Return toy texts with one or two labels: long texts are also `long`."""
    rows = []
    for text, label in toy_rows():
        labels = [label, "long"] if len(text) > 50 else [label]
        told = {name: sure if name in labels else 1 - sure for name in ("long", "money", "sport")}
        rows.append({"text": text, "label": labels, "probabilities": shares(**told)})
    return rows


def without(rows: list[Row]) -> list[Row]:
    """Return the rows with hard labels alone."""
    return [{key: row[key] for key in ("text", "label")} for row in rows]


def dataset_of(folder: Path, rows: list[Row], recipe: Recipe) -> Dataset:
    return prepare_dataset(recipe, write_parquet(folder, rows))


def linear(dataset: Dataset, task: Task, *, balanced: bool = False) -> LinearModel:
    found = training_targets(dataset, task)
    return LinearModel.fit(dataset.part("train")[0], found.columns, task, heads=found.heads, balanced=balanced)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(("task", "rows"), [("single", weak_rows(sure=1.0)), ("multi", multi_rows(1.0))])
def test_certain_probabilities_train_the_linear_model_that_labels_train(
    toy_recipe: Recipe, tmp_path: Path, task: str, rows: list[Row], balanced: bool
) -> None:
    recipe = override(toy_recipe, {"task": task})
    soft, hard = dataset_of(tmp_path, rows, recipe), dataset_of(tmp_path, without(rows), recipe)
    kind = task_of(recipe, hard)
    assert training_targets(soft, kind).soft_texts and not training_targets(hard, kind).soft_texts
    texts = [text for text, _ in toy_rows(50, seed=1)]
    wanted = linear(hard, kind, balanced=balanced).logits(texts)
    assert linear(soft, kind, balanced=balanced).logits(texts) == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize(
    ("task", "rows", "weights"), [("single", weak_rows(sure=1.0), "balanced"), ("multi", multi_rows(1.0), "none")]
)
def test_certain_probabilities_train_the_encoder_that_labels_train(
    encoder_recipe: Recipe, tmp_path: Path, task: str, rows: list[Row], weights: str
) -> None:
    recipe = override(encoder_recipe, {"task": task, "train.epochs": 1, "train.class_weights": weights})
    hard, soft = (dataset_of(tmp_path, some, recipe) for some in (without(rows), rows))
    kind = task_of(recipe, hard)
    plain, softly = (fine_tune(recipe, dataset, kind, progress=Silent()) for dataset in (hard, soft))
    assert softly.training["soft_texts"] == len(soft.part("train")[0]) and "soft_texts" not in plain.training
    assert softly.model.logits(UNKNOWN) == pytest.approx(plain.model.logits(UNKNOWN), abs=1e-3)


def test_the_linear_model_becomes_as_sure_as_its_labels_are() -> None:
    task, texts = make_task("single", ["a", "b"]), ["heads or tails", "always so", "never so"] * 60
    soft = np.array([[0.6, 0.4], [1.0, 0.0], [0.0, 1.0]] * 60, np.float32)
    heads = [replace(task.heads[0], soft=True)]
    scores = task.scores(LinearModel.fit(texts, soft, task, heads=heads).logits(texts[:3]))
    assert scores[:, 0] == pytest.approx([0.6, 1.0, 0.0], abs=0.05)


def test_each_of_several_labels_becomes_as_sure_as_it_was() -> None:
    task, texts = make_task("multi", ["a", "b"]), ["heads or tails", "always so", "never so"] * 60
    soft = np.array([[0.6, 0.4], [1.0, 0.3], [0.0, 0.9]] * 60, np.float32)
    scores = task.scores(LinearModel.fit(texts, soft, task).logits(texts[:3]))
    assert scores[:, 0] == pytest.approx([0.6, 1.0, 0.0], abs=0.05)
    assert scores[:, 1] == pytest.approx([0.4, 0.3, 0.9], abs=0.05)


def test_the_encoder_becomes_as_sure_as_its_labels_are(encoder_recipe: Recipe, tmp_path: Path) -> None:
    sure = {"sport": shares(sport=0.6, money=0.4), "money": shares(money=0.9, sport=0.1)}
    rows = [{"text": text, "label": label, "probabilities": sure[label]} for text, label in toy_rows()]
    dataset = dataset_of(tmp_path, rows, encoder_recipe)
    task = task_of(encoder_recipe, dataset)
    recipe = override(encoder_recipe, {"train.epochs": 8, "train.early_stop": 0})
    model = fine_tune(recipe, dataset, task, progress=Silent()).model
    texts, labels = dataset.part("test")
    scores = task.scores(model.logits(texts))[:, 1]
    assert scores[[label == "sport" for label in labels]].mean() == pytest.approx(0.6, abs=0.1)
    assert scores[[label == "money" for label in labels]].mean() == pytest.approx(0.1, abs=0.1)


def test_the_recipe_can_ask_for_labels_alone(toy_recipe: Recipe, tmp_path: Path) -> None:
    recipe = override(toy_recipe, {"train.probabilities": False})
    path = write_parquet(tmp_path, weak_rows())
    assert "soft_texts" not in train_bundle(recipe, data=path).report.training
    assert "soft_texts" in train_bundle(toy_recipe, data=path).report.training


def test_a_text_without_probabilities_is_trained_by_its_label(toy_recipe: Recipe, tmp_path: Path) -> None:
    rows = weak_rows(sure=0.7)
    for row in rows[::2]:
        row["probabilities"] = None
    dataset = dataset_of(tmp_path, rows, toy_recipe)
    found = training_targets(dataset, task_of(toy_recipe, dataset))
    texts, labels = dataset.part("train")
    hard = {row["text"] for row in rows[::2]}
    wanted = [
        [float(label == name) if text in hard else 0.7 if label == name else 0.3 for name in dataset.labels]
        for text, label in zip(texts, labels, strict=True)
    ]
    assert found.columns == pytest.approx(np.array(wanted))
    assert found.soft_texts == sum(text not in hard for text in texts)


def test_of_labels_that_exclude_each_other_one_that_a_row_does_not_list_is_improbable(
    toy_recipe: Recipe, tmp_path: Path
) -> None:
    rows = [{**row, "probabilities": shares(**{row["label"]: 1.0})} for row in weak_rows()]
    dataset = dataset_of(tmp_path, rows, toy_recipe)
    task = task_of(toy_recipe, dataset)
    hard = task.encode(dataset.part("train")[1])
    assert (training_targets(dataset, task).columns == np.eye(2)[hard]).all()


def test_any_other_label_that_a_row_does_not_list_is_what_the_rows_label_says(
    toy_recipe: Recipe, tmp_path: Path
) -> None:
    rows = [{**row, "probabilities": shares(long=0.25)} for row in multi_rows(1.0)]
    recipe = override(toy_recipe, {"task": "multi"})
    dataset = dataset_of(tmp_path, rows, recipe)
    task = task_of(recipe, dataset)
    found, hard = training_targets(dataset, task).columns, task.encode(dataset.part("train")[1])
    assert (found[:, 0] == 0.25).all() and (found[:, 1:] == hard[:, 1:]).all()


def test_the_report_says_that_weak_test_labels_measure_agreement(toy_recipe: Recipe, tmp_path: Path) -> None:
    report = train_bundle(toy_recipe, data=write_parquet(tmp_path, weak_rows())).report
    (note,) = [note for note in report.notes if "weak" in note]
    assert note.startswith(f"All {report.n} test labels are weak: labelling functions gave them")
    assert "how far the model agrees with these functions" in note and "weak.gold" in note
    assert report.data["weak_rows_by_part"]["test"] == report.n
    assert report.training["soft_texts"] == report.data["rows_by_part"]["train"]


def test_a_test_part_that_people_labelled_has_no_such_note(toy_recipe: Recipe, tmp_path: Path) -> None:
    rows = [{**row, "gold": row["label"]} for row in weak_rows()]
    recipe = override(toy_recipe, {"weak.gold": "gold"})
    report = train_bundle(recipe, data=write_parquet(tmp_path, rows)).report
    assert not [note for note in report.notes if "weak" in note]
    assert "soft_texts" not in report.training
