"""Training speed: Trainer as usually used, Trainer with dynamic padding, and Copydesk, in one run on the same texts.

    python bench/training.py --data headlines.parquet [--texts 4000] [--rounds 3] [--epochs 1]

(a) pads every text to 128 tokens, fp32, batch 32. (b) is Trainer with `DataCollatorWithPadding`, its own optimiser,
schedule and learning rate (5e-5), batch 32; (b8) the same with Trainer's own default batch of 8. (c) is what
`copydesk train` does, with everything on `auto`. Speed: examples per second of the training loop over the same texts in
turn, the median of the rounds; loading, tokenising and evaluations (Trainer does none by default) are excluded; a
slow peer gets fewer steps. Quality: (b) and (c) each trained once on all texts for as many epochs as (c) chooses (or
--epochs), test accuracy on the same test part. (a) computes what (b) computes, with more padding: its quality is (b)'s.

Without --data it uses the built-in sample, which is easier than real headlines.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.data.sample import write_sample
from copydesk.models.encoder import EncoderModel, Reading
from copydesk.models.finetune import choices_for, fine_tune
from copydesk.models.linear import LinearModel
from copydesk.models.weights import find_encoder
from copydesk.progress import Silent
from copydesk.recipe import DEFAULT_ENCODER, Recipe, override, parse_recipe
from copydesk.tasks import Task, make_task
from peers import trainer_defaults

RECIPE = parse_recipe({"name": "bench", "train": {"early_stop": 0}})


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="headlines with columns text and label; default: the built-in sample")
    parser.add_argument("--texts", type=int, default=4_000, help="training texts for speed and quality")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=float, help="for the quality runs; default: what auto chooses")
    parser.add_argument("--no-quality", action="store_true", help="speed only")
    options = parser.parse_args()
    dataset = _dataset(options.data, options.texts)
    task = make_task("single", dataset.labels)
    texts = dataset.part("train")[0]
    print(f"{len(texts):,} training texts, {torch.get_num_threads()} threads, {_features()}")
    print(f"GEMM ceiling, 512x384x1536: fp32 {_gemm(torch.float32):,.0f}, bf16 {_gemm(torch.bfloat16):,.0f} GFLOP/s")
    _speed(dataset, task, options.rounds)
    if not options.no_quality:
        _quality(dataset, task, options.epochs)
    _linear(options.data)


def _dataset(data: str | None, texts: int) -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        if data is None:
            write_sample(Path(folder) / "sample.csv")
        dataset = prepare_dataset(RECIPE, data or Path(folder) / "sample.csv")
    train = dataset.frame.filter(dataset.frame["split"] == "train")
    rest = dataset.frame.filter(dataset.frame["split"] != "train")
    return Dataset(train.sample(min(texts, train.height), seed=0).vstack(rest), dataset.manifest)


def _speed(dataset: Dataset, task: Task, rounds: int) -> None:
    runs: dict[str, Callable[[], float]] = {
        "(a) Trainer, padded to 128, batch 32": lambda: (
            trainer_defaults(dataset, task, padded=True, epochs=1, most=160).rate
        ),
        "(b) Trainer, dynamic padding, batch 32": lambda: trainer_defaults(dataset, task, epochs=1, most=960).rate,
        "(b8) the same, batch 8": lambda: trainer_defaults(dataset, task, batch=8, epochs=1, most=480).rate,
        "(c) Copydesk, auto": lambda: _copydesk(dataset, task, RECIPE, most=2_000)[0],
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(run())
    print("\nexamples/s                                  median      min      max")
    for name, found in rates.items():
        print(f"{name:42} {statistics.median(found):8.1f} {min(found):8.1f} {max(found):8.1f}")
    for other in list(rates)[:-1]:
        ratios = [ours / theirs for ours, theirs in zip(rates["(c) Copydesk, auto"], rates[other], strict=True)]
        print(f"(c) / {other.split()[0]}: {statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})")


def _quality(dataset: Dataset, task: Task, epochs: float | None) -> None:
    recipe = override(RECIPE, {"train.epochs": epochs}) if epochs else RECIPE
    rate, ours, choices = _copydesk(dataset, task, recipe)
    print(f"\n(c) chose {choices}")
    print(f"(c) test accuracy {_accuracy(ours, dataset, task):.4f} at {rate:.0f} examples/s")
    peer = trainer_defaults(dataset, task, epochs=choices["epochs"])
    print(
        f"(b) test accuracy {_accuracy(peer.logits, dataset, task):.4f} at {peer.rate:.0f} examples/s, as many epochs"
    )


def _accuracy(logits: Callable[[Sequence[str]], np.ndarray], dataset: Dataset, task: Task) -> float:
    texts, labels = dataset.part("test")
    return float((logits(texts).argmax(1) == task.encode(labels)).mean())


def _copydesk(
    dataset: Dataset, task: Task, recipe: Recipe, most: int | None = None
) -> tuple[float, Callable[[Sequence[str]], np.ndarray], dict[str, Any]]:
    """Return examples/s of the training loop, the model's logits and its choices.

    With `most`, only so many texts are seen once, without evaluations, with what `auto` chooses for all of them.
    """
    if most:
        model = EncoderModel.pretrained(
            find_encoder(DEFAULT_ENCODER).folder, outputs=task.outputs, reading=Reading(128)
        )
        tokens = model.encode(dataset.part("train")[0])
        chosen = choices_for(recipe, model, tokens.lengths, tokens.texts)
        keys = ("batch_tokens", "frozen_layers", "precision", "learning_rate")
        recipe = override(recipe, {f"train.{key}": getattr(chosen, key) for key in keys} | {"train.epochs": 1})
        frame = dataset.frame.filter(dataset.frame["split"] == "train")
        dataset = Dataset(frame.head(most), dataset.manifest)
    watch = _Stopwatch()
    tuned = fine_tune(recipe, dataset, task, progress=watch)
    return watch.rate, tuned.model.logits, tuned.training["choices"]


class _Stopwatch(Silent):
    """Times the training loop from its first step to its last, validation included only where it happens."""

    rate = 0.0

    def track(self, what: str, total: int, unit: str) -> Any:  # noqa: ANN401 (a context manager)
        watch = self

        class Tracked:
            def __enter__(self) -> Callable[..., None]:
                self.started: float | None = None
                self.done = self.first = 0
                self.last = 0.0
                return self.advance

            def advance(self, amount: int, note: str = "") -> None:
                self.last = time.perf_counter()
                self.done += amount
                if self.started is None:
                    self.started, self.first = self.last, self.done

            def __exit__(self, *error: object) -> None:
                if self.started is not None and self.last > self.started:
                    watch.rate = (self.done - self.first) / (self.last - self.started)

        return Tracked()


def _linear(data: str | None) -> None:
    dataset = _dataset(data, 25_000)
    task = make_task("single", dataset.labels)
    texts, labels = dataset.part("train")
    extra_texts, extra_labels = dataset.part("validation")
    texts, labels = (texts + extra_texts)[:25_000], (labels + extra_labels)[:25_000]
    started = time.perf_counter()
    model = LinearModel.fit(texts, task.encode(labels), task)
    fitted = time.perf_counter() - started
    times = []
    for _ in range(5):
        started = time.perf_counter()
        model.logits(texts)
        times.append(time.perf_counter() - started)
    print(
        f"\nlinear: {len(texts):,} texts fitted in {fitted:.1f} s, "
        f"{len(texts) / statistics.median(times):,.0f} texts/s predicted, "
        f"test accuracy {_accuracy(model.logits, dataset, task):.4f}"
    )


def _gemm(kind: torch.dtype) -> float:
    left, right = torch.ones(512, 384, dtype=kind), torch.ones(1536, 384, dtype=kind)
    times = []
    for _ in range(30):
        started = time.perf_counter()
        torch.nn.functional.linear(left, right)
        times.append(time.perf_counter() - started)
    return 2 * 512 * 384 * 1536 / min(times) / 1e9


def _features() -> str:
    wanted = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16")
    return ", ".join(name for name in wanted if torch.cpu.get_capabilities().get(name)) or "no vector extensions"


if __name__ == "__main__":
    main()
