"""References to registered models, and the cache that they lead to."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from copydesk.bundle import open_bundle
from copydesk.errors import BundleError, RegistryError, Untrusted, UsageError
from copydesk.files import cache_folder
from copydesk.registry import references
from copydesk.registry.base import Registered, Registry
from copydesk.registry.references import Reference, fetched, is_reference, opened, parse, pinned_at, registry_at
from copydesk.types import ModelVersion
from memory_registry import MemoryRegistry
from registry_contract import RegistryContract, facts_for, promoted, small_bundle


class TestMemoryRegistry(RegistryContract):
    @pytest.fixture
    def registry(self) -> Registry:
        return MemoryRegistry()


class Counting(MemoryRegistry):
    """Counts downloads, and may spoil them."""

    downloads = 0
    spoil: Callable[[Path], Any] = staticmethod(lambda folder: None)

    def download(self, version: Registered, folder: Path) -> None:
        self.downloads += 1
        super().download(version, folder)
        self.spoil(folder)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Return a registry that `models:/` leads to, with two versions of a model, the first in production."""
    registry = Counting()
    monkeypatch.setattr(references, "_registry", lambda scheme, place: registry)
    for number in (1, 2):
        bundle = small_bundle(tmp_path / f"bundle-{number}", f"weights {number}")
        registry.add(bundle, "toy", facts_for(bundle))
    registry.point("toy", promoted(1, None))
    return registry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models:/toy@production", Reference("models", "", "toy", "production")),
        ("models:/toy.v2/3", Reference("models", "", "toy.v2", 3)),
        ("hf://Acme-Labs/toy@v3", Reference("hf", "Acme-Labs", "toy", 3)),
        ("hf://acme/toy@staging", Reference("hf", "acme", "toy", "staging")),
        ("wandb://acme/news/toy:production", Reference("wandb", "acme/news", "toy", "production")),
        ("wandb://acme/news/toy:v12", Reference("wandb", "acme/news", "toy", 12)),
    ],
)
def test_a_reference_names_registry_model_and_version(text: str, expected: Reference) -> None:
    assert is_reference(text)
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "models:/toy",
        "models:toy/3",
        "models:/toy@",
        "models://toy/3",
        "models:/a/b/3",
        "models:/../toy@production",
        "models:/Toy/3",
        "models:/toy/three",
        "models:/toy/-1",
        "models:/toy/3\n",
        "models:/toy@../x",
        "models:/toy@latest",
        "hf://toy@v3",
        "hf://../toy@v3",
        "hf://acme/../toy@v3",
        "hf://acme/toy",
        "wandb://acme/toy:production",
        "wandb://acme/news/toy",
    ],
)
def test_what_is_almost_a_reference_is_told(text: str) -> None:
    assert is_reference(text)
    with pytest.raises((UsageError, RegistryError), match="reference|name|alias"):
        parse(text)


@pytest.mark.parametrize(
    "path",
    [
        "bundles/toy-1",
        "toy.yaml",
        "/models/toy",
        "models/toy",
        "C:/toy",  # a path: nobody's
        Path("hf"),
    ],
)
def test_a_path_is_no_reference(path: str | Path) -> None:
    assert not is_reference(path)


def test_a_pinned_reference_leads_to_the_same_version_again() -> None:
    for text in ("models:/toy/3", "hf://acme/toy@v3", "wandb://acme/news/toy:v3"):
        assert parse(text).pinned(3) == text
    version = Registered("toy", 3, facts_for_nothing())
    assert pinned_at("models:/", version) == "models:/toy/3"
    assert pinned_at("wandb://acme/news", version) == "wandb://acme/news/toy:v3"


def facts_for_nothing() -> Any:
    from copydesk.registry.base import Facts

    return Facts("", "", "", "", "")


@pytest.mark.parametrize("address", ["", "models", "models:/toy", "hf://", "hf://a/b", "wandb://a", "file:///tmp", "x"])
def test_an_address_that_is_no_registry_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="Expected: models:/, hf://OWNER"):
        registry_at(address)


