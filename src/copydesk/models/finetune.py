"""Fine-tuning of an encoder: `transformers.Trainer` with token-budget batches and the lower layers frozen.

What it changes in Trainer: the two data loaders (batches by tokens, texts of one length together) and the optimiser's
groups (the head learns faster). Everything else is Trainer's: schedule, mixed precision, early stopping, the best
checkpoint. One seed on one machine gives one model.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from copydesk.data.dataset import Dataset, Part
from copydesk.errors import CopydeskError
from copydesk.files import writing
from copydesk.models.batches import Indices, budget_batches, training_batches
from copydesk.models.choices import Choices, Facts, choose, measure_bf16_speedup
from copydesk.models.encoder import PREDICT_BATCH_TOKENS, EncoderModel, PooledClassifier, quiet_transformers
from copydesk.models.weights import find_encoder
from copydesk.progress import Advance, Progress
from copydesk.recipe import Recipe
from copydesk.tasks import Task
from copydesk.types import Step

HEAD_RATE = 10.0
"""The new head's learning rate as a multiple of the pretrained layers'."""
_LOG_POINTS = 100
_EVALUATIONS = 4
_VALIDATION_TEXTS = 2_000
"""Early stopping looks at this many validation texts at most; calibration uses them all."""


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned encoder, what was chosen and why, and its learning curve."""

    model: EncoderModel
    training: dict[str, Any]
    history: list[Step]


def fine_tune(
    recipe: Recipe,
    dataset: Dataset,
    task: Task,
    *,
    progress: Progress,
    on_step: Callable[[Step], None] | None = None,
) -> Tuned:
    """Fine-tune the recipe's encoder on the Dataset's training part. Raises `EncoderError` if there is no encoder.

    `on_step` is given each point of the learning curve when it is reached; what it raises ends the training.
    """
    files = find_encoder(recipe.model.encoder, recipe.model.revision)
    progress.say(f"encoder {recipe.model.encoder} from {files.origin}")
    with quiet_transformers():
        model = _fresh_model(recipe, files.folder, task)
        train = _Encoded.of(model, dataset, task, "train")
        validation = _Encoded.of(model, dataset, task, "validation").head(_VALIDATION_TEXTS)
        choices = choices_for(recipe, model, train.lengths)
        for key, value in choices.values().items():
            progress.say(f"  {key} = {value} ({choices.reasons[key]})")
        freeze_lower_layers(model.network, choices.frozen_layers)
        history = _run(recipe, model, train, validation, choices, progress, on_step=on_step)
    training = {
        "encoder": recipe.model.encoder,
        "origin": files.origin,
        "processor": _processor(),
        "max_tokens": model.max_tokens,
        "cut_texts": float(np.mean(train.lengths >= model.max_tokens)),
        "choices": choices.values(),
        "reasons": choices.reasons,
    }
    return Tuned(model, training, history)


def choices_for(recipe: Recipe, model: EncoderModel, lengths: Indices) -> Choices:
    """Return what `auto` stands for, given the training texts' lengths in tokens."""
    device = _device()
    facts = Facts(
        tokens=int(lengths.sum()),
        labels=model.network.head.out_features,
        layers=len(_layers_of(model.network)),
        bf16_speedup=measure_bf16_speedup(device),
        device=device,
    )
    return choose(recipe.train, facts)


def freeze_lower_layers(network: PooledClassifier, count: int) -> None:
    """Keep the embeddings and the `count` lowest layers as they are; nothing is back-propagated through them."""
    embeddings = getattr(network.body, "embeddings", None) or network.body.get_input_embeddings()
    embeddings.requires_grad_(False)
    for layer in _layers_of(network)[:count]:
        layer.requires_grad_(False)


def _layers_of(network: PooledClassifier) -> Sequence[torch.nn.Module]:
    """Return the encoder's layers, lowest first: its longest list of alike modules (none: an empty list)."""
    lists = [module for module in network.body.modules() if isinstance(module, torch.nn.ModuleList)]
    alike = [list(module) for module in lists if len({type(child) for child in module}) == 1]
    return max(alike, key=len, default=[])


