"""What libraries do behind our back: watched while encoders and bundles are loaded, with pickles put in their way."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bundle_fakes import SETTINGS, plain_bundle, put
from copydesk.bundle import Bundle, Layout, Settings, write_bundle
from copydesk.errors import BundleError, EncoderError
from copydesk.files import write_json
from copydesk.models.weights import find_encoder
from copydesk.recipe import parse_recipe
from copydesk.runtime.engine import Classifier
from fakes import write_tiny_encoder

WATCHED = """
import sys
seen = []
sys.addaudithook(lambda event, arguments: event == "pickle.find_class" and seen.append(arguments))
import copydesk
for bundle in sys.argv[1:]:
    assert copydesk.load(bundle).predict(["a text"], scores=True)
if seen:
    sys.exit(f"unpickled: {seen}")
"""
PICKLES = ("pytorch_model.bin", "model.pt", "training_args.bin", "optimizer.pt", "adapter_model.bin", "vocab.pkl")


pytestmark = pytest.mark.e2e


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return open, (str(self._mark), "w")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture
def bundle(tmp_path: Path, encoder: Path) -> Bundle:
    from copydesk.models.encoder import EncoderModel, Reading

    def fill(layout: Layout) -> Settings:
        EncoderModel.pretrained(encoder, outputs=2, reading=Reading(32)).save(layout.model)
        write_json(layout.report, {})
        return replace(SETTINGS, model="encoder")

    return write_bundle(tmp_path / "encoder", recipe=parse_recipe({"name": "toy"}), facts={}, fill=fill)


def test_a_bomb_goes_off_when_it_is_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark"))).close()
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.bin", "model.pt", "flax_model.msgpack"])
def test_an_encoder_folder_with_pickled_weights_only_is_refused(encoder: Path, tmp_path: Path, file: str) -> None:
    from copydesk.models.encoder import EncoderModel, Reading

    folder = shutil.copytree(encoder, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(pickle.dumps(Bomb(tmp_path / "mark")))
    with pytest.raises(EncoderError, match=r"Pickled weights \(.bin\) are not loaded"):
        find_encoder(str(folder))
    with pytest.raises(OSError, match="safetensors"):  # the library itself is told so too
        EncoderModel.pretrained(folder, outputs=2, reading=Reading(32))
    assert not (tmp_path / "mark").exists()


def test_pickles_beside_sound_weights_are_not_looked_at(encoder: Path, tmp_path: Path) -> None:
    from copydesk.models.encoder import EncoderModel, Reading

    folder = shutil.copytree(encoder, tmp_path / "both")
    for name in PICKLES:
        (folder / name).write_bytes(pickle.dumps(Bomb(tmp_path / "mark")))
    EncoderModel.pretrained(folder, outputs=2, reading=Reading(32))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_an_encoder_with_code_of_its_own_does_not_run_it(encoder: Path, tmp_path: Path, file: str) -> None:
    from copydesk.models.encoder import EncoderModel, Reading

    folder = shutil.copytree(encoder, tmp_path / "code")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\nclass Own: ...\n")
    settings = json.loads((folder / file).read_text())
    kinds = {"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoTokenizer": ["own.Own", "own.Own"]}
    settings |= {"auto_map": kinds, "model_type": "unknown-kind", "tokenizer_class": "Own"}
    (folder / file).write_text(json.dumps(settings))
    with suppress(ValueError, OSError):  # it may do without that code
        EncoderModel.pretrained(folder, outputs=2, reading=Reading(32))
    assert not (tmp_path / "mark").exists()


def test_a_pickle_in_a_bundle_is_never_unpickled(bundle: Bundle, tmp_path: Path) -> None:
    for name in PICKLES:
        put(bundle, f"model/{name}", pickle.dumps(Bomb(tmp_path / "mark")))
    assert Classifier.load(bundle.path).predict(["a text"])
    (bundle.layout.model / "late.pkl").write_bytes(pickle.dumps(Bomb(tmp_path / "mark")))
    with pytest.raises(BundleError, match="late.pkl' is not in the bundle's manifest"):
        Classifier.load(bundle.path)
    assert not (tmp_path / "mark").exists()


def test_a_pickle_in_the_place_of_weights_is_an_error_and_nothing_else(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("model.safetensors", "head.safetensors"):
        put(bundle, f"model/{name}", pickle.dumps(Bomb(tmp_path / "mark")))
        with pytest.raises(BundleError, match="cannot be loaded"):
            Classifier.load(bundle.path)
    assert not (tmp_path / "mark").exists()


@pytest.mark.e2e  # a process of its own, with torch: the watch cannot be taken off again
def test_nothing_is_unpickled_while_bundles_are_loaded_and_answer(bundle: Bundle, tmp_path: Path) -> None:
    bundles = [bundle.path, plain_bundle(tmp_path / "keywords").path]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, bundles)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
