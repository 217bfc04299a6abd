from pathlib import Path

import pytest
import torch

from copydesk.models.encoder import EncoderModel
from copydesk.models.frozen import Replay, fits
from copydesk.models.reader import Reading
from fakes import toy_rows

TEXTS = [text for text, _ in toy_rows(40)]


def _model(folder: Path) -> EncoderModel:
    model = EncoderModel.pretrained(folder, outputs=2, reading=Reading(32))
    torch.manual_seed(0)
    torch.nn.init.normal_(model.network.head.weight)
    model.network.eval()
    return model


@pytest.mark.parametrize("frozen", [1, 2])
def test_replayed_layers_give_what_they_would_have_computed(tiny_encoder: Path, tmp_path: Path, frozen: int) -> None:
    model = _model(tiny_encoder)
    tokens = model.encode(TEXTS)
    rows = [3, 17, 4, 30]
    with torch.inference_mode():
        expected = model.network(**model.batch(tokens, rows))["logits"]
        replay = Replay(model.network, list(model.network.body.encoder.layer)[:frozen])
        replay.record(model, tokens, tmp_path / "frozen.f16")
        replay.given = replay.of(tokens, rows)
        found = model.network(**model.batch(tokens, rows))["logits"]
    assert found == pytest.approx(expected, abs=2e-2)  # kept as float16


def test_without_anything_to_replay_the_layers_run_as_ever(tiny_encoder: Path, tmp_path: Path) -> None:
    model = _model(tiny_encoder)
    before = model.logits(TEXTS)
    names = set(model.network.state_dict())
    replay = Replay(model.network, list(model.network.body.encoder.layer)[:1])
    replay.record(model, model.encode(TEXTS), tmp_path / "frozen.f16")
    assert (model.logits(TEXTS) == before).all()
    assert set(model.network.state_dict()) == names


def test_what_would_fill_the_disk_is_not_kept(tiny_encoder: Path, tmp_path: Path) -> None:
    tokens = _model(tiny_encoder).encode(TEXTS)
    assert fits(tokens, 384, tmp_path)
    assert not fits(tokens, 1 << 40, tmp_path)
