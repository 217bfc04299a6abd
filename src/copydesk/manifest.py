"""A bundle's manifest: which files there must be, with which checksums. Until it is checked, it is a stranger's word.

Size, depth and every name are bounded before anything is done with them. What it says may still be a lie:
`verify_files` holds it against the files, and `signing.py` says who wrote it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copydesk.errors import BundleError
from copydesk.files import sha256_of
from copydesk.paths import fault_of, link_on_the_way
from copydesk.recipe import NAME

FORMAT = 1
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.json.sig"
MOST_BYTES = 16_000_000
"""Of a JSON file that describes a bundle; a manifest of 1,000 files takes 0.15 million."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Recorded:
    """What the manifest says of one file."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """A manifest that is well formed: the bytes that a signature covers, all its values, and its files by name."""

    content: bytes
    values: dict[str, Any]
    files: dict[str, Recorded]

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.values["name"])


def read_bounded(path: Path) -> bytes:
    """Return a small file's content. Raises `BundleError` if it cannot be read or is too large to describe a bundle."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BundleError(f"'{path}' cannot be read: {error.strerror or error}.") from None
    if len(content) > MOST_BYTES:
        raise BundleError(f"'{path}' is larger than {MOST_BYTES:,} bytes: Copydesk wrote no such file.")
    return content


def parse_object(content: bytes, where: str | Path) -> dict[str, Any]:
    """Return the JSON object that was read from `where`. Raises `BundleError`."""
    try:
        value = json.loads(content.decode("utf-8"))
    except ValueError as error:
        raise BundleError(f"'{where}' cannot be read: {error}.") from None
    except RecursionError:
        raise BundleError(f"'{where}' cannot be read: it is nested too deeply.") from None
    if not isinstance(value, dict):
        raise BundleError(f"'{where}' does not hold an object.")
    return value


def parse_manifest(content: bytes, where: str | Path) -> Manifest:
    """Return a manifest with every name and checksum well formed. Raises `BundleError` naming what is not."""
    values = parse_object(content, where)
    files = values.get("files")
    if values.get("format") != FORMAT or not isinstance(files, dict):
        raise BundleError(
            f"'{where}' has format {values.get('format')!r}; this Copydesk reads format {FORMAT}. "
            "Train it again, or use the Copydesk it was made with."
        )
    name = values.get("name")
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise BundleError(f"'{where}' has the name {name!r:.80}, which is no recipe's: {NAME}.")
    return Manifest(content, values, {file: _recorded(file, facts, where) for file, facts in files.items()})


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Hold every file against the manifest. Raises `BundleError` naming one that is missing, a link or changed."""
    for name, recorded in manifest.files.items():
        file, link = folder / name, link_on_the_way(folder, name)
        if link is not None:
            raise BundleError(
                f"'{link}' is a link. A bundle holds its files themselves: copy it with what links lead to (cp -rL)."
            )
        if not file.is_file():
            raise BundleError(f"'{file}' is missing from the bundle. Copy the whole folder again, or train it again.")
        if file.stat().st_size != recorded.bytes or sha256_of(file) != recorded.sha256:
            raise BundleError(
                f"'{file}' is not the file that was trained (its checksum differs). Copy the bundle again."
            )


def refuse_unlisted(folder: Path, manifest: Manifest, places: frozenset[str]) -> None:
    """Raise `BundleError` for a file that would be read and that the manifest does not name.

    `places` are the files and folders of a bundle that are read. Hidden files are nobody's to read: systems and
    clients leave theirs (`.DS_Store`, `.cache`).
    """
    for name in _files_below(folder):
        if name not in manifest.files and name.partition("/")[0] in places:
            raise BundleError(
                f"'{folder / name}' is not in the bundle's manifest: somebody put it there later. Remove it."
            )


def _files_below(folder: Path) -> Iterator[str]:
    """Yield what is in a folder and its folders, links to folders too, but nothing hidden."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in [*files, *links]:
            if not name.startswith("."):
                yield (Path(root) / name).relative_to(folder).as_posix()


def _recorded(name: str, facts: object, where: str | Path) -> Recorded:
    if fault := fault_of(name):
        raise BundleError(f"'{where}' lists the file {name!r:.120}, which {fault}. It is not to be trusted.")
    found = facts if isinstance(facts, dict) else {}
    sha256, size = found.get("sha256"), found.get("bytes")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256) or type(size) is not int or size < 0:
        raise BundleError(f"'{where}' has no SHA-256 and size for '{name}'. It is not to be trusted.")
    return Recorded(sha256, size)
