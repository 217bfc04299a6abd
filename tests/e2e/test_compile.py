"""An exported encoder answers as torch does, whatever it is batched with, and torch is not needed for it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from copydesk.errors import BundleError
from copydesk.models import compiled as compiled_module
from copydesk.models.compiled import NETWORK_FILE, SETTINGS_FILE, CompiledModel
from copydesk.models.encoder import EncoderModel
from copydesk.models.reader import LongTexts, Reading
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import Recipe, Runtime, override
from copydesk.runtime import compile as compile_module
from copydesk.runtime import export as export_module
from copydesk.runtime.compile import compile_encoder
from copydesk.runtime.engine import Classifier
from copydesk.runtime.export import exported
from copydesk.runtime.quantise import quantised
from copydesk.tasks import Task, make_task
from copydesk.training import train_bundle
from fakes import Listener, exported_once, toy_rows

pytestmark = pytest.mark.e2e

TEXTS = [text for text, _ in toy_rows(80)]
TEXTS += [f"{first}{COLUMN_SEPARATOR}{second}" for first, second in zip(TEXTS, TEXTS[::-1], strict=True)]
TASKS = {
    "single": make_task("single", ["money", "sport", "else"]),
    "multi": make_task("multi", ["money", "sport"]),
    "signals": make_task("signals", ["crime", "sports"], categories={"crime": ["theft"], "sports": ["goal", "match"]}),
}


@pytest.fixture(autouse=True)
def _one_export_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes seconds, and the same seed gives the same network."""
    monkeypatch.setattr(compile_module, "exported", exported_once)


def _encoder(folder: Path, outputs: int, long_texts: LongTexts = "head") -> EncoderModel:
    model = EncoderModel.pretrained(folder, outputs=outputs, reading=Reading(16, long_texts))
    torch.manual_seed(0)
    torch.nn.init.normal_(model.network.head.weight)
    return model


def _compiled(model: EncoderModel, task: Task, ticks: Sequence[float] = range(99), **rules: object) -> CompiledModel:
    answers = task.answers(task.scores(model.logits(TEXTS)))
    if task.name == "multi":
        answers = answers.astype(np.float32)
    made = compile_encoder(
        model, task, TEXTS, answers, Runtime.model_validate(rules), progress=Listener(), clock=iter(ticks).__next__
    )
    assert isinstance(made, CompiledModel)
    return made


@pytest.mark.parametrize(("seconds", "precision"), [(9.5, "fp32"), (5, "int8"), (20, "fp32")])
def test_another_precision_is_taken_only_for_more_than_clocks_vary_by(
    tiny_encoder: Path, seconds: float, precision: str
) -> None:
    task = TASKS["single"]
    ticks = [0, 10, 20, 20 + seconds]
    made = _compiled(_encoder(tiny_encoder, task.outputs), task, ticks, min_agreement=0, max_drop=0.99)
    assert made.compiled.precision == precision


