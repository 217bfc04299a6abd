"""Bundles that somebody made on purpose: whatever is in them, a line says what is wrong, and nothing else happens."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from typer.testing import CliRunner

from bundle_fakes import plain_bundle, put, rewrite
from copydesk.bundle import Bundle, open_bundle
from copydesk.cli.main import app
from copydesk.errors import BundleError, CopydeskError
from copydesk.manifest import MOST_BYTES
from copydesk.paths import fault_of
from copydesk.runtime.engine import Classifier

WHERE = {"sha256": "0" * 64, "bytes": 1}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return plain_bundle(tmp_path / "bundle")


def refused(bundle: Bundle) -> str:
    """Return the one line with which the command line refuses a bundle, and nothing but that line."""
    result = CliRunner().invoke(app, ["predict", str(bundle.path), "a text"])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit) and not result.stdout
    assert result.stderr.startswith("copydesk: ") and result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../outside",
        "model/../../outside",
        "model/../settings.json",
        "model//keywords.json",
        "./settings.json",
        "model/",
        "model\\keywords.json",
        "..\\outside",
        "C:\\outside",  # a path: hostile
        "C:outside",
        "model/file:stream",
        "model/key\0words",
        "model/key\nwords",
        "model/\u202ekeywords",
        "model/\ud800",
        "model/ keywords",
        "model/keywords.",
        "x" * 1_001,
    ],
)
def test_a_name_that_may_lead_elsewhere_on_any_system_is_refused(bundle: Bundle, name: str) -> None:
    rewrite(bundle, lambda manifest: manifest["files"].update({name: WHERE}))
    assert "It is not to be trusted" in refused(bundle)


@pytest.mark.parametrize("name", ["settings.json", "model/first/keywords.json", "model/été 1.json", "a..b", "..x"])
def test_an_ordinary_name_is_no_fault(name: str) -> None:
    assert fault_of(name) == ""


@pytest.mark.parametrize(
    "facts", [None, 7, [], {}, {"sha256": "0" * 63, "bytes": 1}, {"sha256": "0" * 64, "bytes": -1}]
)
def test_a_file_without_a_checksum_is_refused(bundle: Bundle, facts: object) -> None:
    rewrite(bundle, lambda manifest: manifest["files"].update({"report.json": facts}))
    assert "has no SHA-256 and size for 'report.json'" in refused(bundle)


@pytest.mark.parametrize("name", ["../x", "A model", "", "x\n", "a'; DROP TABLE models; --", "x" * 65, 7, None])
def test_a_bundle_whose_name_is_no_recipes_is_refused(bundle: Bundle, name: object) -> None:
    rewrite(bundle, lambda manifest: manifest.update(name=name))
    assert "which is no recipe's" in refused(bundle)


def test_a_listed_file_that_is_a_link_is_refused_even_with_the_right_content(bundle: Bundle, tmp_path: Path) -> None:
    file = bundle.layout.model / "keywords.json"
    file.rename(tmp_path / "elsewhere.json")
    file.symlink_to(tmp_path / "elsewhere.json")
    assert "is a link" in refused(bundle)


def test_a_folder_in_a_bundle_that_is_a_link_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    bundle.layout.model.rename(tmp_path / "elsewhere")
    bundle.layout.model.symlink_to(tmp_path / "elsewhere")
    assert "is a link" in refused(bundle)


def test_a_link_to_a_whole_bundle_is_opened(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(bundle.path)
    assert open_bundle(tmp_path / "current").digest == bundle.digest


@pytest.mark.parametrize("name", ["model/runtime.json", "model/deep/er/x.py", "behaviours.yaml", "history.json"])
def test_a_file_that_would_be_read_and_is_not_listed_is_refused(bundle: Bundle, name: str) -> None:
    (bundle.path / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle.path / name).write_text("{}")
    assert f"{name}' is not in the bundle's manifest" in refused(bundle)


def test_an_unlisted_folder_behind_a_link_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.layout.model / "first").symlink_to(tmp_path)
    assert "model/first' is not in the bundle's manifest" in refused(bundle)


@pytest.mark.parametrize("name", ["NOTES.txt", ".gitattributes", "model/.DS_Store", ".cache/x/y", "notes/a.txt"])
def test_what_nobody_reads_may_lie_beside(bundle: Bundle, name: str) -> None:
    (bundle.path / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle.path / name).write_text("{}")
    assert open_bundle(bundle.path).digest == bundle.digest


def test_settings_cannot_be_left_out_of_the_manifest(bundle: Bundle) -> None:
    rewrite(bundle, lambda manifest: manifest["files"].pop("settings.json"))
    assert "settings.json' is not in the bundle's manifest" in refused(bundle)


def test_a_manifest_of_a_gigabyte_is_not_read_into_memory(bundle: Bundle) -> None:
    with bundle.layout.manifest.open("r+b") as file:
        file.truncate(1 << 30)  # a hole: it takes no room on the disk
    assert "is larger than 16,000,000 bytes" in refused(bundle)


@pytest.mark.parametrize("name", ["settings.json", "report.json", "recipe.yaml"])
def test_a_description_that_is_too_large_is_refused(bundle: Bundle, name: str) -> None:
    put(bundle, name, b" " * (MOST_BYTES + 1))
    with pytest.raises(BundleError, match=rf"{name}' is larger than"):
        _ = open_bundle(bundle.path).recipe, open_bundle(bundle.path).report


DEEP = b'{"format": 1, "name": "toy", "files": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
BROKEN_JSON = [DEEP, b"\xff\xfe", b"", b"[]", b"7", b'{"a": ' + b"9" * 100_000 + b"}", b'{"a": 1e999}', b'"\\ud800"']


@pytest.mark.parametrize("content", BROKEN_JSON, ids=range(len(BROKEN_JSON)))
@pytest.mark.parametrize("name", ["manifest.json", "settings.json", "report.json"])
def test_json_that_is_deep_broken_or_odd_is_one_line(bundle: Bundle, name: str, content: bytes) -> None:
    if name == "manifest.json":
        bundle.layout.manifest.write_bytes(content)
    else:
        put(bundle, name, content)
    with pytest.raises(BundleError, match="manifest.json|settings.json|report.json"):
        _ = Classifier.load(bundle.path).report


NINE = [f"{name}: &{name} [{','.join(['*' + before] * 9)}]" for before, name in itertools.pairwise("abcdefghij")]
LAUGHS = "\n".join(["a: &a [x]", *NINE])
BROKEN_YAML = [LAUGHS, "[" * 100_000, "{a: ", "- 1", "", "!!python/object/apply:os.system ['true']", "name: ../x"]


@pytest.mark.parametrize("content", BROKEN_YAML, ids=range(len(BROKEN_YAML)))
def test_a_recipe_that_is_no_recipe_is_one_line(bundle: Bundle, content: str) -> None:
    put(bundle, "recipe.yaml", content.encode())
    with pytest.raises(CopydeskError, match="recipe.yaml"):
        _ = open_bundle(bundle.path).recipe


@pytest.mark.parametrize(
    "changed",
    [
        {"task": "../x"},
        {"model": "pickle"},
        {"labels": "ab"},
        {"labels": []},
        {"normalise": ["rm -rf /"]},
        {"temperature": "hot"},
        {"categories": [1]},
        {"decision": {"thresholds": ["x"]}},
        {"surprise": 1},
        {"labels": [f"label {place}" for place in range(200_000)]},
    ],
    ids=lambda changed: f"{changed!s:.40}",
)
def test_settings_that_cannot_be_are_one_line(bundle: Bundle, changed: dict[str, Any]) -> None:
    settings = json.loads(bundle.layout.settings.read_text())
    put(bundle, "settings.json", json.dumps({**settings, **changed}).encode())
    assert refused(bundle)


def _linear(change: Callable[[dict[str, Any]], None]) -> tuple[bytes, bytes]:
    arrays: dict[str, Any] = {
        "weights": np.zeros((4, 1), np.float32),
        "bias": np.zeros(1, np.float32),
        **{f"buckets.{block}": np.arange(2, dtype=np.uint32) for block in (0, 1)},
        **{f"idf.{block}": np.ones(2, np.float32) for block in (0, 1)},
    }
    settings = {"words": [1, 2], "characters": [2, 4], "bits": 20}
    change(arrays)
    change(settings)
    return save(arrays), json.dumps(settings).encode()


def _as_linear(bundle: Bundle, weights: bytes, settings: bytes) -> None:
    stored = json.loads(bundle.layout.settings.read_text())
    put(bundle, "settings.json", json.dumps({**stored, "model": "linear"}).encode())
    put(bundle, "model/linear.safetensors", weights)
    put(bundle, "model/linear.json", settings)


def test_the_linear_model_made_by_hand_answers(bundle: Bundle) -> None:
    _as_linear(bundle, *_linear(lambda _: None))
    assert Classifier.load(bundle.path).predict(["a b"])[0].label in ("a", "b")


HEADERS = [
    b"",
    b"\xff" * 8,
    (1 << 62).to_bytes(8, "little") + b"{}",
    (100_000_000).to_bytes(8, "little") + b"{" * 1_000,
    (2).to_bytes(8, "little") + b"{}",
    (200_000).to_bytes(8, "little") + b"[" * 200_000,
    (61).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[99999999],"data_offsets":[0,9]}}',
    b"\x80\x04\x95 a pickle",
]


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_weights_whose_header_lies_are_one_line(bundle: Bundle, header: bytes) -> None:
    _as_linear(bundle, header, _linear(lambda _: None)[1])
    assert "cannot be loaded" in refused(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("weights", None),
        lambda values: values.update({"idf.0": np.ones(7, np.float32)}) if "weights" in values else None,
        lambda values: values.update(bits=55) if "bits" in values else None,
        lambda values: values.update(bits=-1) if "bits" in values else None,
        lambda values: values.update(words="many") if "bits" in values else None,
        lambda values: values.update({"buckets.0": np.full(2, 1 << 30, np.uint32)}) if "weights" in values else None,
    ],
)
def test_weights_that_do_not_fit_together_are_one_line(
    bundle: Bundle, change: Callable[[dict[str, Any]], None]
) -> None:
    _as_linear(bundle, *_linear(change))
    assert refused(bundle)


def test_a_network_that_reads_files_outside_its_folder_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from copydesk.models.compiled import session

    (tmp_path / "secret").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    for location in ("../secret", "../../secret", str(tmp_path / "secret")):
        weights = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", "0"), ("length", "16")):
            weights.external_data.add(key=key, value=value)
        shape = [onnx.helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "logits")]
        node = onnx.helper.make_node("Add", ["x", "w"], ["logits"])
        graph = onnx.helper.make_graph([node], "g", shape[:1], shape[1:], [weights])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10)
        file = tmp_path / "bundle" / "network.onnx"
        file.write_bytes(model.SerializeToString())
        with pytest.raises(BundleError, match=r"cannot be loaded by onnxruntime.*(escapes|Absolute path)"):
            session(file)
