"""Two stages: a quick model answers the texts it is sure of, a better one the rest.

Which texts are sure was measured when the cascade was built (`cascade/`); here it is only looked up. Both stages'
outputs are calibrated before they leave, so the cascade's own temperature is 1. Loading and asking the first stage
needs numpy alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import BundleError
from copydesk.files import write_json
from copydesk.models.base import Model
from copydesk.tasks.base import sigmoid, softmax

SETTINGS_FILE = "cascade.json"
FIRST, SECOND = "first", "second"

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Certainty:
    """How sure the first stage must be to answer.

    `best` (task `single`): the best label's probability reaches that label's threshold. `every` (`multi`): every
    label's logit is so far from its border, where the label begins to be given, that the sigmoid of the distance
    reaches the one threshold; with `needs_label` a text without any label is never sure.
    """

    kind: Literal["best", "every"]
    thresholds: tuple[float, ...]
    borders: tuple[float, ...] = ()
    needs_label: bool = False

    def of(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return how sure each text is, 0 to 1, from its calibrated logits, shape (n, labels)."""
        if self.kind == "best":
            best: NDArray[np.float64] = softmax(logits).max(axis=1)
            return best
        above = logits - np.array(self.borders)
        least: NDArray[np.float64] = sigmoid(np.abs(above)).min(axis=1)
        return np.where((above >= 0).any(axis=1), least, 0.0) if self.needs_label else least

    def sure(self, logits: NDArray[np.floating[Any]]) -> Flags:
        """Tell which texts the first stage answers."""
        thresholds = np.array(self.thresholds)
        wanted = thresholds[logits.argmax(axis=1)] if self.kind == "best" else thresholds
        sure: Flags = self.of(logits) >= wanted
        return sure


@dataclass(frozen=True)
class Stage:
    """A model with what makes its outputs calibrated logits: divided by the temperature, then shifted by label.

    Shifts let two stages with thresholds of their own (`multi`) share one set of thresholds.
    """

    model: Model
    temperature: float = 1.0
    shifts: tuple[float, ...] = ()

    def logits(self, texts: Sequence[str]) -> Floats:
        """Return calibrated logits, shape (len(texts), labels)."""
        return self.calibrated(self.model.logits(texts))

    def calibrated(self, logits: Floats) -> Floats:
        """Return the model's own outputs as calibrated logits."""
        scaled: Floats = (logits / np.float32(self.temperature)).astype(np.float32, copy=False)
        return scaled + np.array(self.shifts, np.float32) if self.shifts else scaled


class CascadeModel:
    """A first stage, a second one, and how sure the first must be."""

    kind = "cascade"

    def __init__(self, first: Stage, second: Stage, certainty: Certainty) -> None:
        self.first, self.second, self.certainty = first, second, certainty

    def logits(self, texts: Sequence[str]) -> Floats:
        """Return calibrated logits, shape (len(texts), labels), of the stage that answers each text."""
        return self.answered(texts)[0]

    def answered(self, texts: Sequence[str]) -> tuple[Floats, list[str]]:
        """Return calibrated logits, and for each text the kind of model that answered it."""
        logits = self.first.logits(texts)
        sure = self.certainty.sure(logits)
        unsure = np.flatnonzero(~sure)
        if len(unsure):
            logits[unsure] = self.second.logits([texts[place] for place in unsure.tolist()])
        return logits, self.stages(sure)

    def stages(self, sure: Flags) -> list[str]:
        """Return for each text the kind of model that answers it."""
        first, second = self.first.model.kind, self.second.model.kind
        return [first if stays else second for stays in sure.tolist()]

    def stage_for(self, text: str) -> Stage:
        """Return the stage that answers a text."""
        return self.first if self.certainty.sure(self.first.logits([text]))[0] else self.second

    def save(self, folder: Path) -> None:
        """Write both models into folders of their own, and `cascade.json`."""
        stages = {FIRST: self.first, SECOND: self.second}
        for name, stage in stages.items():
            (folder / name).mkdir()
            stage.model.save(folder / name)
        settings = {
            name: {"kind": stage.model.kind, "temperature": stage.temperature, "shifts": list(stage.shifts)}
            for name, stage in stages.items()
        }
        write_json(folder / SETTINGS_FILE, {**settings, "certainty": asdict(self.certainty)})

    @classmethod
    def load(cls, folder: Path, loaders: Mapping[str, Callable[[Path], Model]]) -> CascadeModel:
        """Read what `save` wrote; `loaders` read a model's folder, by its kind. Raises `BundleError`."""
        settings = json.loads((folder / SETTINGS_FILE).read_text("utf-8"))

        def stage(name: str) -> Stage:
            one = settings[name]
            if one["kind"] not in loaders:
                raise BundleError(
                    f"'{folder / name}' holds a model of kind {one['kind']!r}; known kinds: {', '.join(loaders)}."
                )
            return Stage(loaders[one["kind"]](folder / name), one["temperature"], tuple(one["shifts"]))

        certainty = settings["certainty"]
        thresholds, borders = tuple(certainty.pop("thresholds")), tuple(certainty.pop("borders"))
        return cls(stage(FIRST), stage(SECOND), Certainty(thresholds=thresholds, borders=borders, **certainty))
