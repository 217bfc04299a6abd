"""The nouns that cross module borders, as frozen values without any input or output.

What is not here: the Recipe (`recipe/`), which is pydantic because people write it by hand, and the Dataset
(`data/prepare.py`), which holds a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

INTENSITIES = ("low", "medium", "high")
INTENSITY_FROM = (0.33, 0.66)
"""The strengths from which on a signal is of medium and of high intensity."""


@dataclass(frozen=True, order=True, slots=True)
class Signal:
    """One category's impact, from -1 (bad) to 1 (good), and what it is about; the empty tag says nothing more.

    As a training label it states what is known of one category. As an answer it is one line of the whole sheet, and
    `present` tells whether the category counts as there at all.
    """

    category: str
    score: float
    tag: str = ""
    present: bool = True

    @property
    def intensity(self) -> str:
        """How strong the impact is, whatever its direction: low below 0.33, medium below 0.66, else high."""
        return INTENSITIES[sum(abs(self.score) >= least for least in INTENSITY_FROM)]


Label = str | tuple[str, ...] | tuple[Signal, ...]
"""What a training text is labelled with: one name (`single`), sorted names (`multi`), sorted signals (`signals`)."""


Text = str | dict[str, str]
"""One text of a request, or its columns by name."""


def characters_in(text: Text) -> int:
    """Return how long a text is, all its columns together."""
    return len(text) if isinstance(text, str) else sum(map(len, text.values()))


@dataclass(frozen=True)
class Example:
    """One text as a labelling function sees it: normalised, its columns parted by line breaks, and the row's columns.

    `columns` are as the file holds them.
    """

    text: str
    columns: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, column: str) -> Any:  # noqa: ANN401 (whatever the file holds)
        """Return what the row holds in a column. Raises `KeyError` naming the columns there are."""
        if column not in self.columns:
            raise KeyError(f"{column!r} is no column of this row; it has: {', '.join(self.columns) or 'none'}")
        return self.columns[column]


@dataclass(frozen=True)
class Prediction:
    """What a user gets back for one text; which fields are set is the task's to say.

    `single`: `label` and `score` (0 to 1); a model that abstains has no label. `multi`: `labels`, the surest first.
    `signals`: one signal per category. `scores` holds every label's score, on request. `fallback` says why another
    model than the recipe's answered. `stage` names the model of a cascade that answered.
    """

    label: str | None = None
    score: float | None = None
    labels: list[str] | None = None
    signals: list[Signal] | None = None
    scores: dict[str, float] | None = None
    abstained: bool = False
    fallback: str | None = None
    stage: str | None = None

    @property
    def given(self) -> list[tuple[str, float | None]]:
        """Each label that was given, with its score where that is known; for `signals` each category present."""
        if self.label is not None:
            return [(self.label, self.score)]
        if self.signals is not None:
            return [(signal.category, signal.score) for signal in self.signals if signal.present]
        return [(label, (self.scores or {}).get(label)) for label in self.labels or []]

    @property
    def tagged(self) -> list[str]:
        """Each present category with its tag, as `category: tag` (`signals`)."""
        return [f"{signal.category}: {signal.tag}" for signal in self.signals or [] if signal.present]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, without what does not apply; an abstaining `single` has the label null."""
        values = {key: value for key, value in vars(self).items() if value is not None and value is not False}
        if self.signals is not None:
            values["signals"] = [{**asdict(signal), "intensity": signal.intensity} for signal in self.signals]
        return {"label": None, **values} if self.abstained and self.labels is None else values


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """The model behind an answer: its name, its version, and the bundle folder that holds it.

    From a registry the version is its number there, and the path a reference such as `models:/clickbait/3`, which leads
    to it from any machine. Without one the version is the beginning of the SHA-256 of the bundle's manifest, which
    names every file's; the path is empty where the folder is another machine's.
    """

    name: str
    version: str
    path: str = ""


@dataclass(frozen=True)
class Failure:
    """A rule of the gate that a candidate does not keep.

    `needed` and `measured` are short and for people, the measured value with its interval where there is one; `why` is
    a sentence.
    """

    rule: str
    needed: str
    measured: str
    why: str


@dataclass(frozen=True)
class CaseFailure:
    """A case of a behaviour that a model failed: what it was asked, what it should have said, what it said.

    `text` and `changed` are the texts before and after a perturbation; without one `changed` is empty. `badness` orders
    the failures, the worst highest: how far the score went the wrong way.
    """

    text: str
    expected: str
    got: str
    badness: float
    changed: str = ""


@dataclass(frozen=True)
class BehaviourResult:
    """How a model did in one behaviour: `passed` of `n` cases, of which at least the share `required` must pass.

    `kind` is minimum functionality (MFT), invariance (INV) or direction (DIR), after Ribeiro et al. 2020, CheckList;
    `interval` the 95 % interval of the pass rate. `failures` are the worst ones only. `skipped` counts texts to which
    the behaviour's change could not be applied: they are no cases.
    """

    name: str
    kind: Literal["MFT", "INV", "DIR"]
    n: int
    passed: int
    interval: tuple[float, float]
    required: float
    failures: list[CaseFailure] = field(default_factory=list)
    capability: str = ""
    skipped: int = 0

    @property
    def rate(self) -> float:
        """The share of cases that passed; 0 of none."""
        return self.passed / self.n if self.n else 0.0

    @property
    def holds(self) -> bool:
        """Tell whether enough cases passed; of none nothing can be said."""
        return self.n > 0 and self.rate >= self.required


JobStatus = Literal["pending", "running", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class Job:
    """An asynchronous prediction request. `done` of `texts` are answered; times are ISO 8601 in UTC.

    `error` says why it failed; `expires_at` until when its results are kept, once it has ended.
    """

    id: str
    status: JobStatus
    model: ModelVersion
    texts: int
    created_at: str
    done: int = 0
    finished_at: str | None = None
    expires_at: str | None = None
    error: str | None = None

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more will happen to it, but for its results to expire."""
        return self.status in ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Decision:
    """How scores become answers: the recipe's `decide` section with the thresholds tuned on the validation part.

    `thresholds` are in the order of the labels (none yet: empty); `aim` is the F1 they are tuned for.
    """

    abstain_below: float = 0.0
    min_labels: int = 0
    aim: str = "macro_f1"
    thresholds: tuple[float, ...] = ()


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
    """Quality on a part of the test data that a rule picks out, e.g. the shortest quarter of the texts.

    `accuracy` is the share of texts whose answer is wholly right (`tasks.Task.right`).
    """

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
    """One point of the learning curve. `examples` is how many training texts had been seen.

    `validation_quality` is the task's headline metric on the validation part.
    """

    step: int
    epoch: float
    examples: int
    loss: float | None = None
    learning_rate: float | None = None
    examples_per_second: float | None = None
    validation_loss: float | None = None
    validation_quality: float | None = None


@dataclass(frozen=True)
class Report:
    """What evaluation found. The keys are stable: other tools read `report.json`.

    `metrics` are point estimates, `intervals` their 95 % bootstrap intervals; `headline` names the metric that
    models are compared by. `latency_ms` is for one text at a
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
    calibration: Calibration | None
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
    headline: str = "accuracy"

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Report:
        """Rebuild a report from `to_json`'s value; unknown or missing keys raise `pydantic.ValidationError`."""
        from pydantic import TypeAdapter  # heavy: only those who read a report pay for it

        return TypeAdapter(cls).validate_python(value)
