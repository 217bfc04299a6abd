"""One suite for every kind of model: what `models.base.Model` promises, checked on each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from copydesk.models.base import Model
from copydesk.models.cascade import CascadeModel, Certainty, Stage
from copydesk.models.encoder import EncoderModel
from copydesk.models.keywords import Keyword, KeywordsModel
from copydesk.models.linear import LinearModel
from copydesk.models.reader import Reading
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.runtime.engine import LOADERS
from copydesk.tasks import make_task
from fakes import toy_rows

TEXTS = [text for text, _ in toy_rows(60)]
ODD = [
    "",
    " ",
    "a",
    "x" * 200_000,
    "goal " * 50_000,
    "日本語のテキスト",
    "👩‍👩‍👧 مرحبا",
    "[SEP] [CLS] [PAD]",
    f"title{COLUMN_SEPARATOR}body",
]


def _linear(tiny_encoder: Path) -> Model:
    rows = toy_rows()
    task = make_task("single", ["money", "sport"])
    return LinearModel.fit([text for text, _ in rows], task.encode([label for _, label in rows]), task)


def _encoder(tiny_encoder: Path) -> Model:
    import torch

    model = EncoderModel.pretrained(tiny_encoder, outputs=2, reading=Reading(32))
    torch.manual_seed(0)
    torch.nn.init.normal_(model.network.head.weight)
    return model


def _keywords(tiny_encoder: Path) -> Model:
    return KeywordsModel([Keyword("bank", 0), Keyword("goal", 1), Keyword("日本", 1)], 2, "softmax")


def _cascade(tiny_encoder: Path) -> Model:
    return CascadeModel(Stage(_linear(tiny_encoder)), Stage(_encoder(tiny_encoder), 2.0), Certainty("best", (0.9, 0.8)))


MAKERS: dict[str, Callable[[Path], Model]] = {
    "linear": _linear,
    "encoder": _encoder,
    "cascade": _cascade,
    "keywords": _keywords,
}


@pytest.fixture(params=sorted(LOADERS))
def model(request: pytest.FixtureRequest, tiny_encoder: Path) -> Model:
    return MAKERS[request.param](tiny_encoder)


def test_there_is_one_finite_row_per_text_in_order(model: Model) -> None:
    logits = model.logits(TEXTS)
    assert logits.shape == (len(TEXTS), 2) and logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert model.logits(TEXTS[::-1]) == pytest.approx(logits[::-1], abs=1e-4)


def test_a_texts_answer_does_not_depend_on_its_neighbours(model: Model) -> None:
    together = model.logits([*ODD, *TEXTS])
    alone = np.concatenate([model.logits([text]) for text in [*ODD, *TEXTS]])
    assert together == pytest.approx(alone, abs=1e-4)


def test_odd_texts_get_an_answer(model: Model) -> None:
    assert np.isfinite(model.logits(ODD)).all()


def test_no_texts_give_no_rows(model: Model) -> None:
    assert model.logits([]).shape == (0, 2)


def test_saved_and_loaded_it_gives_the_same_answers(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    assert (LOADERS[model.kind](tmp_path).logits(TEXTS) == model.logits(TEXTS)).all()


def test_its_files_hold_no_pickle(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    suffixes = {file.suffix for file in tmp_path.rglob("*") if file.is_file()}
    assert suffixes <= {".json", ".safetensors", ".txt"}
