"""Cascades from recipes and from bundles, trained on the toy texts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import copydesk
from copydesk.cascade.distil import distil, softened, texts_without_labels
from copydesk.cli.main import app
from copydesk.compare import compare_models
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import CascadeRefused, DataError, UsageError
from copydesk.pair import pair_bundles, require_alike
from copydesk.recipe import Recipe, override
from copydesk.runtime.engine import Classifier
from copydesk.tasks import make_task
from copydesk.training import train_bundle
from fakes import FakeModel, Listener, toy_rows, write_csv

TEXTS = [text for text, _ in toy_rows(60)]
LOOSE: Mapping[str, Any] = {
    "runtime.max_drop": 0.3,
    "prepare.split.validation": 0.2,
    "prepare.split.test": 0.2,
    "train.epochs": 6,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pair")


@pytest.fixture
def both(encoder_recipe: Recipe, toy_csv: Path, folder: Path) -> tuple[Classifier, Classifier]:
    """Return a linear and an encoder bundle of one Dataset, trained once for all tests."""
    for kind in ("linear", "encoder"):
        if not (folder / kind).exists():
            train_bundle(override(encoder_recipe, {**LOOSE, "model.kind": kind}), data=toy_csv, out=folder / kind)
    return Classifier.load(folder / "linear"), Classifier.load(folder / "encoder")


def _recipe(second: Classifier, **changes: object) -> Recipe:
    return override(second.recipe, {"model.kind": "cascade", **changes})


def test_two_bundles_of_one_dataset_become_a_cascade(
    both: tuple[Classifier, Classifier], toy_csv: Path, tmp_path: Path
) -> None:
    first, second = both
    bundle = pair_bundles(_recipe(second), first, second, data=toy_csv, out=tmp_path / "c")
    assert bundle.settings.model == "cascade" and bundle.settings.temperature == 1.0
    assert bundle.report.costs["train_seconds"] > sum(one.report.costs["train_seconds"] for one in both)
    files = {file.relative_to(bundle.path).as_posix() for file in bundle.layout.files()}
    assert {"model/cascade.json", "model/first/linear.safetensors", "model/second/encoder.json"} <= files
    answers = copydesk.load(bundle.path).predict(TEXTS)
    alone = {"linear": first.predict(TEXTS), "encoder": second.predict(TEXTS)}
    assert {answer.stage for answer in answers} == {"linear", "encoder"}
    for place, answer in enumerate(answers):
        stage = alone[answer.stage or ""][place]
        assert (answer.label, answer.score) == (stage.label, pytest.approx(stage.score, abs=1e-5))
    facts = bundle.report.training["cascade"]
    stays = [answer.stage == "linear" for answer in copydesk.load(bundle.path).predict(_test_texts(second, toy_csv))]
    assert facts["kept_on_test"] == pytest.approx(np.mean(stays), abs=1e-4)
    assert "Who answers" in bundle.layout.report_page.read_text("utf-8")


def _test_texts(second: Classifier, toy_csv: Path) -> list[str]:
    return prepare_dataset(second.recipe, toy_csv).part("test")[0]


def test_other_data_than_the_bundles_own_is_refused(both: tuple[Classifier, Classifier], tmp_path: Path) -> None:
    first, second = both
    other = write_csv(tmp_path / "other.csv", toy_rows(200, seed=8))
    with pytest.raises(DataError, match="not the Dataset that .*encoder' was trained on"):
        pair_bundles(_recipe(second), first, second, data=other, out=tmp_path / "c")


def test_bundles_that_do_not_belong_together_are_refused_by_what_differs(
    both: tuple[Classifier, Classifier], encoder_recipe: Recipe, tmp_path: Path
) -> None:
    first, second = both
    with pytest.raises(UsageError, match="of kind 'encoder' and .* of kind 'linear'"):
        require_alike(second, first)
    other = write_csv(tmp_path / "other.csv", toy_rows(200, seed=8))
    recipe = override(encoder_recipe, {"model.kind": "linear"})
    with pytest.raises(UsageError, match="do not belong together: the data differs"):
        require_alike(copydesk.train(recipe, data=other, out=tmp_path / "other"), second)
    plain = override(recipe, {"prepare.normalise": "none"})
    with pytest.raises(UsageError, match="the normalisation differs"):
        require_alike(copydesk.train(plain, data=other, out=tmp_path / "plain"), second)


def test_a_small_validation_part_refuses_a_cascade_before_anything_is_trained(
    encoder_recipe: Recipe, toy_csv: Path
) -> None:
    listener = Listener()
    recipe = override(encoder_recipe, {"model.kind": "cascade"})
    with pytest.raises(CascadeRefused, match="The validation part has 24 texts"):
        train_bundle(recipe, data=toy_csv, progress=listener)
    assert not any("fitting" in line or "epoch" in line for line in listener.said)


def test_a_recipe_of_kind_cascade_trains_both_stages(encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.txt"
    more.write_text("\n".join([*(text for text, _ in toy_rows(90, seed=9)), TEXTS[0], TEXTS[0]]), "utf-8")
    changes = {**LOOSE, "model.kind": "cascade", "model.distil": {"texts": [{"url": str(more)}]}}
    recipe = override(encoder_recipe, changes)
    bundle = train_bundle(recipe, data=toy_csv, out=tmp_path / "c")
    assert bundle.settings.model == "cascade"
    assert bundle.report.training["first_stage"]["texts_without_labels"] > 20
    assert bundle.report.training["choices"]["learning_rate"] == 0.01
    assert bundle.report.baseline is not None and bundle.report.history


def test_where_no_cascade_is_worth_making_the_recipe_yields_the_encoder_and_says_why(
    encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copydesk.cascade.build.MOST_TIME", 0.0)
    recipe = override(encoder_recipe, {**LOOSE, "model.kind": "cascade", "train.epochs": 1})
    bundle = train_bundle(recipe, data=toy_csv, out=tmp_path / "c")
    assert bundle.settings.model == "encoder"
    assert "would not pay" in bundle.report.notes[0] and "This is the encoder alone" in bundle.report.notes[0]


def test_compare_makes_the_cascade_of_the_encoder_that_it_has_trained(
    encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path
) -> None:
    listener = Listener()
    recipe = override(encoder_recipe, LOOSE)
    entries = compare_models(
        recipe, ["cascade", "encoder", "linear"], data=toy_csv, out=tmp_path / "all", progress=listener
    )
    assert {entry.kind for entry in entries} == {"linear", "encoder", "cascade"}
    second, alone = (tmp_path / "all" / place for place in ("cascade/model/second", "encoder/model"))
    assert (second / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()
    assert sum("frozen_layers" in line for line in listener.said) == 1  # one encoder was trained


def test_compare_goes_on_without_a_cascade_that_is_refused(
    encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path
) -> None:
    listener = Listener()
    recipe = override(encoder_recipe, {"train.epochs": 1})
    entries = compare_models(
        recipe, ["linear", "encoder", "cascade"], data=toy_csv, out=tmp_path / "all", progress=listener
    )
    assert {entry.kind for entry in entries} == {"linear", "encoder"}
    assert any("validation part has 24 texts" in line for line in listener.warned)


def test_the_command_prints_the_bundle_and_json(
    both: tuple[Classifier, Classifier], folder: Path, toy_csv: Path, tmp_path: Path
) -> None:
    command = ["cascade", str(folder / "linear"), str(folder / "encoder"), "--data", str(toy_csv), "--distil"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "c"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["bundle"] == str(tmp_path / "c")
    assert found["report"]["training"]["first_stage"]["weight"] == 0.5


def test_texts_without_labels_leave_out_what_is_measured_with(
    encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path
) -> None:
    dataset = prepare_dataset(encoder_recipe, toy_csv)
    measured = dataset.part("test")[0][0]
    more = tmp_path / "more.txt"
    lines = ["quite another text about nothing", f"{measured} now", measured, "", "quite another text about nothing"]
    more.write_text("\n".join(lines), "utf-8")
    recipe = override(encoder_recipe, {"model.distil": {"texts": [{"url": str(more)}]}})
    listener = Listener()
    assert texts_without_labels(recipe, dataset, progress=listener) == ["quite another text about nothing"]
    assert listener.said == [
        "1 of 4 texts without labels are used; the others are empty, repeated, or like validation and test texts"
    ]


def test_a_softened_teacher_is_sure_by_seven_tenths_on_average_and_never_sharpened() -> None:
    task = make_task("single", ("a", "b", "c"))
    certain = np.array([[12.0, 0.0, 1.0], [0.0, 20.0, 3.0]], np.float32)
    soft = softened(task, certain)
    assert soft.max(axis=1).mean() == pytest.approx(0.7, abs=0.01)
    assert (soft.argmax(axis=1) == [0, 1]).all()
    unsure = np.array([[0.2, 0.0, 0.1]], np.float32)
    assert softened(task, unsure) == pytest.approx(task.scores(unsure))


def test_without_weight_and_texts_the_first_stage_is_the_linear_model(encoder_recipe: Recipe, toy_csv: Path) -> None:
    recipe = override(encoder_recipe, {"model.distil.weight": 0})
    dataset = prepare_dataset(recipe, toy_csv)
    teacher = FakeModel({}, 2)
    distilled = distil(recipe, dataset, make_task("single", dataset.labels), teacher, progress=Listener())
    assert teacher.seen == []
    assert distilled.model.logits(["striker goal"])[0].argmax() == 1


def test_loading_the_cascades_own_module_and_its_first_stage_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from copydesk.models.cascade import CascadeModel\n"
        "from copydesk.models.linear import LinearModel\n"
        "from copydesk.runtime.engine import Classifier\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
