"""Words' vectors from an encoder's table of tokens."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from copydesk.models.word_table import word_table_in


def test_a_words_vector_is_the_mean_of_its_tokens_rows(tiny_encoder: Path) -> None:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    table = word_table_in(tiny_encoder)
    assert table is not None
    rows = load_file(tiny_encoder / "model.safetensors")
    tokens = next(rows[name] for name in rows if name.endswith("word_embeddings.weight"))
    ids = Tokenizer.from_file(str(tiny_encoder / "tokenizer.json")).encode("match", add_special_tokens=False).ids
    assert np.allclose(table(["match"])[0], tokens[ids].mean(axis=0))


def test_what_has_no_token_is_nowhere(tiny_encoder: Path) -> None:
    table = word_table_in(tiny_encoder)
    assert table is not None
    assert not table([""]).any() and table([]).shape == (0, table(["match"]).shape[1])


def test_a_cascades_table_is_that_of_the_stage_that_has_one(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    shutil.copytree(tiny_encoder, tmp_path / "second")
    assert word_table_in(tmp_path) is not None


@pytest.mark.parametrize("gone", ["tokenizer.json", "config.json", "model.safetensors"])
def test_a_model_without_tokens_has_no_table(gone: str, tiny_encoder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_encoder, tmp_path / "model")
    (tmp_path / "model" / gone).unlink()
    assert word_table_in(tmp_path / "model") is None
