"""What the texts and answers of training looked like: that which windows of today are compared with.

It is made from texts that the model was not fitted to, since a model is surer of those that it was. It lies
in the bundle: counts, a sample of numbers and vectors, and hashed words; no text can be read from it.
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
from copydesk.monitor.traits import NUMBERS, Table, Vocabulary, from_steps, in_steps, traits_of

LEAST_TEXTS = 50
"""A reference of fewer texts says too little about what is usual."""
MOST_TEXTS = 5_000
"""More texts are evenly thinned."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class Reference:
    """The vocabulary of training, a window of texts with their answers, and what confidence was worth."""

    vocabulary: Vocabulary
    window: Window
    promise: Promise

    @property
    def accuracy(self) -> float:
        """The share of right answers to labelled texts that the model was not fitted to."""
        return self.promise.accuracy

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        arrays: dict[str, Any] = {
            "vocabulary.hashes": self.vocabulary.hashes,
            "vocabulary.rarity": self.vocabulary.rarity,
            "vocabulary.vectors": self.vocabulary.vectors,
            "vectors": in_steps(self.window.vectors),
            **{f"numbers.{name}": values for name, values in self.window.numbers.items()},
        }
        facts = {
            "rarest": self.vocabulary.rarest,
            "kinds": {name: Counter(values) for name, values in self.window.kinds.items()},
            "promise": self.promise.to_json(),
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
            vocabulary = Vocabulary(
                arrays["vocabulary.hashes"],
                arrays["vocabulary.rarity"],
                float(facts["rarest"]),
                arrays["vocabulary.vectors"],
            )
            numbers = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith("numbers.")}
            kinds = {name: _spread_out(counts) for name, counts in facts["kinds"].items()}
            window = Window(numbers, from_steps(arrays["vectors"]), kinds)
            return cls(vocabulary, window, Promise.from_json(facts["promise"]))
        except (SafetensorError, LookupError, TypeError, ValueError, OSError) as error:
            raise BundleError(f"'{path}' is no reference that this Copydesk reads: {error}. Train it again.") from None


@dataclass(frozen=True)
class Answers:
    """Texts and what was answered: `confidence`, shape (n,); `kinds` are per text, or per label given."""

    texts: Sequence[str]
    confidence: np.ndarray[Any, Any]
    kinds: Mapping[str, Sequence[str]]


def reference_of(
    answers: Answers, training_texts: Sequence[str], promise: Promise, *, table: Table | None = None
) -> Reference:
    """Return the reference of some answers, evenly chosen if there are more than 5,000.

    `table` returns words' vectors, where the model has some.
    """
    chosen = evenly(range(len(answers.texts)), MOST_TEXTS)
    vocabulary = Vocabulary.of(training_texts, table)
    traits = traits_of([answers.texts[place] for place in chosen], vocabulary)
    confidence = answers.confidence[chosen].astype(np.float32)
    numbers = {name: traits.number(name) for name in NUMBERS} | {"confidence": confidence}
    vectors = from_steps(in_steps(traits.vectors))  # as a log keeps those of today
    return Reference(vocabulary, Window(numbers, vectors, answers.kinds), promise)


def evenly(values: Sequence[Value], most: int) -> list[Value]:
    """Return at most so many values, evenly chosen and in order."""
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), most)).astype(int))
    return [values[place] for place in places]


def _spread_out(counts: Mapping[str, int]) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]