def _fresh_model(recipe: Recipe, folder: Path, task: Task) -> EncoderModel:
    """Load the pretrained encoder with a new head. Dropout is off: it costs time and gained nothing."""
    model = EncoderModel.pretrained(folder, labels=len(task.labels), max_tokens=recipe.model.max_tokens)
    for module in model.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


@dataclass(frozen=True)
class _Encoded(TorchDataset[dict[str, Any]]):
    """One part of the Dataset as token ids with label indices; tokenised once."""

    rows: list[dict[str, Any]]
    lengths: Indices

    @classmethod
    def of(cls, model: EncoderModel, dataset: Dataset, task: Task, part: Part) -> _Encoded:
        texts, labels = dataset.part(part)
        rows: list[dict[str, Any]] = [
            {**row, "labels": int(target)} for row, target in zip(model.encode(texts), task.encode(labels), strict=True)
        ]
        return cls(rows, np.fromiter((len(row["input_ids"]) for row in rows), np.int64, len(rows)))

    def head(self, count: int) -> _Encoded:
        return replace(self, rows=self.rows[:count], lengths=self.lengths[:count])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.rows[place]


class _TrainingSampler(Sampler[list[int]]):
    """The epochs' batches, each epoch shuffled anew from the seed."""

    def __init__(self, lengths: Indices, budget: int, seed: int) -> None:
        self._lengths, self._budget, self._seed, self._epoch = lengths, budget, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def _batches(self) -> list[Indices]:
        return training_batches(self._lengths, self._budget, np.random.default_rng([self._seed, self._epoch]))

    def __len__(self) -> int:
        return len(self._batches())

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self._batches())


class _EpochLoader(DataLoader[Any]):
    """A data loader that passes on the epoch, which Trainer announces by `set_epoch`."""

    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


class _Trainer(Trainer):  # type: ignore[misc]
    """Trainer with batches filled to a budget of tokens."""

    optimizer: torch.optim.Optimizer | None

    def __init__(self, *args: Any, batch_tokens: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self._batch_tokens = batch_tokens

    def get_train_dataloader(self) -> DataLoader[Any]:
        sampler = _TrainingSampler(self.train_dataset.lengths, self._batch_tokens, self.args.seed)
        return _EpochLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)

    def get_eval_dataloader(self, eval_dataset: _Encoded | None = None) -> DataLoader[Any]:
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        batches = [batch.tolist() for batch in budget_batches(dataset.lengths, PREDICT_BATCH_TOKENS)]
        return DataLoader(dataset, batch_sampler=batches, collate_fn=self.data_collator)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:  # noqa: ANN401 (Trainer's signature)
        """Return AdamW with the new head learning ten times as fast as the pretrained layers."""
        if self.optimizer is None:
            network, rate, decay = self.model, self.args.learning_rate, self.args.weight_decay
            body = [parameter for parameter in network.body.parameters() if parameter.requires_grad]
            groups = [
                {"params": [array for array in body if array.ndim > 1], "weight_decay": decay},
                {"params": [array for array in body if array.ndim <= 1], "weight_decay": 0.0},
                {"params": list(network.head.parameters()), "weight_decay": 0.0, "lr": rate * HEAD_RATE},
            ]
            self.optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, fused=True)
        return self.optimizer

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Return 0: the estimate is not used and costs time in every step."""
        return 0


class _Listener(TrainerCallback):  # type: ignore[misc]
    """Passes Trainer's steps on to the progress bar and keeps the learning curve."""

    def __init__(self, texts: int, advance: Advance, on_step: Callable[[Step], None] | None = None) -> None:
        self._texts, self._advance, self._on_step = texts, advance, on_step
        self._told = 0
        self._note = ""
        self.history: list[Step] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        done = self._seen(state)
        self._advance(done - self._told, self._note)
        self._told = done

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **others: Any) -> None:  # noqa: ANN401
        if not np.isfinite(logs.get("loss", 0.0)):
            raise CopydeskError(f"The training loss became {logs['loss']}. Lower train.learning_rate.")
        if "loss" in logs:
            self._note = f"loss {logs['loss']:.3f}"
            self._keep(self._step(state, loss=logs["loss"], learning_rate=logs["learning_rate"]))
        elif "eval_loss" in logs:
            self._note = f"validation accuracy {logs['eval_accuracy']:.4f}"
            self._keep(self._step(state, validation_loss=logs["eval_loss"], validation_accuracy=logs["eval_accuracy"]))

    def _keep(self, step: Step) -> None:
        self.history.append(step)
        if self._on_step is not None:
            self._on_step(step)

    def _seen(self, state: Any) -> int:  # noqa: ANN401
        return int(round(state.epoch * self._texts))

    def _step(self, state: Any, **values: float) -> Step:  # noqa: ANN401
        return Step(step=state.global_step, epoch=float(state.epoch), examples=self._seen(state), **values)


