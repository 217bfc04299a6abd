"""Which files a registered bundle has, read from its manifest before any of them is fetched.

The manifest comes from outside: its digest is held against the one that was registered, and no name in it may lead out
of the folder. Whether the files are the right ones, `bundle.open_bundle` says.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath

from copydesk.errors import RegistryError
from copydesk.registry.base import Registered

MANIFEST = "manifest.json"


def listed_files(manifest: bytes, version: Registered) -> list[str]:
    """Return the names of a bundle's files but the manifest, each a path inside of it.

    Raises `RegistryError` if the manifest is not the one that was registered, or names a place outside.
    """
    found = hashlib.sha256(manifest).hexdigest()
    if found != version.facts.digest:
        raise RegistryError(
            f"Version {version.version} of '{version.name}' was changed behind the registry's back: its manifest has "
            f"the SHA-256 {found}, and {version.facts.digest} was registered. It is refused; register the model again."
        )
    names = _names(manifest)
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
            raise RegistryError(f"Version {version.version} of '{version.name}' lists '{name}', outside of its folder.")
    return names


def _names(manifest: bytes) -> list[str]:
    """Return what a manifest lists; of one that is no manifest nothing is fetched, and opening it says so."""
    try:
        listed = json.loads(manifest)["files"]
    except (ValueError, KeyError, TypeError):
        return []
    return list(listed) if isinstance(listed, dict) else []
