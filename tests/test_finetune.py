from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import CopydeskError, Terminated
from copydesk.models import finetune
from copydesk.models.averaging import Averaging
from copydesk.models.callbacks import Listener as TrainerListener
from copydesk.models.checkpoints import Work
from copydesk.models.encoder import EncoderModel
from copydesk.models.finetune import Tuned, fine_tune
from copydesk.models.reader import Reading
from copydesk.recipe import Recipe, override
from copydesk.tasks import make_task
from copydesk.types import Step
from fakes import Listener


@pytest.fixture
def dataset(encoder_recipe: Recipe, toy_csv: Path) -> Dataset:
    return prepare_dataset(encoder_recipe, toy_csv)


def _tune(recipe: Recipe, dataset: Dataset, listener: Listener | None = None) -> Tuned:
    return fine_tune(recipe, dataset, make_task("single", dataset.labels), progress=listener or Listener())


def _accuracy(tuned: Tuned, dataset: Dataset) -> float:
    texts, labels = dataset.part("test")
    return float((tuned.model.logits(texts).argmax(1) == make_task("single", dataset.labels).encode(labels)).mean())


def test_it_learns_and_tells_how(encoder_recipe: Recipe, dataset: Dataset) -> None:
    listener = Listener()
    tuned = _tune(encoder_recipe, dataset, listener)
    assert _accuracy(tuned, dataset) > 0.9
    losses = [step.loss for step in tuned.history if step.loss is not None]
    assert losses[-1] < losses[0]
    assert any(step.validation_quality is not None for step in tuned.history)
    assert listener.tracked["fine-tuning"] == 4 * len(dataset.part("train")[0])
    assert any("learning_rate = 0.01 (from the recipe)" in line for line in listener.said)


def test_one_seed_gives_one_model_and_another_seed_another(encoder_recipe: Recipe, dataset: Dataset) -> None:
    texts, _ = dataset.part("test")
    first, second = (_tune(encoder_recipe, dataset).model.logits(texts) for _ in range(2))
    assert (first == second).all()
    other = _tune(override(encoder_recipe, {"train.seed": 1}), dataset).model.logits(texts)
    assert not np.allclose(first, other)


def test_the_mean_of_the_weights_is_kept(encoder_recipe: Recipe, dataset: Dataset) -> None:
    listener = Listener()
    tuned = _tune(encoder_recipe, dataset, listener)
    updates = sum(step.loss is not None for step in tuned.history)
    assert tuned.training["weights"] == f"the mean over the last {updates - updates // 4} updates"
    assert any(line.startswith("kept the mean over the last") for line in listener.said)


def test_a_checkpoint_that_is_better_than_the_mean_by_more_than_chance_is_kept(
    encoder_recipe: Recipe, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Averaging, "add", _zeros)
    wild = override(encoder_recipe, {"train.epochs": 8, "train.learning_rate": 0.05, "train.early_stop": 0})
    tuned = _tune(wild, dataset)
    best = max(step.validation_quality or 0 for step in tuned.history)
    texts, labels = dataset.part("validation")
    kept = (tuned.model.logits(texts).argmax(1) == make_task("single", dataset.labels).encode(labels)).mean()
    assert kept == pytest.approx(best)
    assert tuned.training["weights"].startswith("the checkpoint after update ")


def _zeros(averaging: Averaging) -> None:
    averaging._mean = {name: torch.zeros_like(array) for name, array in averaging._weights.items()}


def test_it_stops_early_when_nothing_gets_better(encoder_recipe: Recipe, dataset: Dataset) -> None:
    long = override(encoder_recipe, {"train.epochs": 40, "train.early_stop": 1})
    assert _tune(long, dataset).history[-1].epoch < 40


def test_emulated_bf16_still_trains(encoder_recipe: Recipe, dataset: Dataset) -> None:
    tuned = _tune(override(encoder_recipe, {"train.precision": "bf16"}), dataset)
    assert tuned.training["choices"]["precision"] == "bf16"
    assert _accuracy(tuned, dataset) > 0.9


def test_a_network_trained_in_bf16_answers_as_the_saved_one(
    encoder_recipe: Recipe, dataset: Dataset, tmp_path: Path
) -> None:
    short = override(encoder_recipe, {"train.precision": "bf16", "train.epochs": 1})
    model = _tune(short, dataset).model
    model.save(tmp_path)
    texts = ["the match was won", "the bank lost money"]
    difference = np.abs(model.logits(texts) - EncoderModel.load(tmp_path).logits(texts)).max()
    assert difference < 1e-5, "it still computes in bf16, which onnxruntime cannot"


def test_a_dataset_without_validation_trains_to_the_end(encoder_recipe: Recipe, toy_csv: Path) -> None:
    dataset = prepare_dataset(override(encoder_recipe, {"prepare.split.validation": 0}), toy_csv)
    tuned = _tune(encoder_recipe, dataset)
    assert tuned.history[-1].epoch == pytest.approx(4, abs=0.01)


