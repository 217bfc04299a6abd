"""What the texts and answers of training looked like: that which windows of today are compared with.

It is made from texts that the model was not fitted to (validation and test part), since a model is surer of those that
it was. It lies in the bundle: counts, a sample of numbers and vectors, and hashed words; no text can be read from it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from copydesk.errors import BundleError
from copydesk.monitor.detectors import Window
from copydesk.monitor.promise import Promise
from copydesk.monitor.traits import NUMBERS, Vocabulary, traits_of

LEAST_TEXTS = 50
"""A reference of fewer texts says too little about what is usual."""
_MOST_TEXTS = 5_000
Value = TypeVar("Value")


@dataclass(frozen=True)
class Reference:
    """The vocabulary of training, and a window of held-out texts with their answers.

    `accuracy` is the share of these answers that were right, `expected` what their confidence promised; `promise` says
    more of that, where it was kept.
    """

    vocabulary: Vocabulary
    window: Window
    accuracy: float
    expected: float
    promise: Promise | None = None

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        arrays: dict[str, Any] = {
            "vocabulary.hashes": self.vocabulary.hashes,
            "vocabulary.rarity": self.vocabulary.rarity,
            "vectors": self.window.vectors,
            **{f"numbers.{name}": values for name, values in self.window.numbers.items()},
        }
        facts = {
            "rarest": self.vocabulary.rarest,
            "kinds": {name: Counter(values) for name, values in self.window.kinds.items()},
            "accuracy": self.accuracy,
            "expected": self.expected,
            "promise": self.promise.to_json() if self.promise else None,
        }
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, {"facts": json.dumps(facts)}
        )

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read what `save` wrote. Raises `BundleError`."""
        try:
            with safe_open(path, framework="numpy") as file:
                facts = json.loads(file.metadata()["facts"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
            vocabulary = Vocabulary(arrays["vocabulary.hashes"], arrays["vocabulary.rarity"], float(facts["rarest"]))
            numbers = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith("numbers.")}
            kinds = {name: _spread_out(counts) for name, counts in facts["kinds"].items()}
            window = Window(numbers, arrays["vectors"], kinds)
            promise = Promise.from_json(facts["promise"]) if facts.get("promise") else None
            return cls(vocabulary, window, float(facts["accuracy"]), float(facts["expected"]), promise)
        except (SafetensorError, LookupError, TypeError, ValueError, OSError) as error:
            raise BundleError(f"'{path}' is no reference that this Copydesk reads: {error}. Train it again.") from None


def reference_of(
    texts: Sequence[str],
    training_texts: Sequence[str],
    *,
    confidence: np.ndarray[Any, Any],
    right: np.ndarray[Any, Any],
    kinds: Mapping[str, Sequence[str]],
    promise: Promise | None = None,
) -> Reference:
    """Return the reference of held-out texts, evenly chosen if there are more than 5,000, and of what was answered.

    `confidence` and `right` have shape (n,). `kinds` are per text, or per label given.
    """
    vocabulary, chosen = Vocabulary.of(training_texts), evenly(range(len(texts)), _MOST_TEXTS)
    traits = traits_of([texts[place] for place in chosen], vocabulary)
    numbers = {name: traits.number(name) for name in NUMBERS} | {"confidence": confidence[chosen].astype(np.float32)}
    window = Window(numbers, traits.vectors, kinds)
    return Reference(vocabulary, window, float(right.mean()), float(confidence.mean()), promise)


def evenly(values: Sequence[Value], most: int) -> list[Value]:
    """Return at most so many values, evenly chosen and in order."""
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), most)).astype(int))
    return [values[place] for place in places]


def _spread_out(counts: Mapping[str, int]) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]
