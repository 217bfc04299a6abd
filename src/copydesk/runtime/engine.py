"""From texts to predictions: normalise, run the model, calibrate, decode. The one path that every answer takes.

`evaluate`, `predict` and the Python API all go through `Classifier`, so what was measured is what users get.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copydesk.bundle import Bundle, Settings, open_bundle
from copydesk.errors import BundleError, CopydeskError, UsageError
from copydesk.models.base import Model
from copydesk.models.cascade import CascadeModel
from copydesk.normalise import COLUMN_SEPARATOR, STEPS, normalise
from copydesk.recipe import Recipe
from copydesk.tasks import Scores
from copydesk.types import Prediction, Report

Text = str | Sequence[str] | Mapping[str, str]
"""One text; or its columns in the recipe's order; or its columns by name."""

_PROBE = "Is this a model?"


def _load_linear(folder: Path) -> Model:
    from copydesk.models.linear import LinearModel

    return LinearModel.load(folder)


def _load_encoder(folder: Path) -> Model:
    """Return the encoder, compiled where it was exported; else torch runs it."""
    from copydesk.models.compiled import CompiledModel, is_compiled

    if is_compiled(folder):
        return CompiledModel.load(folder)
    from copydesk.models.encoder import EncoderModel

    return EncoderModel.load(folder)


def _load_keywords(folder: Path) -> Model:
    from copydesk.models.keywords import KeywordsModel

    return KeywordsModel.load(folder)


def _load_cascade(folder: Path) -> Model:
    return CascadeModel.load(folder, LOADERS)