def test_time_that_the_machine_gives_to_others_does_not_count(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held_up(file: Path) -> Any:
        run = compiled_module.session(file)

        def after_others(inputs: Any) -> Any:
            time.sleep(0.1)
            return run(inputs)

        return after_others

    monkeypatch.setattr(compile_module, "session", held_up)
    task, model = TASKS["single"], _encoder(tiny_encoder, 3)
    rules = Runtime(precision="fp32")
    made = compile_encoder(model, task, TEXTS, np.zeros(len(TEXTS), np.int64), rules, progress=Listener())
    assert isinstance(made, CompiledModel)
    assert made.compiled.facts["candidates"][0]["texts_per_second"] > len(TEXTS) / 0.1  # one batch alone waits as long


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_exported_network_gives_torchs_outputs(tiny_encoder: Path, name: str) -> None:
    task = TASKS[name]
    model = _encoder(tiny_encoder, task.outputs)
    made = _compiled(model, task, precision="fp32")
    assert made.logits(TEXTS) == pytest.approx(model.logits(TEXTS), abs=1e-4)
    assert made.logits([]).shape == (0, task.outputs)


def test_windows_are_averaged_as_torch_does(tiny_encoder: Path) -> None:
    task = TASKS["single"]
    model = _encoder(tiny_encoder, task.outputs, "windows")
    long = [" ".join(TEXTS[:20]), "goal"]
    assert _compiled(model, task, precision="fp32").logits(long) == pytest.approx(model.logits(long), abs=1e-4)


def test_in_int8_a_texts_outputs_do_not_depend_on_its_neighbours(tiny_encoder: Path) -> None:
    task = TASKS["single"]
    model = _encoder(tiny_encoder, task.outputs)
    made = _compiled(model, task, precision="int8")
    loud = ["goal " * 30, "[MASK] \u0000", "x" * 3_000]
    together = made.logits([*TEXTS, *loud])[: len(TEXTS)]
    alone = np.concatenate([made.logits([text]) for text in TEXTS])
    assert together == pytest.approx(alone, abs=2e-2)
    assert together == pytest.approx(model.logits(TEXTS), abs=0.3)
    assert (together != model.logits(TEXTS)).any()  # it is not fp32 by another name


def test_the_fastest_precision_that_changes_nothing_is_taken(tiny_encoder: Path) -> None:
    task = TASKS["single"]
    made = _compiled(_encoder(tiny_encoder, task.outputs), task, min_agreement=0, max_drop=0.99)
    measured = made.compiled.facts["candidates"]
    assert {one["precision"] for one in measured} == {"fp32", "int8"}
    assert made.compiled.precision == max(measured, key=lambda one: one["texts_per_second"])["precision"]
    assert all(one["accepted"] for one in measured)


def test_a_precision_that_changes_too_many_answers_is_refused(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TASKS["single"]
    monkeypatch.setattr(compile_module, "quantised", lambda network, weight_bits: quantised(network, weight_bits=2))
    made = _compiled(_encoder(tiny_encoder, task.outputs), task)
    (refused,) = [one for one in made.compiled.facts["candidates"] if not one["accepted"]]
    assert refused["precision"] == "int8" and refused["agreement"] < 0.995
    assert made.compiled.precision == "fp32"


def test_without_a_validation_part_nothing_but_fp32_is_tried(tiny_encoder: Path) -> None:
    task = TASKS["single"]
    made = compile_encoder(_encoder(tiny_encoder, task.outputs), task, [], np.empty(0), Runtime(), progress=Listener())
    assert isinstance(made, CompiledModel) and made.compiled.precision == "fp32"
    assert made.compiled.facts["checked_on"] == 0


def test_an_encoder_that_cannot_be_exported_is_kept_and_says_so(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setattr(torch.onnx, "export", fail)
    monkeypatch.setattr(compile_module, "exported", exported)
    task, listener = TASKS["single"], Listener()
    model = _encoder(tiny_encoder, task.outputs)
    assert compile_encoder(model, task, [], np.empty(0), Runtime(), progress=listener) is model
    assert "no such operator" in "".join(listener.warned) and "long story" not in "".join(listener.warned)


def test_an_encoder_too_large_for_a_network_file_is_kept_and_says_so(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "_LARGEST_BYTES", 1_000)
    monkeypatch.setattr(compile_module, "exported", exported)
    task, listener = TASKS["single"], Listener()
    model = _encoder(tiny_encoder, task.outputs)
    assert compile_encoder(model, task, [], np.empty(0), Runtime(), progress=listener) is model
    assert "more than a file holds" in "".join(listener.warned)


def test_the_check_sees_every_label_of_texts_that_are_sorted_by_it(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_module, "_MOST_TEXTS", 20)
    task = TASKS["single"]
    check = compile_module._check(_encoder(tiny_encoder, 3), task, TEXTS[:60], np.repeat([0, 1, 2], 20))
    assert check is not None and set(check.targets) == {0, 1, 2}
    again = _encoder(tiny_encoder, 3).logits(TEXTS[:60])
    assert all(np.isclose(again, row, atol=1e-4).all(axis=1).any() for row in check.logits)


def test_a_precision_that_does_not_run_here_is_left_out(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(network: Any, weight_bits: int) -> Any:
        changed = type(network)()
        changed.CopyFrom(network)
        changed.graph.node[0].op_type = "NoSuchOperator"
        return changed

    monkeypatch.setattr(compile_module, "quantised", broken)
    task, listener = TASKS["single"], Listener()
    model = _encoder(tiny_encoder, task.outputs)
    answers = task.answers(task.scores(model.logits(TEXTS)))
    made = compile_encoder(model, task, TEXTS, answers, Runtime(), progress=listener)
    assert isinstance(made, CompiledModel) and made.compiled.precision == "fp32"
    assert "int8 does not run on this machine" in "".join(listener.warned)
    assert "(+0.0000), same answer 100.00%" in "".join(listener.said)


def test_a_precision_that_the_recipe_insists_on_is_used_with_a_warning(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_module, "quantised", lambda network, weight_bits: quantised(network, weight_bits=2))
    task, listener = TASKS["single"], Listener()
    model = _encoder(tiny_encoder, task.outputs)
    answers = task.answers(task.scores(model.logits(TEXTS)))
    made = compile_encoder(model, task, TEXTS, answers, Runtime(precision="int8"), progress=listener)
    assert isinstance(made, CompiledModel) and made.compiled.precision == "int8"
    assert not made.compiled.facts["candidates"][0]["accepted"]
    assert "runtime.precision says so" in "".join(listener.warned)


def test_int8_that_was_chosen_on_another_processor_says_so(
    encoder_bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Classifier.load(encoder_bundles["int8"]).notes == []
    monkeypatch.setattr(compiled_module, "features", lambda: ("no_such_feature",))
    (note,) = Classifier.load(encoder_bundles["int8"]).notes
    assert "no_such_feature" in note and f"copydesk export {encoder_bundles['int8']}" in note
    assert Classifier.load(encoder_bundles["fp32"]).notes == []


def test_weights_are_kept_once(tiny_encoder: Path, tmp_path: Path) -> None:
    task = TASKS["single"]
    _compiled(_encoder(tiny_encoder, task.outputs), task, precision="fp32").save(tmp_path)
    assert (tmp_path / NETWORK_FILE).stat().st_size < (tmp_path / "model.safetensors").stat().st_size / 2


def test_the_network_does_not_tell_where_it_was_made(tiny_encoder: Path, tmp_path: Path) -> None:
    task = TASKS["single"]
    _compiled(_encoder(tiny_encoder, task.outputs), task, precision="fp32").save(tmp_path)
    assert b".py" not in (tmp_path / NETWORK_FILE).read_bytes()


def test_saved_and_loaded_it_gives_the_same_answers(tiny_encoder: Path, tmp_path: Path) -> None:
    task = TASKS["single"]
    made = _compiled(_encoder(tiny_encoder, task.outputs), task)
    made.save(tmp_path)
    assert (CompiledModel.load(tmp_path).logits(TEXTS) == made.logits(TEXTS)).all()


def test_a_broken_network_is_named(tiny_encoder: Path, tmp_path: Path) -> None:
    task = TASKS["single"]
    _compiled(_encoder(tiny_encoder, task.outputs), task).save(tmp_path)
    (tmp_path / NETWORK_FILE).write_bytes(b"no network")
    with pytest.raises(BundleError, match=NETWORK_FILE):
        CompiledModel.load(tmp_path)


@pytest.fixture(scope="module")
def bundle(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from copydesk.recipe import parse_recipe
    from fakes import write_csv

    folder = tmp_path_factory.mktemp("compiled")
    recipe = parse_recipe(
        {
            "name": "toy",
            "model": {"kind": "encoder", "encoder": str(tiny_encoder), "max_tokens": 32},
            "train": {"epochs": 4, "learning_rate": 0.01, "batch_tokens": 256},
        }
    )
    data = write_csv(folder / "toy.csv", toy_rows())
    return train_bundle(recipe, data=data, out=folder / "bundle").path


def test_a_trained_bundle_answers_through_the_runtime_and_was_measured_so(bundle: Path) -> None:
    classifier = Classifier.load(bundle)
    assert isinstance(classifier.model, CompiledModel)
    runtime = classifier.report.training["runtime"]
    assert runtime["precision"] == classifier.model.compiled.precision and runtime["checked_on"] > 0
    assert {SETTINGS_FILE, NETWORK_FILE} <= {Path(name).name for name in classifier.bundle.manifest["files"]}


def test_torch_is_not_needed_to_answer(bundle: Path) -> None:
    code = (
        "import sys\n"
        "class Refused:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'transformers', 'polars', 'pyarrow', 'sklearn', 'onnx'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refused())\n"
        "import copydesk\n"
        f"print([answer.label for answer in copydesk.load({str(bundle)!r}).predict(['goal match', 'bank stock'])])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['sport', 'money']"


def test_an_encoder_without_export_is_answered_by_torch(encoder_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    bundle = train_bundle(override(encoder_recipe, {"runtime.precision": "none"}), data=toy_csv, out=tmp_path / "b")
    classifier = Classifier.load(bundle.path)
    assert isinstance(classifier.model, EncoderModel)
    assert "runtime" not in classifier.report.training
    assert replace(bundle.settings) == classifier.settings
