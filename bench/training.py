"""Training speed and memory: Trainer as usually used and Copydesk, in one run on the same texts.

    python bench/training.py [--data headlines.parquet] [--abstracts abstracts.parquet] [--texts 4000] [--rounds 3]

(a) pads every text to 128 tokens, fp32, batch 32. (b) is Trainer with `DataCollatorWithPadding`, its own optimiser,
schedule and learning rate (5e-5), batch 32; (b8) the same with Trainer's own default batch of 8. (c) is what
`copydesk train` does, with everything on `auto`, texts cut at 128 tokens as for the others. Speed: examples per second
over the same texts in turn, the median of the rounds; loading, tokenising and evaluations (Trainer does none by
default) are excluded, (c)'s pass through its frozen layers is included; a slow peer gets fewer texts. (c) trains 2,000
texts (600 abstracts) for as many epochs as it would choose for all of them. Memory: the peak of a process of its own.
Quality: (b) and (c) each trained once on all headlines for as many epochs as (c) chooses (or --epochs), accuracy on the
same test part. (a) computes what (b) computes, with more padding: its quality is (b)'s.

Without --data it uses the built-in sample, which is easier than real headlines.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.data.sample import write_sample
from copydesk.models.encoder import EncoderModel
from copydesk.models.finetune import choices_for, fine_tune
from copydesk.models.linear import LinearModel
from copydesk.models.reader import Reading
from copydesk.models.weights import find_encoder
from copydesk.progress import Silent
from copydesk.recipe import DEFAULT_ENCODER, Recipe, load_recipe, override, parse_recipe, shipped_recipe
from copydesk.tasks import Task
from copydesk.training import task_of
from peers import trainer_defaults

RECIPE = parse_recipe({"name": "bench", "train": {"early_stop": 0}})


@dataclass(frozen=True)
class Case:
    """Texts to train on, and how many of them each contestant gets."""

    name: str
    recipe: Recipe
    dataset: Dataset
    task: Task
    texts: dict[str, int]


HEADLINES = {"a": 160, "b": 960, "b8": 480, "c": 2_000}
ABSTRACTS = {"a": 96, "b": 192, "b8": 96, "c": 600}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="headlines with columns text and label; default: the built-in sample")
    parser.add_argument("--abstracts", help="papers with columns title, abstract and labels")
    parser.add_argument("--texts", type=int, default=4_000, help="training texts for speed and quality")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=float, help="for the quality runs; default: what auto chooses")
    parser.add_argument("--no-quality", action="store_true", help="speed and memory only")
    parser.add_argument("--only", choices=[*HEADLINES], help=argparse.SUPPRESS)  # one contestant, for its memory
    options = parser.parse_args()
    cases = [_headlines(options.data, options.texts)] if options.data or not options.abstracts else []
    cases += [_abstracts(options.abstracts)] if options.abstracts else []
    if options.only:
        _contestants(cases[0])[options.only]()
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
        print(int(status["VmHWM"].split()[0]) / 1_024)
        return
    print(f"{torch.get_num_threads()} threads, {_features()}")
    print(f"GEMM ceiling, 512x384x1536: fp32 {_gemm(torch.float32):,.0f}, bf16 {_gemm(torch.bfloat16):,.0f} GFLOP/s")
    for case in cases:
        source = ["--abstracts", options.abstracts] if case.name == "abstracts" else ["--data", options.data]
        _speed(case, options.rounds, source if source[1] else [])
        if not options.no_quality and case.name == "headlines":
            _quality(case.dataset, case.task, options.epochs)
    if cases[0].name == "headlines":
        _linear(options.data)


def _headlines(data: str | None, texts: int) -> Case:
    dataset = _dataset(data, texts)
    return Case("headlines", RECIPE, dataset, task_of(RECIPE, dataset), HEADLINES)


def _abstracts(file: str) -> Case:
    changes = {"label": "labels", "model.max_tokens": 128, "train.early_stop": 0, "prepare.dedupe": "none"}
    recipe = override(load_recipe(shipped_recipe("arxiv")), {**changes, "prepare.split.by": "row"})
    dataset = prepare_dataset(recipe, file)
    return Case("abstracts", recipe, dataset, task_of(recipe, dataset), ABSTRACTS)


def _dataset(data: str | None, texts: int) -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        if data is None:
            write_sample(Path(folder) / "sample.csv")
        dataset = prepare_dataset(RECIPE, data or Path(folder) / "sample.csv")
    train = dataset.frame.filter(dataset.frame["split"] == "train")
    rest = dataset.frame.filter(dataset.frame["split"] != "train")
    return Dataset(train.sample(min(texts, train.height), seed=0).vstack(rest), dataset.manifest)


def _contestants(case: Case) -> dict[str, Callable[[], float]]:
    """Return for each contestant the function that trains and returns examples per second."""

    def trainer(name: str, batch: int = 32, padded: bool = False) -> Callable[[], float]:
        most = case.texts[name]
        return lambda: trainer_defaults(case.dataset, case.task, batch=batch, padded=padded, epochs=1, most=most).rate

    return {
        "a": trainer("a", padded=True),
        "b": trainer("b"),
        "b8": trainer("b8", batch=8),
        "c": lambda: _copydesk(case.dataset, case.task, case.recipe, most=case.texts["c"])[0],
    }


_NAMES = {
    "a": "(a) Trainer, padded to 128, batch 32",
    "b": "(b) Trainer, dynamic padding, batch 32",
    "b8": "(b8) the same, batch 8",
    "c": "(c) Copydesk, auto",
}


def _speed(case: Case, rounds: int, source: list[str]) -> None:
    contestants = _contestants(case)
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            rates[name].append(run())
    memory = {name: _peak_memory_mb([*source, "--only", name]) for name in contestants}
    print(f"\n{case.name}: {len(case.dataset.part('train')[0]):,} training texts")
    print("examples/s                                  median      min      max   peak MB")
    for name, found in rates.items():
        spread = f"{statistics.median(found):8.1f} {min(found):8.1f} {max(found):8.1f}"
        print(f"{_NAMES[name]:42} {spread} {memory[name]:9,.0f}", flush=True)
    for other in list(rates)[:-1]:
        ratios = [ours / theirs for ours, theirs in zip(rates["c"], rates[other], strict=True)]
        print(f"(c) / ({other}): {statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})", flush=True)


def _peak_memory_mb(arguments: list[str]) -> float:
    """Return the peak memory of a process of this program, as it says itself in its last line.

    The parent could not tell: the system counts what a process shared with its parent before it began.
    """
    command = [sys.executable, __file__, *arguments]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1])


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
    """Return examples/s of the training, the model's logits and its choices.

    With `most`, only so many texts are seen, without evaluations, with what `auto` chooses for all of them.
    """
    if most:
        model = EncoderModel.pretrained(
            find_encoder(DEFAULT_ENCODER).folder, outputs=task.outputs, reading=Reading(128)
        )
        tokens = model.encode(dataset.part("train")[0])
        chosen = choices_for(recipe, model, tokens.lengths, tokens.texts)
        keys = ("epochs", "batch_tokens", "frozen_layers", "precision", "learning_rate")
        recipe = override(recipe, {f"train.{key}": getattr(chosen, key) for key in keys})
        frame = dataset.frame.filter(dataset.frame["split"] == "train")
        dataset = Dataset(frame.head(most), dataset.manifest)
    watch = _Stopwatch()
    tuned = fine_tune(recipe, dataset, task, progress=watch)
    return watch.rate, tuned.model.logits, tuned.training["choices"]


class _Stopwatch(Silent):
    """Times the training, from when it begins to its last update."""

    rate = 0.0

    @contextmanager
    def track(self, what: str, total: int, unit: str) -> Iterator[Callable[..., None]]:
        started, done = time.perf_counter(), 0

        def advance(amount: int, note: str = "") -> None:
            nonlocal done
            done += amount
            self.rate = done / (time.perf_counter() - started)

        yield advance


def _linear(data: str | None) -> None:
    dataset = _dataset(data, 25_000)
    task = task_of(RECIPE, dataset)
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