LOADERS: dict[str, Callable[[Path], Model]] = {
    "linear": _load_linear,
    "encoder": _load_encoder,
    "cascade": _load_cascade,
    "keywords": _load_keywords,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """Texts as the model read them, and what it said: calibrated outputs, shape (n, outputs), and the predictions.

    `stages` name who answered each text, in a cascade; else there are none.
    """

    texts: list[str]
    outputs: Scores
    stages: list[str]
    predictions: list[Prediction]


class Classifier:
    """A model with everything between a text and an answer.

    It is made from a bundle by `Classifier.load`, or from a model and settings that are no bundle yet. `fallback` says
    why another model than the recipe's answers; every prediction repeats it.
    """

    def __init__(
        self, model: Model, settings: Settings, bundle: Bundle | None = None, *, fallback: str | None = None
    ) -> None:
        self.model = model
        self.fallback = fallback
        self.settings = settings
        self.task = settings.task_of()
        self._bundle = bundle

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Classifier:
        """Verify a bundle folder and load its model. Raises `UsageError` or `BundleError`."""
        return cls.of(open_bundle(Path(path)))

    @classmethod
    def of(cls, bundle: Bundle, *, fallback: str | None = None) -> Classifier:
        """Load a verified bundle's model, and try it; `fallback`: why it answers for another. Raises `BundleError`."""
        kind = bundle.settings.model
        if kind not in LOADERS:
            raise BundleError(f"'{bundle.path}' holds a model of kind {kind!r}; known kinds: {', '.join(LOADERS)}.")
        try:
            return _sound(cls(LOADERS[kind](bundle.layout.model), bundle.settings, bundle, fallback=fallback))
        except CopydeskError:
            raise
        except Exception as error:  # whoever wrote the files: each library that reads them has errors of its own
            told = " ".join(str(error).split()) or type(error).__name__
            raise BundleError(f"The model in '{bundle.path}' cannot be loaded: {told:.300}") from error

    def __fspath__(self) -> str:
        return fspath(self.path)

    @property
    def is_bundle(self) -> bool:
        """Tell whether it was loaded from a bundle."""
        return self._bundle is not None

    @property
    def bundle(self) -> Bundle:
        """The bundle it was loaded from."""
        if self._bundle is None:
            raise BundleError("This classifier was not loaded from a bundle.")
        return self._bundle

    @property
    def path(self) -> Path:
        """The bundle's folder."""
        return self.bundle.path

    @property
    def recipe(self) -> Recipe:
        """The recipe it was trained with."""
        return self.bundle.recipe

    @property
    def report(self) -> Report:
        """What evaluation found."""
        return self.bundle.report

    @property
    def notes(self) -> list[str]:
        """What a user of it must know: why another model answers, or that its precision was chosen elsewhere."""
        if self.fallback:
            return [f"These are not the trained model's answers. {self.fallback}"]
        elsewhere = getattr(self.model, "chosen_elsewhere", "")
        return [f"{elsewhere} Choose again: copydesk export {self.path}"] if elsewhere and self._bundle else []

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names, in the order of the scores."""
        return self.settings.labels

    def predict(
        self,
        texts: Sequence[Text],
        *,
        scores: bool = False,
        thresholds: Mapping[str, float] | float | None = None,
    ) -> list[Prediction]:
        """Return one prediction per text, in order; with `scores`, each holds every label's score.

        `thresholds` replace the tuned ones, by label or one for all. Raises `UsageError` for a value that is no text.
        """
        return self.decoded(*self.scored(texts), scores=scores, thresholds=thresholds)

    def answers(self, texts: Sequence[Text], *, scores: bool = False) -> Answers:
        """Return the predictions and what they were made of, for those who keep both. Raises as `predict`."""
        clean = self.prepared(texts)
        outputs, stages = self._outputs(clean)
        return Answers(clean, outputs, stages, self.decoded(outputs, stages, scores=scores))

    def scores(self, texts: Sequence[Text]) -> Scores:
        """Return the calibrated probabilities, shape (len(texts), outputs)."""
        return self.scored(texts)[0]

    def scored(self, texts: Sequence[Text]) -> tuple[Scores, list[str]]:
        """Return the calibrated probabilities, and of a cascade which stage each text's come from."""
        if isinstance(texts, str | Mapping):
            raise UsageError("predict takes a list of texts; for one text write predict([text]).")
        return self._outputs(self.prepared(texts))

    def _outputs(self, clean: list[str]) -> tuple[Scores, list[str]]:
        if isinstance(self.model, CascadeModel):
            logits, stages = self.model.answered(clean)
        else:
            logits, stages = self.model.logits(clean), []
        return self.calibrated(logits), stages

    def prepared(self, texts: Sequence[Text]) -> list[str]:
        """Return the texts as the model reads them: columns joined, normalised. Raises `UsageError`."""
        return [normalise(self._join(text, place), self.settings.normalise) for place, text in enumerate(texts)]

    def calibrated(self, logits: NDArray[np.float32]) -> Scores:
        """Return the model's outputs as probabilities."""
        return self.task.scores(logits, self.settings.temperature)

    def decoded(
        self,
        found: Scores,
        stages: Sequence[str],
        *,
        scores: bool = False,
        thresholds: Mapping[str, float] | float | None = None,
    ) -> list[Prediction]:
        """Return the predictions behind calibrated probabilities; `stages` name who answered, in a cascade."""
        task = self.task if thresholds is None else self.task.with_thresholds(thresholds)
        answers = task.decode(found, all_scores=scores)
        if stages:
            answers = [replace(answer, stage=stage) for answer, stage in zip(answers, stages, strict=True)]
        return [replace(answer, fallback=self.fallback) for answer in answers] if self.fallback else answers

    def _join(self, text: Text, place: int) -> str:
        """Return one text with its columns joined; a plain string may hold the separator already."""
        if isinstance(text, str):
            return text
        names = self.settings.text
        if isinstance(text, Mapping):
            missing = [name for name in names if name not in text]
            if missing:
                raise UsageError(f"Text {place} lacks the column {missing[0]!r}; the model reads: {', '.join(names)}.")
            text = [text[name] for name in names]
        if not isinstance(text, Sequence) or not all(isinstance(column, str) for column in text):
            raise UsageError(
                f"Text {place} is {type(text).__name__}, not a string (or its columns: {', '.join(names)})."
            )
        return COLUMN_SEPARATOR.join(column.replace(COLUMN_SEPARATOR, " ") for column in text)


def _sound(classifier: Classifier) -> Classifier:
    """Return a classifier whose parts fit together: it answers a text by as many numbers as its task has outputs."""
    found, outputs = classifier.model.logits([_PROBE]), classifier.task.outputs
    if found.shape != (1, outputs) or not np.isfinite(found).all():
        shape = "x".join(map(str, found.shape))
        raise ValueError(f"it answers a text by {shape} numbers; {outputs} finite ones were expected")
    unknown = [step for step in classifier.settings.normalise if step not in STEPS]
    if unknown:
        raise ValueError(f"its texts are to be normalised by {unknown[0]!r}, which this Copydesk does not know")
    return classifier
