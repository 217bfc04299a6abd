"""The peer of the benchmarks: `transformers.Trainer` as most projects use it, same texts, same encoder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from copydesk.data.dataset import Dataset
from copydesk.models.encoder import quiet_transformers
from copydesk.models.weights import find_encoder
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import DEFAULT_ENCODER
from copydesk.tasks import Task

Logits = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """A model trained by the peer: how fast, how long (seconds), and its outputs."""

    rate: float
    seconds: float
    logits: Logits


def trainer_defaults(
    dataset: Dataset,
    task: Task,
    *,
    batch: int = 32,
    padded: bool = False,
    epochs: float = 3,
    most: int | None = None,
    seed: int = 42,
) -> Peer:
    """Fine-tune with Trainer's own optimiser, schedule, dropout and learning rate (5e-5), texts cut at 128 tokens.

    `padded` pads every text to 128; `most` is how many training texts are used.
    """
    folder = find_encoder(DEFAULT_ENCODER).folder
    problem = {"multi": {"problem_type": "multi_label_classification"}}.get(task.name, {})
    with quiet_transformers(), tempfile.TemporaryDirectory() as out:
        torch.manual_seed(seed)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)  # nosec B615 # a local folder
        network = AutoModelForSequenceClassification.from_pretrained(  # nosec B615 # a local folder
            folder, num_labels=task.outputs, use_safetensors=True, trust_remote_code=False, **problem
        )
        texts, labels = (part[:most] for part in dataset.part("train"))
        padding = {"padding": "max_length"} if padded else {}
        encoded = tokenizer(*_segments(texts), truncation=True, max_length=128, **padding)
        targets = task.encode(labels)
        rows = [
            {**{key: encoded[key][place] for key in encoded}, "labels": target.tolist()}
            for place, target in enumerate(targets)
        ]
        arguments = TrainingArguments(
            out,
            per_device_train_batch_size=batch,
            num_train_epochs=epochs,
            seed=seed,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            logging_strategy="no",
        )
        trainer = Trainer(network, arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer))
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started

    def logits(wanted: Sequence[str]) -> np.ndarray:
        network.eval()
        found = []
        with torch.inference_mode():
            for start in range(0, len(wanted), 64):
                inputs: dict[str, Any] = tokenizer(
                    *_segments(wanted[start : start + 64]),
                    truncation=True,
                    max_length=128,
                    padding=True,
                    return_tensors="pt",
                )
                found.append(network(**inputs).logits.numpy())
        return np.concatenate(found)

    return Peer(len(rows) * epochs / seconds, seconds, logits)


def _segments(texts: Sequence[str]) -> tuple[list[str], list[str] | None]:
    columns = [text.split(COLUMN_SEPARATOR, 1) for text in texts]
    pairs = any(len(parts) > 1 for parts in columns)
    return [parts[0] for parts in columns], [" ".join(parts[1:]) for parts in columns] if pairs else None
