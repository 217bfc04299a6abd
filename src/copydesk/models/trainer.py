"""`transformers.Trainer` with token-budget batches, a faster head, and checkpoints that can be trusted.

What it changes: the training batches (by tokens, texts of one length together, each process a share of every
batch), the evaluation (the task's own, on whole texts), the optimiser's groups, and when checkpoints are written.
Schedule, mixed precision, accumulation, early stopping and the best checkpoint are Trainer's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset
from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments

from copydesk.models import distributed
from copydesk.models.averaging import Averaging
from copydesk.models.batches import Indices, training_batches
from copydesk.models.callbacks import Listener
from copydesk.models.checkpoints import Work
from copydesk.models.encoder import EncoderModel
from copydesk.models.frozen import Replay
from copydesk.models.tokens import Tokens
from copydesk.tasks import Targets, Task, heads_loss, preference

HEAD_RATE = 10.0
"""The new head's learning rate as a multiple of the pretrained layers'."""


@dataclass(frozen=True)
class Encoded(TorchDataset[int]):
    """One part of the Dataset as tokens and targets; tokenised once. Its items are row numbers."""

    tokens: Tokens
    targets: Targets

    def head(self, texts: int) -> Encoded:
        """Return the first texts."""
        return Encoded(self.tokens.first_texts(texts), self.targets[:texts])

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, place: int) -> int:
        return place


class BatchSampler(Sampler[list[int]]):
    """The epochs' batches, each epoch shuffled anew from the seed."""

    def __init__(self, lengths: Indices, budget: int, seed: int) -> None:
        self._lengths, self._budget, self._seed, self._epoch = lengths, budget, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Shuffle for this epoch from now on."""
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


class EncoderTrainer(Trainer):  # type: ignore[misc]
    """Trainer for an `EncoderModel` on `Encoded` parts."""

    optimizer: torch.optim.Optimizer | None

    control: TrainerControl

    def __init__(
        self,
        model: EncoderModel,
        task: Task,
        arguments: TrainingArguments,
        parts: tuple[Encoded, Encoded],
        *,
        batch_tokens: int,
        listener: Listener,
        averaging: Averaging,
        work: Work,
        replay: Replay | None = None,
    ) -> None:
        super().__init__(
            model.network,
            arguments,
            data_collator=self._collate,
            train_dataset=parts[0],
            eval_dataset=parts[1],
            callbacks=[averaging, listener],
        )
        self.model_accepts_loss_kwargs = False  # the network's loss is a mean over its rows, whatever Trainer counts
        self._encoder, self._task, self._batch_tokens, self._listener = model, task, batch_tokens, listener
        self._averaging, self._work, self._replay = averaging, work, replay

    def _collate(self, whole: list[int]) -> dict[str, torch.Tensor]:
        """Return this process's rows of a batch, with what its mean loss weighs in the mean over processes."""
        part: Encoded = self.train_dataset
        rows = whole[distributed.rank() :: distributed.world_size()]
        weight = len(rows) * distributed.world_size() / len(whole)
        rows = rows or whole[:1]  # more processes than rows: a row that weighs nothing
        targets = part.targets[part.tokens.owner[rows]]
        batch = {**self._encoder.batch(part.tokens, rows), "labels": torch.from_numpy(targets)}
        batch["weight"] = torch.tensor(weight)
        if self._replay is not None:
            batch["frozen"] = self._replay.of(part.tokens, rows)
        return batch

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Return the weighted loss; the frozen layers' outputs, where they were recorded, are replayed."""
        weight, frozen = inputs.pop("weight"), inputs.pop("frozen", None)
        if self._replay is None:
            return weight * super().compute_loss(model, inputs, *args, **options)
        self._replay.given = frozen
        try:
            return weight * super().compute_loss(model, inputs, *args, **options)
        finally:
            self._replay.given = None

    def take_up(self, checkpoint: Path) -> bool:
        """Stand where training had stopped early, the best checkpoint loaded; False if it had not stopped.

        Trainer itself would forget that it had, and train on.
        """
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        stopper = (state.stateful_callbacks or {}).get("EarlyStoppingCallback")
        if stopper is None:
            return False
        worse = stopper["attributes"]["early_stopping_patience_counter"]
        if worse < stopper["args"]["early_stopping_patience"]:
            return False
        self.state = state
        self._load_best_model()
        return True

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the batches by tokens."""
        sampler = BatchSampler(self.train_dataset.tokens.lengths, self._batch_tokens, self.args.seed)
        return _EpochLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:  # noqa: ANN401 (Trainer's signature)
        """Return AdamW with the new head learning ten times as fast as the pretrained layers."""
        if self.optimizer is None:
            network, rate, decay = self._encoder.network, self.args.learning_rate, self.args.weight_decay
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

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:  # noqa: ANN401 (Trainer's signature)
        """Measure the network and let Trainer's log, early stopping and best checkpoint know."""
        quality, loss, selection = self.measure()
        metrics = {"eval_loss": loss, "eval_quality": quality, "eval_selection": selection}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def measure(self) -> tuple[float, float, float]:
        """Return the task's headline metric on whole validation texts, the loss, and what weights are chosen by.

        That is the headline metric, and of equal ones the lower loss.
        """
        part: Encoded = self.eval_dataset
        precision = "bf16" if self.args.bf16 else "fp16" if self.args.fp16 else "fp32"
        with mixed_precision(precision, self.args.device.type):
            logits = self._encoder.logits_of(part.tokens)
        self._encoder.network.train()
        quality = self._task.quality(self._task.scores(logits), part.targets)
        loss = heads_loss(self._task.heads, logits, part.targets)
        return quality, loss, preference(quality, loss)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Keep the rate of examples with every training step's loss."""
        if "loss" in logs:
            logs["examples_per_second"] = self._listener.rate
        super().log(logs, start_time)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ANN401 (Trainer's signature)
        super()._save_checkpoint(model, trial)
        distributed.wait_for_all()
        if distributed.is_leader():
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            self._averaging.save(folder)
            self._work.seal(folder)
        self._listener.saved()


def mixed_precision(precision: str, device: str) -> AbstractContextManager[Any]:
    """Return the context in which the network computes with this precision."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device, dtype=kinds[precision]) if precision in kinds else nullcontext()
