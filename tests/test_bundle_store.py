"""Bundles at addresses: whole or not at all, never overwritten, verified where they are opened."""

from __future__ import annotations

from pathlib import Path

import pytest

import copydesk
from copydesk.bundle import Bundle, open_bundle
from copydesk.bundle_store import BundleStore
from copydesk.errors import BundleError, CopydeskError, RegistryError, UsageError
from copydesk.recipe import Recipe
from copydesk.registry.references import opened
from copydesk.remote.store import Bucket
from copydesk.runtime.versions import fingerprint, version_of
from copydesk.training import train_bundle
from fakes import Listener
from registry_contract import small_bundle


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}/bundles/toy"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return open_bundle(small_bundle(tmp_path / "toy", "weights").path)


def test_a_bundle_is_opened_from_its_address_and_knows_where_it_came_from(url: str, bundle: Bundle) -> None:
    BundleStore(url).upload(bundle)
    found = opened(url)
    assert found.digest == bundle.digest and found.path != bundle.path
    assert found.registered is not None
    assert (found.registered.path, found.registered.version) == (url, bundle.digest[:12])


def test_half_an_upload_is_no_bundle(url: str, bundle: Bundle) -> None:
    store = BundleStore(url)
    store.begin("run")
    Bucket(url).upload(bundle.layout.settings, "settings.json")
    with pytest.raises(UsageError, match=f"There is no bundle at '{url}'"):
        opened(url)
    assert not BundleStore(url).begin("run")  # the same run may put it there once more
    BundleStore(url).upload(bundle)
    assert BundleStore(url).begin("run")


def test_nothing_that_is_there_is_overwritten(url: str, bundle: Bundle) -> None:
    Bucket(url).write("notes.txt", "mine")
    with pytest.raises(UsageError, match=f"Output '{url}' exists already, and holds 'notes.txt'"):
        BundleStore(url).begin("run")
    Bucket(url).remove()
    BundleStore(url).begin("other run")
    BundleStore(url).upload(bundle)
    with pytest.raises(UsageError, match="exists already"):
        BundleStore(url).begin("run")


def test_a_changed_file_is_refused_by_name_and_not_kept(url: str, bundle: Bundle) -> None:
    BundleStore(url).upload(bundle)
    Bucket(url).write("settings.json", "{}")
    with pytest.raises(RegistryError, match=r"What came for 'memory://.*settings.json' is not the file"):
        opened(url)


def test_a_hostile_manifest_writes_nothing_elsewhere(url: str, bundle: Bundle) -> None:
    BundleStore(url).upload(bundle)
    text = bundle.layout.manifest.read_text("utf-8").replace('"settings.json"', '"../../settings.json"')
    Bucket(url).write("manifest.json", text)
    with pytest.raises(BundleError, match="which lies outside the folder"):
        opened(url)


@pytest.mark.parametrize("url", ["https://example.com/toy", "ftp://example.com/toy"])
def test_a_bundle_is_put_in_no_other_place(url: str, toy_recipe: Recipe, toy_csv: Path) -> None:
    with pytest.raises(UsageError, match="is no address of a bundle. Expected s3://BUCKET/FOLDER"):
        train_bundle(toy_recipe, data=toy_csv, out=url)


def test_a_training_puts_its_bundle_there_once(url: str, toy_recipe: Recipe, toy_csv: Path) -> None:
    bundle = train_bundle(toy_recipe, data=toy_csv, out=url)
    assert bundle.path == Path("bundles/toy-1")
    classifier = copydesk.load(url)
    assert classifier.predict(["goal match"])[0].label == "sport"
    assert version_of(classifier, url).path == url == fingerprint(url)
    listener = Listener()
    assert train_bundle(toy_recipe, data=toy_csv, out=url, progress=listener).digest == bundle.digest
    assert listener.said[-1] == f"{url} is there already, of this recipe and data"


def test_a_bundle_that_cannot_be_uploaded_stays_here(
    url: str, toy_recipe: Recipe, toy_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise CopydeskError("The bucket is full.")

    monkeypatch.setattr(BundleStore, "upload", fail)
    with pytest.raises(
        CopydeskError, match=r"full. The bundle is whole in 'bundles/toy-1'. The same command trains again"
    ):
        train_bundle(toy_recipe, data=toy_csv, out=url)
    assert open_bundle(Path("bundles/toy-1"))
