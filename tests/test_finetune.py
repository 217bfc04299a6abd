from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import CopydeskError
from copydesk.models.encoder import EncoderModel
from copydesk.models.finetune import Tuned, _Listener, fine_tune
from copydesk.recipe import Recipe, override
from copydesk.tasks import make_task
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
    assert any(step.validation_accuracy is not None for step in tuned.history)
    assert listener.tracked["fine-tuning"] == 4 * len(dataset.part("train")[0])
    assert any("learning_rate = 0.01 (from the recipe)" in line for line in listener.said)


def test_one_seed_gives_one_model_and_another_seed_another(encoder_recipe: Recipe, dataset: Dataset) -> None:
    texts, _ = dataset.part("test")
    first, second = (_tune(encoder_recipe, dataset).model.logits(texts) for _ in range(2))
    assert (first == second).all()
    other = _tune(override(encoder_recipe, {"train.seed": 1}), dataset).model.logits(texts)
    assert not np.allclose(first, other)


def test_the_best_checkpoint_is_kept(encoder_recipe: Recipe, dataset: Dataset) -> None:
    wild = override(encoder_recipe, {"train.epochs": 8, "train.learning_rate": 0.05, "train.early_stop": 0})
    tuned = _tune(wild, dataset)
    best = max(step.validation_accuracy or 0 for step in tuned.history)
    texts, labels = dataset.part("validation")
    kept = (tuned.model.logits(texts).argmax(1) == make_task("single", dataset.labels).encode(labels)).mean()
    assert kept == pytest.approx(best)


def test_it_stops_early_when_nothing_gets_better(encoder_recipe: Recipe, dataset: Dataset) -> None:
    long = override(encoder_recipe, {"train.epochs": 40, "train.early_stop": 1})
    assert _tune(long, dataset).history[-1].epoch < 40


def test_emulated_bf16_still_trains(encoder_recipe: Recipe, dataset: Dataset) -> None:
    tuned = _tune(override(encoder_recipe, {"train.precision": "bf16"}), dataset)
    assert tuned.training["choices"]["precision"] == "bf16"
    assert _accuracy(tuned, dataset) > 0.9


def test_a_dataset_without_validation_trains_to_the_end(encoder_recipe: Recipe, toy_csv: Path) -> None:
    dataset = prepare_dataset(override(encoder_recipe, {"prepare.split.validation": 0}), toy_csv)
    tuned = _tune(encoder_recipe, dataset)
    assert tuned.history[-1].epoch == pytest.approx(4, abs=0.01)


def test_a_loss_that_explodes_is_an_error_not_a_model() -> None:
    listener = _Listener(100, lambda amount, note="": None)
    with pytest.raises(CopydeskError, match=r"The training loss became nan. Lower train.learning_rate"):
        listener.on_log(None, None, None, {"loss": float("nan")})


def test_frozen_layers_do_not_change_and_the_others_do(encoder_recipe: Recipe, dataset: Dataset) -> None:
    tuned = _tune(override(encoder_recipe, {"train.frozen_layers": 1}), dataset).model.network
    pretrained = EncoderModel.pretrained(Path(encoder_recipe.model.encoder), labels=2, max_tokens=32).network
    before = dict(pretrained.named_parameters())
    changed = {name for name, array in tuned.named_parameters() if not array.equal(before[name])}
    assert not any("embeddings" in name or "layer.0." in name for name in changed)
    assert {"head.weight", "head.bias"} <= changed and any("layer.1." in name for name in changed)


def test_two_text_columns_are_two_segments(tiny_encoder: Path) -> None:
    model = EncoderModel.pretrained(tiny_encoder, labels=2, max_tokens=32)
    row = model.encode(["goal\x1fbank"])[0]
    assert model.tokenizer.convert_ids_to_tokens(row["input_ids"]) == ["[CLS]", "goal", "[SEP]", "bank", "[SEP]"]
    assert row["token_type_ids"] == [0, 0, 0, 1, 1]


def test_special_tokens_in_a_text_are_plain_text(tiny_encoder: Path) -> None:
    model = EncoderModel.pretrained(tiny_encoder, labels=2, max_tokens=32)
    assert model.encode(["goal [SEP] bank"])[0]["input_ids"].count(model.tokenizer.sep_token_id) == 1


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
