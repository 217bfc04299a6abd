"""Words' vectors from an encoder's own table of tokens, read from its files; the encoder is not run.

A word's vector is the mean of its tokens'. The table is what every layer starts from: it knows which words are alike,
and nothing of what stands around them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from copydesk.models.cascade import FIRST, SECOND
from copydesk.models.reader import TOKENIZER_FILE

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"

Floats = NDArray[np.float32]


class WordTable:
    """An encoder's table of tokens, and how it cuts words into them."""

    def __init__(self, tokenizer: Tokenizer, table: Floats) -> None:
        self._tokenizer, self._table = tokenizer, table

    def __call__(self, words: Sequence[str]) -> Floats:
        """Return each word's vector, shape (words, hidden); zeros where the encoder has no token for it."""
        rows = self._tokenizer.encode_batch([f" {word}" for word in words], add_special_tokens=False)
        lengths = np.array([len(row.ids) for row in rows], np.int64)
        ids = np.fromiter((token for row in rows for token in row.ids), np.int64, int(lengths.sum()))
        vectors = np.zeros((len(words), self._table.shape[1]), np.float32)
        some = lengths > 0
        if some.any():
            starts = (np.cumsum(lengths) - lengths)[some]
            vectors[some] = np.add.reduceat(self._table[ids], starts, axis=0) / lengths[some, None]
        return vectors


def word_table_in(folder: Path) -> WordTable | None:
    """Return the table of a model's folder, of a cascade that of the stage that has one; None where there is none."""
    for part in (folder, folder / SECOND, folder / FIRST):
        if all((part / name).is_file() for name in (TOKENIZER_FILE, _CONFIG, _WEIGHTS)):
            table = _table(part)
            return None if table is None else WordTable(_tokenizer(part), table)
    return None


def _tokenizer(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _table(folder: Path) -> Floats | None:
    """Return the only matrix that has a row for each token; encoders do not agree on its name."""
    from safetensors import safe_open

    tokens = json.loads((folder / _CONFIG).read_text("utf-8")).get("vocab_size")
    with safe_open(folder / _WEIGHTS, framework="numpy") as file:
        names = [name for name in file.keys() if file.get_slice(name).get_shape()[:1] == [tokens]]  # noqa: SIM118
        matrices = [name for name in names if len(file.get_slice(name).get_shape()) == 2]
        if len(matrices) != 1:
            return None
        found: Floats = file.get_tensor(matrices[0]).astype(np.float32)
        return found
