from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import copydesk
from copydesk.bundle import Layout
from copydesk.compare import compare_models
from copydesk.data.prepare import prepare_dataset
from copydesk.data.trained_on import find_leaks
from copydesk.demo import run_demo
from copydesk.errors import DataError, RecipeError, UsageError
from copydesk.files import next_free
from copydesk.monitor.reference import Reference
from copydesk.recipe import Recipe, override
from copydesk.training import train_bundle
from copydesk.types import Report
from fakes import COMMON, Listener, toy_rows, write_csv

TEXTS = [text for text, _ in toy_rows(40)]


def test_a_recipe_and_a_file_become_a_bundle_that_answers(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    trained = copydesk.train(toy_recipe, data=toy_csv, out=tmp_path / "bundle")
    loaded = copydesk.load(trained)
    assert loaded.predict(["the striker and the penalty"])[0].label == "sport"
    assert loaded.report.metrics["accuracy"] > 0.9
    assert loaded.report.costs["bundle_mb"] > 0 and loaded.report.costs["train_seconds"] > 0
    assert loaded.recipe.model.kind == "linear"
    files = {file.relative_to(trained.path).as_posix() for file in trained.path.rglob("*") if file.is_file()}
    assert {"manifest.json", "settings.json", "recipe.yaml", "report.json", "report.html", "README.md"} <= files


def test_the_encoders_report_names_the_linear_baseline(encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    report = copydesk.train(encoder_recipe, data=toy_csv, out=tmp_path / "bundle").report
    assert report.baseline is not None and report.baseline["model"] == "linear"
    assert 0 <= report.baseline["accuracy"] <= 1
    assert report.training["choices"]["learning_rate"] == 0.01
    assert report.history


def test_an_encoder_that_loses_to_the_baseline_says_so(encoder_recipe: Recipe, tmp_path: Path) -> None:
    late = [(f"{' '.join(COMMON)} {number} {text}", label) for number, (text, label) in enumerate(toy_rows())]
    blind = override(encoder_recipe, {"model.max_tokens": 12, "train.epochs": 1, "prepare.dedupe": "none"})
    blind = override(blind, {"prepare.split.by": "row"})
    report = copydesk.train(blind, data=write_csv(tmp_path / "late.csv", late), out=tmp_path / "bundle").report
    assert "LOSES to the linear baseline" in report.notes[0]
    assert "LOSES to the linear baseline" in (tmp_path / "bundle" / "report.html").read_text("utf-8")
    assert "LOSES to the linear baseline" in (tmp_path / "bundle" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("kind", ["linear", "cascade"])
def test_a_bundle_knows_what_it_was_trained_on_without_its_texts(
    kind: str, encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path
) -> None:
    recipe = override(encoder_recipe, {"model.kind": kind, "train.epochs": 1, "runtime.max_drop": 0.2})
    trained = copydesk.train(recipe, data=toy_csv, out=tmp_path / "bundle")
    dataset = prepare_dataset(recipe, toy_csv)
    file = Layout(trained.path).training_texts
    for part, expected in (("train", "exact"), ("validation", "tuned_on")):
        texts = dataset.part(part)[0]  # type: ignore[arg-type]
        assert getattr(find_leaks(file, texts), expected) == list(range(len(texts)))
    assert find_leaks(file, dataset.part("test")[0]).exact == []
    assert not any(text.encode() in file.read_bytes() for text in dataset.part("train")[0])


def test_a_bundle_knows_what_its_test_texts_and_answers_looked_like(encoder_recipe: Recipe, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "toy.csv", toy_rows(600))
    recipe = override(encoder_recipe, {"model.kind": "cascade", "train.epochs": 1, "runtime.max_drop": 0.2})
    trained = copydesk.train(recipe, data=data, out=tmp_path / "bundle")
    reference = Reference.load(trained.bundle.layout.reference)
    assert reference.window.n == trained.report.n == len(reference.window.kinds["stages"])
    assert set(reference.window.kinds["labels"]) == {"money", "sport"} and reference.window.kinds["languages"]
    assert reference.vocabulary.vectors.any(axis=1).all() and reference.window.vectors.any(axis=1).all()
    assert reference.accuracy == pytest.approx(trained.report.metrics["accuracy"])


def test_recent_texts_are_the_reference_where_the_recipe_names_them(toy_recipe: Recipe, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "toy.csv", toy_rows(600))
    recent = write_csv(tmp_path / "recent.csv", [[f"goal {number}"] for number in range(70)], header=["text"])
    recipe = override(toy_recipe, {"train.traffic": [{"url": str(recent)}]})
    trained = copydesk.train(recipe, data=data, out=tmp_path / "bundle")
    reference = Reference.load(trained.bundle.layout.reference)
    assert reference.window.n == 70 and set(reference.window.kinds["labels"]) == {"sport"}
    assert reference.accuracy == pytest.approx(trained.report.metrics["accuracy"])


def test_traffic_without_the_recipes_column_is_refused_before_anything_is_trained(
    toy_recipe: Recipe, tmp_path: Path
) -> None:
    recent = write_csv(tmp_path / "recent.csv", [["goal"]], header=["headline"])
    recipe = override(toy_recipe, {"train.traffic": [{"url": str(recent)}]})
    told, data = Listener(), write_csv(tmp_path / "toy.csv", toy_rows(600))
    with pytest.raises(DataError, match="'text'"):
        train_bundle(recipe, data=data, out=tmp_path / "bundle", progress=told)
    assert told.said == []


def test_a_handful_of_test_texts_is_no_reference(toy_recipe: Recipe, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "toy.csv", toy_rows(20))
    trained = copydesk.train(toy_recipe, data=data, out=tmp_path / "bundle")
    assert trained.report.n < 50 and not trained.bundle.layout.reference.exists()


def test_slices_that_the_recipe_names_are_in_the_report(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    functions = tmp_path / "slices.py"
    functions.write_text(
        "from copydesk import labelling_function\n\n@labelling_function\ndef has_the(example):\n"
        "    return ' the ' in example.text or None\n"
    )
    named = {"evaluate.slices": {"play": {"words": ["goal", "striker", "match"]}}, "evaluate.functions": str(functions)}
    recipe = override(toy_recipe, {**named, "prepare.split.test": 0.5, "prepare.dedupe": "none"})
    report = copydesk.train(recipe, data=toy_csv, out=tmp_path / "bundle").report
    assert {"rule: play", "rule: has_the"} <= {part.name for part in report.slices}


@pytest.mark.parametrize("kind", ["linear", "encoder"])
def test_a_copy_of_the_bundle_elsewhere_gives_the_same_answers(
    kind: str, encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path
) -> None:
    recipe = override(encoder_recipe, {"model.kind": kind, "train.epochs": 1})
    trained = copydesk.train(recipe, data=toy_csv, out=tmp_path / "bundle")
    before = trained.predict(TEXTS, scores=True)
    shutil.copytree(trained.path, tmp_path / "far" / "away")
    shutil.rmtree(trained.path)
    assert copydesk.load(tmp_path / "far" / "away").predict(TEXTS, scores=True) == before


def test_two_runs_with_one_seed_give_the_same_answers(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    first, second = (copydesk.train(toy_recipe, data=toy_csv, out=tmp_path / name) for name in "ab")
    assert first.predict(TEXTS, scores=True) == second.predict(TEXTS, scores=True)


def test_the_report_file_is_the_report(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    bundle = train_bundle(toy_recipe, data=toy_csv, out=tmp_path / "bundle")
    value = json.loads(bundle.layout.report.read_text("utf-8"))
    assert Report.from_json(value) == bundle.report
    for key in ("task", "model", "n", "metrics", "per_label", "slices", "calibration", "latency_ms", "baseline"):
        assert key in value


def test_nothing_is_trained_if_the_output_exists(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    listener = Listener()
    with pytest.raises(UsageError, match="exists already"):
        train_bundle(toy_recipe, data=toy_csv, out=tmp_path / "bundle", progress=listener)
    assert listener.said == []


def test_without_an_output_the_next_free_name_is_taken(toy_recipe: Recipe, toy_csv: Path) -> None:
    names = [train_bundle(toy_recipe, data=toy_csv).path.name for _ in range(2)]
    assert names == ["toy-1", "toy-2"]
    assert next_free(Path("bundles"), "toy").name == "toy-3"


def test_warnings_about_the_data_reach_the_user(toy_recipe: Recipe, tmp_path: Path) -> None:
    rows = [(text, "Sport" if place % 7 == 1 else label) for place, (text, label) in enumerate(toy_rows())]
    listener = Listener()
    train_bundle(toy_recipe, data=write_csv(tmp_path / "a.csv", rows), progress=listener)
    assert any("differ only by case" in line for line in listener.warned)


def test_a_dataset_without_test_rows_is_refused(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    prepare_dataset(override(toy_recipe, {"prepare.split.test": 0}), toy_csv).save(tmp_path / "set")
    with pytest.raises(DataError, match="has no test rows"):
        train_bundle(toy_recipe, data=tmp_path / "set")
    assert list(Path("bundles").iterdir()) == []


def test_a_prepared_dataset_is_trained_on_as_it_is(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    dataset = prepare_dataset(toy_recipe, toy_csv)
    dataset.save(tmp_path / "set")
    bundle = train_bundle(toy_recipe, data=tmp_path / "set")
    assert bundle.manifest["data"] == dataset.content_hash()
    assert bundle.report.n == dataset.frame.filter(pl.col("split") == "test").height


def test_compare_says_what_a_kind_lacks_before_anything_is_trained(toy_recipe: Recipe, toy_csv: Path) -> None:
    with pytest.raises(RecipeError, match="needs a keyword file"):
        compare_models(toy_recipe, ["linear", "keywords"], data=toy_csv)
    assert not Path("bundles").exists()


def test_compare_trains_a_kind_that_is_named_twice_once(toy_recipe: Recipe, toy_csv: Path) -> None:
    assert [entry.kind for entry in compare_models(toy_recipe, ["linear", "linear"], data=toy_csv)] == ["linear"]


def test_the_demo_is_for_one_label_a_text(toy_recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="recipe 'toy' is 'multi'"):
        run_demo(override(toy_recipe, {"task": "multi"}), sample=True, progress=Listener())
    assert not Path("bundles").exists()


def test_compare_trains_each_kind_on_the_same_data_best_first(
    encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path
) -> None:
    entries = compare_models(encoder_recipe, ["linear", "encoder"], data=toy_csv, out=tmp_path / "both")
    assert {entry.kind for entry in entries} == {"linear", "encoder"}
    assert entries[0].report.metrics["accuracy"] >= entries[1].report.metrics["accuracy"]
    assert len({entry.bundle.manifest["data"] for entry in entries}) == 1
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == ["encoder", "linear"]
