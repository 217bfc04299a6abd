"""From a reference to a verified folder: which registry, which version, and its files in the cache.

    models:/clickbait@production        models:/clickbait/3
    hf://OWNER/clickbait@production     hf://OWNER/clickbait@v3
    wandb://ENTITY/PROJECT/clickbait:production     …:v3
    gs://BUCKET/FOLDER                  s3://BUCKET/FOLDER: a bundle in a bucket, without a registry

Wherever a command takes a model it may be such a reference, or a bundle's folder. The cache holds a folder per digest:
what two references lead to is fetched once, and what has changed in it is fetched again.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path

from copydesk.bundle import Bundle, open_bundle
from copydesk.bundle_store import BundleStore
from copydesk.errors import BundleError, RegistryError, Untrusted, UsageError
from copydesk.files import new_folder
from copydesk.manifest import MANIFEST_FILE, parse_manifest
from copydesk.registry import cache
from copydesk.registry.base import Registered, Registry
from copydesk.registry.lock import file_lock
from copydesk.registry.names import require_alias, require_name
from copydesk.remote.store import is_address
from copydesk.types import ModelVersion

_REGISTRIES = {
    "models": ("copydesk.registry.mlflow", "Mlflow"),
    "hf": ("copydesk.registry.hub", "Hub"),
    "wandb": ("copydesk.registry.wandb", "Wandb"),
}
"""The module and the class behind each scheme; each is imported when it is asked for."""
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_SCHEMES = {
    "models": re.compile(r"models:/(?P<place>)(?P<name>[^/@:]*)(?:/(?P<version>\d{1,9})|@(?P<alias>.*))", re.DOTALL),
    "hf": re.compile(
        rf"hf://(?P<place>{_WORD})/(?P<name>[^/@:]*)@(?:v(?P<version>\d{{1,9}})|(?P<alias>.*))", re.DOTALL
    ),
    "wandb": re.compile(
        rf"wandb://(?P<place>{_WORD}/{_WORD})/(?P<name>[^/@:]*):(?:v(?P<version>\d{{1,9}})|(?P<alias>.*))", re.DOTALL
    ),
}
_PLACES = {"models": re.compile(""), "hf": re.compile(_WORD), "wandb": re.compile(f"{_WORD}/{_WORD}")}
_NUMBERED = {"models": "models:/{}{}/{}", "hf": "hf://{}/{}@v{}", "wandb": "wandb://{}/{}:v{}"}
_FORMS = "models:/NAME@ALIAS, models:/NAME/3, hf://OWNER/NAME@v3 or wandb://ENTITY/PROJECT/NAME:ALIAS"
_DIGEST = re.compile("[0-9a-f]{64}")
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Reference:
    """A version of a model by number or alias, and the registry that has it: a scheme, and a place within it."""

    scheme: str
    place: str
    name: str
    which: int | str

    def pinned(self, version: int) -> str:
        """Return the reference to one version, which leads nowhere else ever after."""
        return _NUMBERED[self.scheme].format(self.place, self.name, version)


def is_reference(model: str | PathLike[str]) -> bool:
    """Tell whether a model is named by a registry's reference, rather than a path."""
    scheme, colon, _ = fspath(model).partition(":")
    return bool(colon) and scheme in _SCHEMES


def parse(model: str) -> Reference:
    """Return what a reference says. Raises `UsageError` if it says nothing, `RegistryError` for an impossible name."""
    scheme = model.partition(":")[0]
    found = _SCHEMES[scheme].fullmatch(model) if scheme in _SCHEMES else None
    if found is None:
        raise UsageError(f"{model[:200]!r} is no reference to a registered model. Expected: {_FORMS}.")
    version = found["version"]
    which = int(version) if version is not None else require_alias(found["alias"])
    return Reference(scheme, found["place"], require_name(found["name"]), which)


def registry_at(address: str) -> Registry:
    """Return the registry at `models:/`, `hf://OWNER` or `wandb://ENTITY/PROJECT`. Raises `UsageError`."""
    scheme, colon, rest = address.partition(":")
    place = rest.strip("/")
    if not colon or scheme not in _PLACES or not _PLACES[scheme].fullmatch(place):
        raise UsageError(f"{address[:200]!r} is no registry. Expected: models:/, hf://OWNER or wandb://ENTITY/PROJECT.")
    return _registry(scheme, place)


def pinned_at(address: str, version: Registered) -> str:
    """Return the reference to a version in the registry at an address."""
    scheme, _, rest = address.partition(":")
    return Reference(scheme, rest.strip("/"), version.name, version.version).pinned(version.version)


def registry_for(reference: Reference) -> Registry:
    """Return the registry of a reference."""
    return _registry(reference.scheme, reference.place)


