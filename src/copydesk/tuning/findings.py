"""What a search over settings found, as values, and the small sums behind it. No Optuna here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SEARCHED = ("learning_rate", "batch_tokens", "epochs", "frozen_layers")
"""Settings of the recipe's `train` section that are searched where they are `auto`."""
QUARTERS = 4

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Attempt:
    """One trial: its settings, its best quality on the validation part, and how it went.

    `curve` holds, evaluation by evaluation, the share of the training that was done and the quality there.
    """

    number: int
    state: State
    settings: dict[str, float]
    quality: float | None = None
    loss: float | None = None
    curve: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Tuning:
    """What a search found. `best` is a trial's number; trial 0 is what `auto` chose.

    `ranges` are the ends of what was searched; `importance` says how much of the differences in quality each setting
    explains (sums to 1; empty for too few trials). `noise` is by how much a quality may differ by chance alone.
    """

    name: str
    study: str
    data: str
    validation_texts: int
    ranges: dict[str, tuple[float, float]]
    attempts: list[Attempt]
    best: int
    importance: dict[str, float]
    noise: float
    kept: dict[str, Any] = field(default_factory=dict)
    metric: str = "accuracy"

    def attempt(self, number: int) -> Attempt:
        """Return a trial by its number."""
        return next(attempt for attempt in self.attempts if attempt.number == number)

    def overrides(self) -> list[str]:
        """Return the best settings as `--set` takes them."""
        return [f"train.{key}={plain(value)}" for key, value in self.attempt(self.best).settings.items()]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def rank(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return finished trials best first (of equal qualities the surer one), then those given up, then the failed."""
    order = {"complete": 0, "pruned": 1, "failed": 2}
    return sorted(
        attempts,
        key=lambda attempt: (
            order[attempt.state],
            -(attempt.quality or 0.0),
            attempt.loss if attempt.loss is not None else 0.0,
            attempt.number,
        ),
    )


def settings_of(params: Mapping[str, Any]) -> dict[str, float]:
    """Return a trial's parameters as the recipe takes them; the learning rate to three digits, as it is printed."""
    return {key: float(f"{value:.3g}") if key == "learning_rate" else value for key, value in params.items()}


def by_quarter(points: Sequence[tuple[float, float]]) -> dict[int, float]:
    """Return the value first reached in each quarter of the training, from (share done, value) pairs.

    Trials of different length and batch size are compared at the same share of their schedules.
    """
    found: dict[int, float] = {}
    for share, value in points:
        quarter = min(math.floor(QUARTERS * share + 1e-6), QUARTERS)
        if quarter:
            found.setdefault(quarter, value)
    return found


def chance_difference(quality: float, texts: int) -> float:
    """Return the half-width of a share's 95 % interval (normal approximation): smaller differences mean little."""
    share = min(max(quality, 0.5 / texts), 1 - 0.5 / texts)
    return 1.96 * math.sqrt(share * (1 - share) / texts)


def told(settings: Mapping[str, Any]) -> str:
    """Return settings as words."""
    return ", ".join(f"{key} {plain(value)}" for key, value in settings.items())


def plain(value: float) -> str:
    """Return a number as the recipe takes it and people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
