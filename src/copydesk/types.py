"""The nouns that cross module borders, as frozen values without any input or output.

What is not here: the Recipe (`recipe.py`), which is pydantic because people write it by hand, and the Dataset
(`data/prepare.py`), which holds a table.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prediction:
    """What a user gets back for one text: the label, how sure the model is (0 to 1), and on request every score."""

    label: str
    score: float
    scores: dict[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `scores` only if they were asked for."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class LabelQuality:
    """One row of the per-label table. `threshold` is set for tasks that decide label by label."""

    precision: float
    recall: float
    f1: float
    support: int
    threshold: float | None = None


@dataclass(frozen=True)
class Slice:
    """Quality on a part of the test data that a rule picks out, e.g. the shortest quarter of the texts."""

    name: str
    n: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Mistake:
    """A test text that the model got wrong, and how sure it was."""

    text: str
    expected: str
    predicted: str
    score: float


@dataclass(frozen=True)
class Confusion:
    """Counts of test texts: `counts[i][j]` have label i and were given label j."""

    labels: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class ReliabilityBin:
    """Test texts whose score fell into one interval: their mean score and the share that was right."""

    score: float
    accuracy: float
    n: int


@dataclass(frozen=True)
class Calibration:
    """How honest the scores are: expected calibration error, Brier score, and the bins behind them."""

    ece: float
    brier: float
    bins: list[ReliabilityBin] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One point of the learning curve. `examples` is how many training texts had been seen."""

    step: int
    epoch: float
    examples: int
    loss: float | None = None
    learning_rate: float | None = None
    examples_per_second: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class Report:
    """What evaluation found. The keys are stable: other tools read `report.json`.

    `metrics` are point estimates, `intervals` their 95 % bootstrap intervals. `latency_ms` is for one text at a
    time, `costs` holds seconds, texts per second and megabytes. `baseline` names the linear model's figures on the
    same test texts where there is one. `notes` are lines that a reader must not miss.
    """

    task: str
    model: str
    n: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_label: dict[str, LabelQuality]
    slices: list[Slice]
    calibration: Calibration
    confusion: Confusion | None
    mistakes: list[Mistake]
    latency_ms: dict[str, float]
    costs: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, Any] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    history: list[Step] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    name: str = ""
    created: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Report:
        """Rebuild a report from `to_json`'s value; unknown or missing keys raise `pydantic.ValidationError`."""
        from pydantic import TypeAdapter  # heavy: only those who read a report pay for it

        return TypeAdapter(cls).validate_python(value)
