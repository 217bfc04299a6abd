"""`copydesk export`: another precision of a trained encoder, as a bundle of its own, without training."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copydesk.bundle import open_bundle
from copydesk.cli import main as cli
from copydesk.errors import DataError, EncoderError, UsageError
from copydesk.export import export_bundle
from copydesk.models.compiled import CompiledModel
from copydesk.models.encoder import EncoderModel
from copydesk.recipe import Recipe, parse_recipe
from copydesk.runtime import compile as compile_module
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from fakes import exported_once, toy_rows, write_csv

TEXTS = [text for text, _ in toy_rows(60)]


@pytest.fixture(autouse=True)
def _one_export_an_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes seconds."""
    monkeypatch.setattr(compile_module, "exported", exported_once)


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: EncoderModel) -> None:
        raise EncoderError("It has an operator of its own")

    monkeypatch.setattr(compile_module, "exported", fail)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_exported_bundle_answers_as_the_trained_one(encoder_bundles: dict[str, Path], precision: str) -> None:
    before, after = (Classifier.load(encoder_bundles[name]) for name in ("torch", precision))
    assert isinstance(before.model, EncoderModel) and isinstance(after.model, CompiledModel)
    assert after.model.compiled.precision == precision
    assert [one.label for one in after.predict(TEXTS)] == [one.label for one in before.predict(TEXTS)]


def test_it_keeps_how_the_encoder_was_trained_and_measures_the_rest_anew(encoder_bundles: dict[str, Path]) -> None:
    before, after = (open_bundle(encoder_bundles[name]) for name in ("torch", "int8"))
    assert after.history == before.history and before.history
    assert after.report.history == before.report.history
    runtime = after.report.training["runtime"]
    assert {**before.report.training, "runtime": runtime} == after.report.training
    assert runtime["precision"] == "int8" and runtime["checked_on"] > 0
    assert after.report.costs["train_seconds"] == before.report.costs["train_seconds"]
    assert after.report.costs["bundle_mb"] > before.report.costs["bundle_mb"]
    assert after.manifest["data"] == before.manifest["data"]
    assert after.recipe.runtime.precision == "int8" and before.recipe.runtime.precision == "none"


def test_what_was_exported_can_be_exported_again_and_back_to_torch(
    encoder_bundles: dict[str, Path], toy_csv: Path, tmp_path: Path
) -> None:
    again = export_bundle(
        open_bundle(encoder_bundles["int8"]),
        data=toy_csv,
        out=tmp_path / "again",
        settings={"runtime.precision": "none"},
    )
    assert isinstance(Classifier.load(again.path).model, EncoderModel)
    assert "runtime" not in again.report.training
    assert {file.name for file in again.layout.model.iterdir()} == {
        file.name for file in open_bundle(encoder_bundles["torch"]).layout.model.iterdir()
    }


def test_other_data_than_the_bundles_is_refused(encoder_bundles: dict[str, Path], tmp_path: Path) -> None:
    other = write_csv(tmp_path / "other.csv", toy_rows(120, seed=1))
    with pytest.raises(DataError, match="not the Dataset that .*torch' was trained on"):
        export_bundle(open_bundle(encoder_bundles["torch"]), data=other, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_linear_model_has_nothing_to_export(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    bundle = train_bundle(toy_recipe, data=toy_csv, out=tmp_path / "linear")
    with pytest.raises(UsageError, match="kind 'linear'.* nothing to export"):
        export_bundle(bundle, data=toy_csv)


def test_keywords_have_nothing_to_export(toy_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text("en:\n  sport: [goal, match]\n  money: [bank, loan]\n")
    recipe = parse_recipe({"name": "toy", "model": {"kind": "keywords", "keywords": str(tmp_path / "words.yaml")}})
    with pytest.raises(UsageError, match="kind 'keywords'.* nothing to export"):
        export_bundle(train_bundle(recipe, data=toy_csv, out=tmp_path / "words"), data=toy_csv)


def test_only_the_runtimes_settings_can_be_changed(encoder_bundles: dict[str, Path], toy_csv: Path) -> None:
    with pytest.raises(UsageError, match=r"model\.max_tokens: export changes only"):
        export_bundle(open_bundle(encoder_bundles["torch"]), data=toy_csv, settings={"model.max_tokens": 8})


@pytest.mark.usefixtures("no_export")
def test_an_encoder_that_cannot_be_exported_leaves_no_bundle(
    encoder_bundles: dict[str, Path], toy_csv: Path, tmp_path: Path
) -> None:
    with pytest.raises(EncoderError, match="Nothing was written"):
        export_bundle(open_bundle(encoder_bundles["torch"]), data=toy_csv, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_output_that_exists_is_refused_before_any_work(encoder_bundles: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        export_bundle(open_bundle(encoder_bundles["torch"]), data=tmp_path / "missing.csv", out=tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["copydesk", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return call


def test_the_command_shows_what_was_tried_and_ends_with_the_new_bundle(
    run: Callable[..., tuple[int, str, str]], encoder_bundles: dict[str, Path], toy_csv: Path
) -> None:
    code, out, err = run("export", encoder_bundles["torch"], "--data", toy_csv)
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert lines[-1] == ["bundle:", "bundles/toy-1"]
    assert {line[0] for line in lines if line and line[-1] in ("chosen", "refused", "MB")} == {"fp32", "int8"}
    assert sum(line[-1:] == ["chosen"] for line in lines) == 1


def test_the_command_can_answer_in_json_and_refuses_in_one_line(
    run: Callable[..., tuple[int, str, str]], encoder_bundles: dict[str, Path], toy_csv: Path
) -> None:
    code, out, _ = run(
        "export", encoder_bundles["torch"], "--data", toy_csv, "--set", "runtime.precision=none", "--json"
    )
    assert code == 0
    value = json.loads(out)
    assert value["bundle"] == "bundles/toy-1" and "runtime" not in value["report"]["training"]
    code, _, err = run("export", "bundles/missing")
    assert code == 2 and err == "copydesk: Bundle 'bundles/missing' does not exist.\n"