def test_a_loss_that_explodes_is_an_error_not_a_model() -> None:
    listener = TrainerListener(100, lambda amount, note="": None, metric="accuracy", checkpoint_minutes=10)
    with pytest.raises(CopydeskError, match=r"The training loss became nan. Lower train.learning_rate"):
        listener.on_log(None, None, None, {"loss": float("nan")})


def test_frozen_layers_do_not_change_and_the_others_do(encoder_recipe: Recipe, dataset: Dataset) -> None:
    tuned = _tune(override(encoder_recipe, {"train.frozen_layers": 1}), dataset).model.network
    pretrained = EncoderModel.pretrained(Path(encoder_recipe.model.encoder), outputs=2, reading=Reading(32)).network
    before = dict(pretrained.named_parameters())
    changed = {name for name, array in tuned.named_parameters() if not array.equal(before[name])}
    assert not any("embeddings" in name or "layer.0." in name for name in changed)
    assert {"head.weight", "head.bias"} <= changed and any("layer.1." in name for name in changed)


def test_two_text_columns_are_two_segments(tiny_encoder: Path) -> None:
    model = EncoderModel.pretrained(tiny_encoder, outputs=2, reading=Reading(32))
    tokens = model.encode(["goal\x1fbank"])
    assert model.tokenizer.convert_ids_to_tokens(tokens.ids) == ["[CLS]", "goal", "[SEP]", "bank", "[SEP]"]
    assert tokens.segments is not None and tokens.segments.tolist() == [0, 0, 0, 1, 1]


def test_special_tokens_in_a_text_are_plain_text(tiny_encoder: Path) -> None:
    model = EncoderModel.pretrained(tiny_encoder, outputs=2, reading=Reading(32))
    assert (model.encode(["goal [SEP] bank"]).ids == model.tokenizer.sep_token_id).sum() == 1


def test_an_encoder_of_another_architecture_trains_too(
    encoder_recipe: Recipe, dataset: Dataset, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel

    tokenizer = AutoTokenizer.from_pretrained(encoder_recipe.model.encoder)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64
    )
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(tmp_path / "distil")
    torch.manual_seed(3)
    DistilBertModel(config).save_pretrained(tmp_path / "distil")
    other = override(encoder_recipe, {"model.encoder": str(tmp_path / "distil"), "train.frozen_layers": 1})
    tuned = _tune(override(other, {"train.epochs": 12}), dataset)
    assert _accuracy(tuned, dataset) > 0.9
    free = {name for name, parameter in tuned.model.network.named_parameters() if parameter.requires_grad}
    assert any("layer.1." in name for name in free)
    assert not any("embeddings" in name or "layer.0." in name for name in free)


def test_datasets_parts_are_what_it_trains_on(encoder_recipe: Recipe, dataset: Dataset) -> None:
    fewer = replace(dataset, frame=dataset.frame.filter(dataset.frame["split"] != "validation"))
    assert _tune(encoder_recipe, fewer).training["cut_texts"] == 0.0


class _Killed(BaseException):
    """Stands for the end of the process at any moment."""


def _interrupted(recipe: Recipe, dataset: Dataset, work: Work, at: int) -> None:
    def kill(step: Step) -> None:
        if step.step >= at:
            raise _Killed

    with pytest.raises(_Killed):
        fine_tune(
            recipe,
            dataset,
            make_task("single", dataset.labels),
            progress=Listener(),
            work=work,
            on_step=kill,
        )


def _resumed(recipe: Recipe, dataset: Dataset, work: Work) -> tuple[Tuned, Listener]:
    listener = Listener()
    task = make_task("single", dataset.labels)
    return fine_tune(recipe, dataset, task, progress=listener, work=work), listener


@pytest.fixture
def often(encoder_recipe: Recipe) -> Recipe:
    """Return the recipe with a checkpoint after every update."""
    return override(encoder_recipe, {"train.checkpoint_minutes": 1e-9, "train.epochs": 3, "train.frozen_layers": 1})


@pytest.mark.e2e
@pytest.mark.parametrize("at", [1, 2, 9, 20])
def test_a_killed_run_resumes_to_the_same_model(often: Recipe, dataset: Dataset, tmp_path: Path, at: int) -> None:
    texts, _ = dataset.part("test")
    whole = _tune(often, dataset)
    work = Work(tmp_path / "work")
    _interrupted(often, dataset, work, at)
    resumed, listener = _resumed(often, dataset, work)
    assert (resumed.model.logits(texts) == whole.model.logits(texts)).all()
    assert any("continuing from checkpoint-" in line for line in listener.said) == (at > 1)

    def curve(tuned: Tuned) -> list[Step]:
        return [replace(step, examples_per_second=None) for step in tuned.history]

    assert curve(resumed) == curve(whole)


