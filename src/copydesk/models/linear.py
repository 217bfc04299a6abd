"""The from-scratch baseline: hashed word and character n-grams with logistic regression.

Words (1 and 2) and characters (2 and 4) are two blocks, each weighted by inverse document frequency and scaled to
length 1, so that the many character n-grams do not drown the words. Fitting is in
`linear_fit.py`; predicting needs numpy alone. It does not see word order beyond two words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copydesk.files import write_json
from copydesk.models.linear_features import Features, Floats, Indices, slot_table
from copydesk.ngrams import chunked
from copydesk.tasks import Head, Targets, Task

WEIGHTS_FILE = "linear.safetensors"
SETTINGS_FILE = "linear.json"
_FEW_COLUMNS = 16
"""Up to so many columns one pass over all n-grams for each is quicker than one pass over each text for all."""


@dataclass(frozen=True)
class Contributions:
    """What a text's n-grams add to some sums of the outputs.

    N-gram i stands from `starts[i]` to `stops[i]` (exclusive) in the text and adds `values[i]`, shape (sums,); `base`
    is what the sums are without any n-gram.
    """

    starts: Indices
    stops: Indices
    values: NDArray[np.float64]
    base: NDArray[np.float64]


class LinearModel:
    """Weights over n-gram buckets.

    `buckets` are the sorted buckets that occur in training texts, per block; `idf` their weights, `weights` the
    coefficients, shape (buckets, columns), one column for two exclusive labels; `bias` has one entry per column.
    """

    kind = "linear"

    def __init__(
        self, features: Features, buckets: list[Indices], idf: list[Floats], weights: Floats, bias: Floats
    ) -> None:
        self.features = features
        self._buckets, self._idf, self._weights, self._bias = buckets, idf, weights, bias
        self._tables = [slot_table(features, known) for known in buckets]
        ends = np.cumsum([0, *(known.size for known in buckets)])
        self._block_weights = [
            np.concatenate([np.zeros((1, weights.shape[1]), np.float32), weights[start:stop] * scale[:, None]])
            for start, stop, scale in zip(ends[:-1], ends[1:], idf, strict=True)
        ]
        self._block_squares = [np.concatenate([np.zeros(1, np.float32), scale**2]) for scale in idf]

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        targets: Targets,
        task: Task,
        *,
        heads: Sequence[Head] | None = None,
        strength: float = 10.0,
        balanced: bool = False,
    ) -> LinearModel:
        """Train on texts and the task's targets. `strength` is 1 / L2 penalty (scikit-learn's C).

        `heads` say how the targets are to be read, if not as the task's own. With `balanced`, rare labels weigh more:
        every label as if it had as many texts as the others.
        """
        from copydesk.models.linear_fit import fit_heads
        from copydesk.models.linear_matrix import matrix_of

        features = Features()
        matrix, known, idf = matrix_of(features, texts)
        weights, bias = fit_heads(matrix, targets, heads or task.heads, strength=strength, balanced=balanced)
        return cls(features, known, idf, weights, bias)

    def logits(self, texts: Sequence[str]) -> Floats:
        """Return raw outputs, shape (n, outputs); a text without known n-grams gets the bias."""
        parts = [self._logits(chunk) for chunk in chunked(texts)]
        columns = np.concatenate(parts) if parts else np.empty((0, len(self._bias)), np.float32)
        if columns.shape[1] > 1:
            return columns
        return np.concatenate([-columns / 2, columns / 2], axis=1)

    def _logits(self, texts: list[str]) -> Floats:
        total = np.tile(self._bias.astype(np.float64), (len(texts), 1))
        blocks = zip(self.features.blocks(texts), self._tables, self._block_weights, self._block_squares, strict=True)
        for (buckets, owner, count), table, weights, squares in blocks:
            slots = table[buckets]
            length = np.sqrt(np.bincount(owner, squares[slots], count))
            length[length == 0] = 1
            total += _sums(weights, slots, owner, count) / length[:, None]
        return total.astype(np.float32)

    def contributions(self, text: str, directions: NDArray[np.float64]) -> Contributions:
        """Return what each known n-gram of one text adds to sums of its outputs.

        `directions`, shape (outputs, sums), holds how much of each output a sum takes. All values and the base add up
        to `logits([text]) @ directions`, up to rounding.
        """
        columns = directions if self._weights.shape[1] > 1 else (directions[1:] - directions[:1]) / 2
        starts, stops, values = [], [], []
        blocks = zip(self.features.blocks([text]), self._tables, self._block_weights, self._block_squares, strict=True)
        for ((buckets, _, _), table, weights, squares), (first, stop) in zip(
            blocks, self.features.spans(text), strict=True
        ):
            slots = table[buckets]
            known = np.flatnonzero(slots)
            length = np.sqrt(squares[slots].sum(dtype=np.float64)) or 1.0
            starts.append(first[known])
            stops.append(stop[known])
            values.append(weights[slots[known]].astype(np.float64) @ columns / length)
        base = self._bias.astype(np.float64) @ columns
        return Contributions(np.concatenate(starts), np.concatenate(stops), np.concatenate(values), base)

    def save(self, folder: Path) -> None:
        """Write `linear.safetensors` and `linear.json`."""
        from safetensors.numpy import save_file

        arrays = {"weights": self._weights, "bias": self._bias}
        for number, (known, idf) in enumerate(zip(self._buckets, self._idf, strict=True)):
            arrays |= {f"buckets.{number}": known.astype(np.uint32), f"idf.{number}": idf}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(folder / WEIGHTS_FILE))
        write_json(folder / SETTINGS_FILE, asdict(self.features))

    @classmethod
    def load(cls, folder: Path) -> LinearModel:
        """Read what `save` wrote."""
        from safetensors.numpy import load_file

        settings = json.loads((folder / SETTINGS_FILE).read_text("utf-8"))
        features = Features(tuple(settings["words"]), tuple(settings["characters"]), settings["bits"])
        arrays = load_file(str(folder / WEIGHTS_FILE))
        blocks = sorted(name.partition(".")[2] for name in arrays if name.startswith("idf."))
        buckets = [arrays[f"buckets.{block}"].astype(np.int64) for block in blocks]
        return cls(features, buckets, [arrays[f"idf.{block}"] for block in blocks], arrays["weights"], arrays["bias"])


def _sums(weights: Floats, slots: NDArray[np.int32], owner: Indices, texts: int) -> NDArray[np.float64]:
    """Return for each text the sum of its slots' weights, shape (texts, columns)."""
    total = np.zeros((texts, weights.shape[1]))
    if weights.shape[1] <= _FEW_COLUMNS:
        for column in range(weights.shape[1]):
            total[:, column] = np.bincount(owner, weights[slots, column], texts)
        return total
    seen = np.flatnonzero(slots)
    seen = seen[np.argsort(owner[seen], kind="stable")]  # n-grams come by length, then by text
    slots, owner = slots[seen], owner[seen]
    ends = np.searchsorted(owner, np.arange(texts), side="right")
    for text, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        total[text] = weights[slots[start:end]].sum(axis=0)
    return total
