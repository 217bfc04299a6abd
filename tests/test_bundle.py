import json
import shutil
from pathlib import Path

import pytest

from copydesk.bundle import Bundle, Layout, Settings, open_bundle, write_bundle
from copydesk.errors import BundleError, UsageError
from copydesk.files import write_json
from copydesk.recipe import parse_recipe

RECIPE = parse_recipe({"name": "toy"})
SETTINGS = Settings("single", ("a", "b"), "fake", ("text",), ("spaces",), 1.5)


def _fill(layout: Layout) -> Settings:
    (layout.model / "weights.bin").write_bytes(b"0123456789")
    write_json(layout.report, {})
    return SETTINGS


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle", recipe=RECIPE, facts={"data": "abc"}, fill=_fill)


def test_a_bundle_survives_being_written_and_opened(bundle: Bundle) -> None:
    again = open_bundle(bundle.path)
    assert again.settings == SETTINGS
    assert again.recipe == RECIPE
    assert again.manifest["data"] == "abc"


def test_a_bundle_can_be_moved(bundle: Bundle, tmp_path: Path) -> None:
    shutil.move(bundle.path, tmp_path / "elsewhere")
    assert open_bundle(tmp_path / "elsewhere").settings == SETTINGS


@pytest.mark.parametrize("name", ["model/weights.bin", "settings.json", "recipe.yaml", "report.json"])
def test_one_changed_byte_is_refused_with_the_files_name(bundle: Bundle, name: str) -> None:
    file = bundle.path / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}' is not the file that was trained"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("name", ["model/weights.bin", "settings.json"])
def test_a_missing_file_is_refused_with_its_name(bundle: Bundle, name: str) -> None:
    (bundle.path / name).unlink()
    with pytest.raises(BundleError, match=f"{name}' is missing from the bundle"):
        open_bundle(bundle.path)


def test_a_folder_without_a_manifest_was_never_finished(bundle: Bundle) -> None:
    bundle.layout.manifest.unlink()
    with pytest.raises(BundleError, match=r"is not a complete bundle: manifest.json is missing"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 99, "files": {}}'])
def test_a_manifest_of_another_kind_is_refused(bundle: Bundle, content: str) -> None:
    bundle.layout.manifest.write_text(content)
    with pytest.raises(BundleError, match=r"manifest.json"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "model/../../x"])
def test_a_manifest_cannot_point_outside_the_folder(bundle: Bundle, name: str) -> None:
    manifest = json.loads(bundle.layout.manifest.read_text())
    manifest["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    bundle.layout.manifest.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="lies outside the folder"):
        open_bundle(bundle.path)


def test_a_path_that_is_no_folder_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        open_bundle(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file, not a bundle"):
        open_bundle(tmp_path / "file")


def test_a_failure_while_writing_leaves_no_bundle(tmp_path: Path) -> None:
    def fail(layout: Layout) -> Settings:
        (layout.model / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "bundle", recipe=RECIPE, facts={}, fill=fail)
    assert list(tmp_path.iterdir()) == []