def _run(
    recipe: Recipe,
    model: EncoderModel,
    train: _Encoded,
    validation: _Encoded,
    choices: Choices,
    progress: Progress,
    *,
    on_step: Callable[[Step], None] | None,
) -> list[Step]:
    """Train the network in place and return the learning curve; the best checkpoint's weights are kept."""
    total = round(choices.epochs * len(train))
    with (
        tempfile.TemporaryDirectory(prefix="copydesk-") as folder,
        progress.track("fine-tuning", total, "texts") as advance,
    ):
        listener = _Listener(len(train), advance, on_step)
        trainer = _Trainer(
            model.network,
            _arguments(recipe, Path(folder), train, validation, choices),
            train_dataset=train,
            eval_dataset=validation,
            data_collator=model.collate,
            compute_metrics=_validation_metrics,
            callbacks=[listener],
            batch_tokens=choices.batch_tokens,
        )
        trainer.remove_callback(PrinterCallback)
        if len(validation) and recipe.train.early_stop:
            trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=recipe.train.early_stop))
        try:
            with writing(Path(folder)):
                trainer.train()
        except torch.cuda.OutOfMemoryError as error:
            raise CopydeskError(
                f"The GPU's memory is too small for batches of {choices.batch_tokens} tokens. "
                "Halve them: --set train.batch_tokens=N."
            ) from error
    return listener.history


def _arguments(
    recipe: Recipe, folder: Path, train: _Encoded, validation: _Encoded, choices: Choices
) -> TrainingArguments:
    batches = len(_TrainingSampler(train.lengths, choices.batch_tokens, recipe.train.seed))
    updates = max(round(batches * choices.epochs), 1)
    every = math.ceil(updates / max(_EVALUATIONS, round(choices.epochs)))  # rounded up: the last one is at the end
    strategy = "steps" if len(validation) else "no"
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=choices.epochs,
        learning_rate=choices.learning_rate,
        warmup_steps=choices.warmup,
        weight_decay=choices.weight_decay,
        lr_scheduler_type="linear",
        bf16=choices.precision == "bf16",
        fp16=choices.precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        seed=recipe.train.seed,
        eval_strategy=strategy,
        eval_steps=every,
        save_strategy=strategy,
        save_steps=every,
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=bool(len(validation)),
        metric_for_best_model="selection",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=max(updates // _LOG_POINTS, 1),
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _validation_metrics(prediction: Any) -> dict[str, float]:  # noqa: ANN401 (transformers' EvalPrediction)
    """Return the accuracy, and the accuracy less a trace of the loss: of equal accuracies the surer one is better.

    Labels come from the prediction itself: batches are ordered by length, not as the Dataset.
    """
    logits, targets = torch.as_tensor(prediction.predictions), torch.as_tensor(prediction.label_ids)
    accuracy = (logits.argmax(-1) == targets).float().mean().item()
    loss = torch.nn.functional.cross_entropy(logits.float(), targets).item()
    return {"accuracy": accuracy, "selection": accuracy - 0.01 * min(loss, 10.0)}


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _processor() -> str:
    """Return the processor and those of its features that training could use, for the report."""
    if _device() == "cuda":
        return str(torch.cuda.get_device_name())
    wanted = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16")
    found = [name for name, there in torch.cpu.get_capabilities().items() if name in wanted and there]
    return f"{torch.get_num_threads()} threads, {', '.join(found) or torch.backends.cpu.get_cpu_capability()}"
