"""What `auto` stands for in the recipe's `train` section: pure rules, written down in docs/train.md.

The measurements behind them are in docs/LOG.md. Precision is decided by a measurement on this machine, because a
processor may run bf16 in emulation, many times slower than fp32.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from copydesk.errors import RecipeError
from copydesk.recipe import Train

_SMALL_TOKENS = 50_000
"""Below this many training tokens (about 3,500 headlines) time matters less than every update."""
_MANY_LABELS = 20
"""From here on learning which texts belong to which label takes longer, and larger steps."""
_BATCH_TOKENS, _SMALL_BATCH_TOKENS, _MOST_BATCH_TOKENS = 512, 256, 4_096
_BATCH_TEXTS = 16
_UPDATES, _SMALL_BATCH_UPDATES, _LONG_TEXT_UPDATES, _MANY_LABELS_UPDATES = 225, 450, 550, 1_300
_FEWEST_EPOCHS, _MANY_LABELS_FEWEST_EPOCHS = 2, 3
_MOST_EPOCHS, _MANY_LABELS_MOST_EPOCHS = 8, 20
_BF16_WORTH = 1.3


@dataclass(frozen=True)
class Facts:
    """What the rules look at."""

    tokens: int
    texts: int
    labels: int
    layers: int
    bf16_speedup: float
    device: str


@dataclass(frozen=True)
class Choices:
    """Every hyper-parameter of a fine-tuning, chosen or given, and the reason for each."""

    epochs: float
    learning_rate: float
    batch_tokens: int
    precision: str
    frozen_layers: int
    warmup: float
    weight_decay: float
    loss: str
    reasons: dict[str, str]

    def values(self) -> dict[str, Any]:
        """Return the hyper-parameters without the reasons."""
        values = asdict(self)
        del values["reasons"]
        return values

    def to_json(self) -> dict[str, Any]:
        """Return everything, reasons included; `Choices(**value)` makes it again."""
        return asdict(self)


def choose(train: Train, facts: Facts) -> Choices:
    """Fill every `auto` of the recipe's `train` section by the rules. Raises `RecipeError` for what cannot work."""
    if train.precision == "fp16" and facts.device == "cpu":
        raise RecipeError("train.precision: fp16 needs a GPU. On this machine use auto, fp32 or bf16.")
    reasons: dict[str, str] = {}

    def pick(key: str, given: Any, chosen: Any, why: str) -> Any:  # noqa: ANN401 (numbers and words)
        reasons[key] = why if given == "auto" else "from the recipe"
        return chosen if given == "auto" else given

    batch_tokens = pick("batch_tokens", train.batch_tokens, *_batch_tokens(facts))
    return Choices(
        epochs=pick("epochs", train.epochs, *_epochs(facts, batch_tokens)),
        learning_rate=pick("learning_rate", train.learning_rate, *_learning_rate(facts)),
        batch_tokens=batch_tokens,
        precision=pick("precision", train.precision, *_precision(facts)),
        frozen_layers=pick("frozen_layers", train.frozen_layers, *_frozen_layers(facts)),
        warmup=pick("warmup", "auto", 0.1, "a tenth of the updates, linear; then linear to zero"),
        weight_decay=pick("weight_decay", "auto", 0.01, "the usual value for AdamW"),
        loss=pick("loss", train.loss, "cross_entropy", "for several labels: the sum of binary ones"),
        reasons=reasons,
    )


def _batch_tokens(facts: Facts) -> tuple[int, str]:
    if facts.tokens < _SMALL_TOKENS:
        return _SMALL_BATCH_TOKENS, f"{facts.tokens:,} training tokens are few: small batches give more updates"
    wanted = _tokens_wanted(facts)
    if wanted > _BATCH_TOKENS:
        return min(wanted, _MOST_BATCH_TOKENS), f"long texts: about {_BATCH_TEXTS} of them in an update"
    return _BATCH_TOKENS, f"{_BATCH_TEXTS} texts or more: larger batches are no faster and learn less per text"


def _tokens_wanted(facts: Facts) -> int:
    """Return how many tokens the usual number of texts has in an update."""
    return math.ceil(_BATCH_TEXTS * facts.tokens / facts.texts / 64) * 64


def _epochs(facts: Facts, batch_tokens: int) -> tuple[float, str]:
    many = facts.labels >= _MANY_LABELS
    wanted = _MANY_LABELS_UPDATES if many else _few_labels_updates(facts, batch_tokens)
    fewest = _MANY_LABELS_FEWEST_EPOCHS if many else _FEWEST_EPOCHS
    most = _MANY_LABELS_MOST_EPOCHS if many else _MOST_EPOCHS
    per_epoch = max(facts.tokens / batch_tokens, 1)
    epochs = min(max(round(wanted / per_epoch), fewest), most)
    return float(epochs), f"{per_epoch:,.0f} updates an epoch, {wanted:,} wanted; between {fewest} and {most} epochs"


def _few_labels_updates(facts: Facts, batch_tokens: int) -> int:
    if batch_tokens <= _SMALL_BATCH_TOKENS:
        return _SMALL_BATCH_UPDATES
    return _LONG_TEXT_UPDATES if _tokens_wanted(facts) > _BATCH_TOKENS else _UPDATES


def _learning_rate(facts: Facts) -> tuple[float, str]:
    if facts.labels >= _MANY_LABELS:
        return 3e-4, f"{facts.labels} labels or scores to learn: larger steps"
    if facts.tokens < _SMALL_TOKENS:
        return 2e-4, "few texts and few labels"
    if _tokens_wanted(facts) > _BATCH_TOKENS:
        return 2e-4, "few labels, long texts: each holds more to learn"
    return 1.5e-4, "few labels: smaller steps overfit less"


def _precision(facts: Facts) -> tuple[str, str]:
    if facts.bf16_speedup >= _BF16_WORTH:
        return "bf16", f"bf16 matrix products run {facts.bf16_speedup:.1f} × as fast as fp32 on this {facts.device}"
    return (
        "fp32",
        f"bf16 matrix products run {facts.bf16_speedup:.1f} × as fast as fp32 on this {facts.device}: no gain",
    )


def _frozen_layers(facts: Facts) -> tuple[int, str]:
    if facts.labels >= _MANY_LABELS:
        return facts.layers // 2, "the lower half keeps its pretrained weights: faster, and no worse with many labels"
    return facts.layers // 3, "the lowest third keeps its pretrained weights: faster, and no worse"


def measure_bf16_speedup(device: str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how many times faster this device multiplies bf16 matrices than fp32 ones, at a training step's size."""
    import torch

    def seconds(kind: torch.dtype) -> float:
        left, right = (torch.ones(512, 768, dtype=kind, device=device) for _ in range(2))
        best = float("inf")
        for _ in range(6):
            started = clock()
            (left @ right.T).sum().item()
            best = min(best, clock() - started)
        return best

    return seconds(torch.float32) / max(seconds(torch.bfloat16), 1e-9)
