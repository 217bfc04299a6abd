from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from copydesk.models.encoder import EncoderModel
from copydesk.models.reader import Reading
from copydesk.models.tokens import Tokens
from copydesk.models.vector_cache import CachedVectors
from fakes import toy_rows

TEXTS = [text for text, _ in toy_rows(210)]


class Counting(EncoderModel):
    """Counts the texts it reads."""

    read = 0

    def encode(self, texts: Sequence[str]) -> Tokens:
        self.read += len(texts)
        return super().encode(texts)


@pytest.fixture
def model(tiny_encoder: Path) -> Counting:
    loaded = EncoderModel.pretrained(tiny_encoder, outputs=1, reading=Reading(32))
    return Counting(loaded.network, loaded.tokenizer, loaded.reader.reading)


def test_vectors_are_computed_once(model: Counting, tiny_encoder: Path) -> None:
    first = CachedVectors(model, tiny_encoder).of(TEXTS)
    again = CachedVectors(model, tiny_encoder).of(TEXTS)
    assert model.read == 210 and first.shape == (210, 32)
    assert np.abs(first - again).max() < 2e-3  # kept in half precision


def test_other_texts_and_another_way_of_reading_are_computed_anew(model: Counting, tiny_encoder: Path) -> None:
    CachedVectors(model, tiny_encoder).of(TEXTS)
    CachedVectors(model, tiny_encoder).of([*TEXTS[:-1], "another"])
    shorter = Counting(model.network, model.tokenizer, Reading(8))
    CachedVectors(shorter, tiny_encoder).of(TEXTS)
    assert model.read + shorter.read == 630


def test_a_few_texts_are_not_kept(model: Counting, tiny_encoder: Path, tmp_path: Path) -> None:
    CachedVectors(model, tiny_encoder).of(TEXTS[:10])
    assert not (tmp_path / "cache").exists()


def test_a_broken_cache_costs_time_alone(model: Counting, tiny_encoder: Path, tmp_path: Path) -> None:
    first = CachedVectors(model, tiny_encoder).of(TEXTS)
    (kept,) = (tmp_path / "cache" / "vectors").iterdir()
    kept.write_bytes(b"nonsense")
    assert np.array_equal(CachedVectors(model, tiny_encoder).of(TEXTS), first)


def test_a_cache_that_cannot_be_written_costs_time_alone(model: Counting, tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert CachedVectors(model, tiny_encoder).of(TEXTS).shape == (210, 32)
