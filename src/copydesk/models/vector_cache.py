"""An encoder's vectors of texts, computed once: whoever changes a threshold does not wait for the encoder again.

The key is the texts, the encoder's files and how much of a text is read; nothing else decides the vectors.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from copydesk.files import cache_folder, sha256_of
from copydesk.models.encoder import EncoderModel

_NAME = "vectors"
_WORTH_KEEPING = 200
"""Fewer texts are read again in a moment."""
_MOST_FILES = 200


class CachedVectors:
    """The mean of the last hidden states of texts, by an encoder whose files are in `folder`."""

    def __init__(self, model: EncoderModel, folder: Path) -> None:
        self._model = model
        files = sorted(path for path in folder.iterdir() if path.is_file())
        self._encoder = repr((model.reader.reading, [(path.name, sha256_of(path)) for path in files]))

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors, shape (n, hidden), from the cache if they are there.

        A cache that cannot be read or written costs time, never the run.
        """
        if len(texts) < _WORTH_KEEPING:
            return self._computed(texts)
        path = cache_folder() / _NAME / f"{self._key(texts)}.safetensors"
        try:
            kept = load_file(path)[_NAME].astype(np.float32)
            os.utime(path)
            return kept
        except (OSError, SafetensorError, KeyError):
            vectors = self._computed(texts)
        try:
            _write(path, vectors)
        except OSError:
            return vectors
        return vectors

    def _computed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = self._model.encode(texts)
        return tokens.by_text(self._model.vectors_of(tokens, np.arange(len(tokens))))

    def _key(self, texts: Sequence[str]) -> str:
        digest = hashlib.sha256(self._encoder.encode())
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
        return digest.hexdigest()[:40]


def _write(path: Path, vectors: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.new")
    save_file({_NAME: vectors.astype(np.float16)}, temporary)
    temporary.replace(path)
    oldest = sorted(path.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)[:-_MOST_FILES]
    for file in oldest:
        file.unlink(missing_ok=True)