@pytest.mark.e2e
def test_a_truncated_checkpoint_falls_back_to_the_one_before(often: Recipe, dataset: Dataset, tmp_path: Path) -> None:
    texts, _ = dataset.part("test")
    work = Work(tmp_path / "work")
    _interrupted(often, dataset, work, 12)
    newest, before = work.checkpoints()[:2]
    (newest / "optimizer.pt").write_bytes((newest / "optimizer.pt").read_bytes()[:100])
    resumed, listener = _resumed(often, dataset, work)
    assert listener.warned == [f"Checkpoint '{newest.name}' is not whole; it is left out."]
    assert f"continuing from {before.name}" in listener.said
    assert (resumed.model.logits(texts) == _tune(often, dataset).model.logits(texts)).all()


def test_a_run_that_had_stopped_early_resumes_to_where_it_stood(
    encoder_recipe: Recipe, dataset: Dataset, tmp_path: Path
) -> None:
    texts, _ = dataset.part("test")
    stops = override(encoder_recipe, {"train.epochs": 8, "train.early_stop": 1})
    work = Work(tmp_path / "work")
    first, _ = _resumed(stops, dataset, work)
    assert first.history[-1].epoch < 8
    again, _ = _resumed(stops, dataset, work)
    assert (again.model.logits(texts) == first.model.logits(texts)).all()
    assert again.history == first.history


@pytest.mark.e2e
@pytest.mark.parametrize("room", [True, False])
def test_a_resumed_run_replays_frozen_layers_exactly_if_it_did_before(
    often: Recipe, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    texts, _ = dataset.part("test")
    monkeypatch.setattr(finetune, "fits", lambda *_: room)
    whole = _tune(often, dataset)
    work = Work(tmp_path / "work")
    _interrupted(often, dataset, work, 9)
    monkeypatch.setattr(finetune, "fits", lambda *_: not room)
    resumed, _ = _resumed(often, dataset, work)
    assert (resumed.model.logits(texts) == whole.model.logits(texts)).all()


@pytest.mark.e2e
def test_sigterm_saves_a_checkpoint_and_ends_with_143(often: Recipe, dataset: Dataset, tmp_path: Path) -> None:
    texts, _ = dataset.part("test")
    work = Work(tmp_path / "work")
    calm = override(often, {"train.checkpoint_minutes": 60})

    def terminate(step: Step) -> None:
        if step.step == 5 and step.loss is not None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Terminated, match="--resume continues") as error:
        fine_tune(calm, dataset, make_task("single", dataset.labels), progress=Listener(), work=work, on_step=terminate)
    assert error.value.exit_code == 143
    assert work.last_whole()[0] is not None
    resumed, _ = _resumed(calm, dataset, work)
    assert (resumed.model.logits(texts) == _tune(calm, dataset).model.logits(texts)).all()


def test_every_update_is_in_the_history(encoder_recipe: Recipe, dataset: Dataset) -> None:
    updates = [step for step in _tune(encoder_recipe, dataset).history if step.loss is not None]
    assert [step.step for step in updates] == list(range(1, len(updates) + 1))
    assert all(step.learning_rate is not None and (step.examples_per_second or 0) > 0 for step in updates)


def test_accumulated_batches_are_fewer_updates(encoder_recipe: Recipe, dataset: Dataset) -> None:
    patient = override(encoder_recipe, {"train.early_stop": 0})
    tuned = _tune(override(patient, {"train.accumulate": 2, "train.epochs": 8}), dataset)
    assert tuned.history[-1].step == pytest.approx(_tune(patient, dataset).history[-1].step, abs=4)
    assert _accuracy(tuned, dataset) > 0.9


def test_a_profile_is_a_trace_and_a_table_of_operators(
    encoder_recipe: Recipe, dataset: Dataset, tmp_path: Path
) -> None:
    listener = Listener()
    trace = tmp_path / "profile" / "trace.json"
    fine_tune(encoder_recipe, dataset, make_task("single", dataset.labels), progress=listener, trace=trace)
    assert "traceEvents" in json.loads(trace.read_text("utf-8"))
    assert any("aten::addmm" in line or "aten::mm" in line for line in listener.said)


def test_texts_that_are_cut_are_warned_about(encoder_recipe: Recipe, dataset: Dataset) -> None:
    listener = Listener()
    _tune(override(encoder_recipe, {"model.max_tokens": 8, "train.epochs": 1}), dataset, listener)
    assert "of the training texts have more than 8 tokens: only their beginning is read" in listener.warned[0]


def test_windows_train_and_answer_by_text(encoder_recipe: Recipe, dataset: Dataset) -> None:
    tuned = _tune(override(encoder_recipe, {"model.max_tokens": 8, "model.long_texts": "windows"}), dataset)
    assert _accuracy(tuned, dataset) > 0.9
