"""Labelling functions that compare texts with a few template sentences, through the encoder's mean token vectors.

The encoder is used as it was pretrained, and loaded when the first batch is asked for; its vectors are kept on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from copydesk.labelling.voters import Batch, Faults, Vote
from copydesk.recipe import Model

if TYPE_CHECKING:
    from copydesk.models.vector_cache import CachedVectors

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SimilarFunction:
    """Sentences; a text whose cosine similarity to any of them is at least `threshold` gets the vote."""

    vote: Vote
    sentences: Sequence[str]
    threshold: float


class SimilarVoter:
    """Functions that share one pass of the encoder over the texts."""

    def __init__(self, functions: Sequence[SimilarFunction], model: Model) -> None:
        """`model` is the recipe's section: which encoder, and how much of a text it reads."""
        self._functions, self._model = functions, model
        self.names = [function.vote.function for function in functions]
        self.columns: set[str] = set()
        self.faults: dict[str, Faults] = {}

    def votes(self, batch: Batch) -> Iterator[Vote]:
        """Yield the functions' votes."""
        vectors = self._directions(batch.texts)
        for function, templates in zip(self._functions, self._templates, strict=True):
            near = (vectors @ templates.T).max(axis=1) >= function.threshold
            for place in np.flatnonzero(near).tolist():
                yield function.vote._replace(text=place)

    @cached_property
    def _vectors(self) -> CachedVectors:
        from copydesk.models.encoder import EncoderModel
        from copydesk.models.reader import Reading
        from copydesk.models.vector_cache import CachedVectors
        from copydesk.models.weights import find_encoder

        folder = find_encoder(self._model.encoder, self._model.revision).folder
        return CachedVectors(
            EncoderModel.pretrained(folder, outputs=1, reading=Reading(self._model.max_tokens)), folder
        )

    @cached_property
    def _templates(self) -> list[Floats]:
        return [self._directions(function.sentences) for function in self._functions]

    def _directions(self, texts: Sequence[str]) -> Floats:
        """Return the texts' vectors at length 1, shape (n, hidden)."""
        vectors = self._vectors.of(texts)
        directions: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return directions
