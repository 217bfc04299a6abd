"""Which files a registered bundle has, read from its manifest before any of them is fetched.

The manifest comes from outside: its digest is held against the one that was registered, and it must be well formed, no
name leading out of the folder. Whether the files are the right ones, `bundle.open_bundle` says.
"""

from __future__ import annotations

import hashlib

from copydesk.errors import BundleError, RegistryError
from copydesk.manifest import MANIFEST_FILE, parse_manifest
from copydesk.registry.base import Registered


def listed_files(manifest: bytes, version: Registered) -> list[str]:
    """Return the names of a bundle's files but manifest and signature, each a path inside of it.

    Raises `RegistryError` if the manifest is not the one that was registered, or names a place outside.
    """
    found = hashlib.sha256(manifest).hexdigest()
    if found != version.facts.digest:
        raise RegistryError(
            f"Version {version.version} of '{version.name}' was changed behind the registry's back: its manifest has "
            f"the SHA-256 {found}, and {version.facts.digest} was registered. It is refused; register the model again."
        )
    try:
        return list(parse_manifest(manifest, f"{version.name} {version.version}: {MANIFEST_FILE}").files)
    except BundleError as error:
        raise RegistryError(f"Nothing was fetched: {error}") from None