def resolved(model: str) -> Registered:
    """Return the version that a reference leads to now. Raises `RegistryError`."""
    reference = parse(model)
    return registry_for(reference).find(reference.name, reference.which)


def fetched(model: str) -> Path:
    """Return the cached folder of the version that a reference leads to now, verified. Raises `RegistryError`."""
    return opened(model).path


def opened(model: str | PathLike[str], *, keep: bool = True) -> Bundle:
    """Return a verified bundle: the folder given, or what a reference leads to now, fetched where it is not cached.

    What is opened to `keep` stays in the cache; what is only fetched in passing may be removed once nobody has it open
    (`cache.discard`). Raises what `open_bundle` does, `RegistryError`.
    """
    if is_address(fspath(model)):
        return _at_address(fspath(model), keep=keep)
    if not is_reference(model):
        return open_bundle(Path(model))
    reference = parse(fspath(model))
    registry = registry_for(reference)
    version = registry.find(reference.name, reference.which)
    pinned = ModelVersion(version.name, str(version.version), reference.pinned(version.version))
    told = f"version {version.version} of '{version.name}'"
    wanted = _Wanted(told, version.name, version.facts.digest, lambda folder: registry.download(version, folder))
    return replace(_cached(wanted, keep=keep), registered=pinned)


@dataclass(frozen=True)
class _Wanted:
    """A bundle that is somewhere else: what people call it, its model's name, its digest, and what brings its files."""

    told: str
    name: str
    digest: str
    download: Callable[[Path], None]


def _at_address(url: str, *, keep: bool) -> Bundle:
    """Return the bundle in a bucket; its version is the beginning of its digest, as that of a folder is."""
    store = BundleStore(url)
    manifest = store.manifest()
    if manifest is None:
        raise UsageError(f"There is no bundle at '{url}': it has no manifest, or may not be read.")
    name, digest = parse_manifest(manifest, f"{url}/{MANIFEST_FILE}").name, hashlib.sha256(manifest).hexdigest()
    bundle = _cached(_Wanted(f"'{url}'", name, digest, store.download), keep=keep)
    return replace(bundle, registered=ModelVersion(name, digest[:_SHOWN_DIGITS], url))


def _registry(scheme: str, place: str) -> Registry:
    module, name = _REGISTRIES[scheme]
    registry: Registry = getattr(import_module(module), name)(place)
    return registry


def _cached(wanted: _Wanted, *, keep: bool) -> Bundle:
    """Return the bundle from the cache; of several processes that miss it one fetches."""
    digest = wanted.digest
    if not _DIGEST.fullmatch(digest):
        raise RegistryError(f"The digest of {wanted.told} is {digest[:80]!r}, which is none.")
    folder = cache.bundles_folder() / digest
    if (found := _found(folder, digest, keep=keep)) is not None:
        return found
    with file_lock(folder.parent / f".{digest}.lock"):
        if (found := _found(folder, digest, keep=keep)) is not None:
            return found
        for left in (folder, *folder.parent.glob(f".{digest}.*/")):
            shutil.rmtree(left, ignore_errors=True)  # damaged, or left by one that was killed
        with new_folder(folder) as temporary:
            wanted.download(temporary)
            try:
                _whole(temporary, digest)
            except (BundleError, UsageError) as error:
                raise RegistryError(
                    f"What came for {wanted.told} is not what was put there, and was not kept: "
                    f"{_about(error, temporary, folder)}"
                ) from None
            hold = cache.hold(temporary)  # before it is in its place, where it may be removed
            if keep:
                cache.keep(folder)
            else:
                cache.note_passing(folder, wanted.name)
        return replace(open_bundle(folder), hold=hold)


def _found(folder: Path, digest: str, *, keep: bool) -> Bundle | None:
    """Return the bundle that is in the cache, None if it is not, or damaged. Raises `Untrusted`."""
    hold = cache.hold(folder)
    if hold is None:
        return None
    try:
        bundle = _whole(folder, digest)
    except Untrusted:
        raise  # whole, and perhaps in use by somebody who trusts it
    except (UsageError, BundleError):
        return None
    if keep:
        cache.keep(folder)
    return replace(bundle, hold=hold)


def _whole(folder: Path, digest: str) -> Bundle:
    """Return the bundle in a folder. Raises `BundleError` if it is not exactly the one with this digest."""
    bundle = open_bundle(folder)
    if bundle.digest != digest:
        raise BundleError(f"its manifest has the SHA-256 {bundle.digest}, wanted is {digest}.")
    listed = {folder / name for name in bundle.manifest["files"]}
    others = [path.relative_to(folder) for path in bundle.layout.files() if path not in listed]
    if others:
        raise BundleError(f"'{others[0]}' is in its folder and not in its manifest.")
    return bundle


def _about(error: Exception, temporary: Path, folder: Path) -> str:
    return str(error).replace(str(temporary), str(folder))