def test_a_fetched_bundle_knows_its_version(registry: Counting, tmp_path: Path) -> None:
    found = opened("models:/toy@production")
    assert found.registered == ModelVersion("toy", "1", "models:/toy/1")
    assert found.digest == open_bundle(tmp_path / "bundle-1").digest
    assert opened(tmp_path / "bundle-1").registered is None


def test_what_is_in_the_cache_is_not_fetched_again(registry: Counting) -> None:
    assert fetched("models:/toy@production") == fetched("models:/toy/1")
    assert registry.downloads == 1
    assert fetched("models:/toy/2") != fetched("models:/toy/1")


def test_an_unsigned_version_is_refused_where_keys_are_trusted_and_stays_in_the_cache(
    registry: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fetched("models:/toy/1")
    public = Ed25519PrivateKey.generate().public_key()
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    monkeypatch.setenv("COPYDESK_TRUSTED_KEYS", str(trusted))
    with pytest.raises(Untrusted, match="is not signed"):
        fetched("models:/toy/1")
    with pytest.raises(RegistryError, match="was not kept: .* is not signed"):
        fetched("models:/toy/2")
    assert folder.is_dir() and registry.downloads == 2


def test_an_alias_that_moved_leads_to_the_other_version(registry: Counting) -> None:
    before = fetched("models:/toy@production")
    registry.point("toy", promoted(2, 1))
    assert fetched("models:/toy@production") != before


def _change(folder: Path) -> None:
    (folder / "model" / "weights.txt").write_text("weightz 1", "utf-8")


def _take_away(folder: Path) -> None:
    (folder / "model" / "weights.txt").unlink()


def _unfinish(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _smuggle(folder: Path) -> None:
    (folder / "model" / "more.txt").write_text("x", "utf-8")


DAMAGES = [_change, _take_away, _unfinish, _smuggle, shutil.rmtree]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_fetched_again(registry: Counting, damage: Callable[[Path], None]) -> None:
    folder = fetched("models:/toy/1")
    damage(folder)
    assert fetched("models:/toy/1") == folder
    assert registry.downloads == 2
    assert (folder / "model" / "weights.txt").read_text("utf-8") == "weights 1"
    assert not (folder / "model" / "more.txt").exists()


@pytest.mark.parametrize("damage", DAMAGES[:-1])
def test_what_arrives_damaged_is_refused_and_not_kept(registry: Counting, damage: Callable[[Path], None]) -> None:
    registry.spoil = damage  # type: ignore[method-assign]
    with pytest.raises(RegistryError, match="version 1 of 'toy'"):
        fetched("models:/toy/1")
    assert [path for path in (cache_folder() / "models").iterdir() if path.is_dir()] == []


def test_another_whole_bundle_than_the_registered_one_is_refused(registry: Counting, tmp_path: Path) -> None:
    def swap(folder: Path) -> None:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "bundle-2", folder)

    registry.spoil = swap  # type: ignore[method-assign]
    with pytest.raises(RegistryError, match="SHA-256"):
        fetched("models:/toy/1")


def test_what_a_killed_download_left_is_cleared_away(registry: Counting) -> None:
    digest = registry.find("toy", 1).facts.digest
    left = cache_folder() / "models" / f".{digest}.abcd"
    left.mkdir(parents=True)
    fetched("models:/toy/1")
    assert not left.exists()


def test_a_digest_that_is_a_path_goes_nowhere(registry: Counting, tmp_path: Path) -> None:
    from dataclasses import replace

    registry.models["toy"][1] = replace(registry.models["toy"][1], digest="../../evil")
    with pytest.raises(RegistryError, match="digest"):
        fetched("models:/toy/1")


def test_several_who_miss_the_same_version_fetch_it_once(registry: Counting) -> None:
    found: list[Path] = []
    crowd = [threading.Thread(target=lambda: found.append(fetched("models:/toy/1"))) for _ in range(8)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert len(set(found)) == 1 and len(found) == 8
    assert registry.downloads == 1


def test_a_path_that_is_no_bundle_is_told_as_before(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        opened(tmp_path / "nothing")
    with pytest.raises(BundleError, match="not a complete bundle"):
        opened(tmp_path)
