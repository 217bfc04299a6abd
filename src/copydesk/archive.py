"""A bundle as one file: equal bundles give equal archives, and out of an archive comes a bundle or nothing.

    NAME-DIGEST/manifest.json        first, so that everything after it is known before it is read
    NAME-DIGEST/manifest.json.sig    where the bundle is signed
    NAME-DIGEST/...                  the manifest's files by name, and no others

It is an ordinary .tar.gz, for any tar to unpack. Only archives that `pack` wrote are unpacked here: plain files under
one folder, each in the manifest, once and in the size it states. Links, devices, folders, extended headers and whatever
else tar allows are refused where they stand, before anything is made of them.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import IO

from copydesk.bundle import Bundle, Layout, open_bundle
from copydesk.errors import BundleError, UsageError
from copydesk.files import new_folder, refuse_existing, replacing
from copydesk.manifest import MANIFEST_FILE, MOST_BYTES, SIGNATURE_FILE, Manifest, parse_manifest
from copydesk.signing import require_signed

SUFFIX = ".tar.gz"
MOST_UNPACKED_BYTES = 50_000_000_000
_BLOCK = tarfile.BLOCKSIZE
_DIGITS = 12
_COPIED_AT_ONCE = 1 << 20


def pack(bundle: Bundle, out: Path) -> Path:
    """Write a bundle as one archive and return its path. Raises `UsageError` if `out` exists or a name is too long."""
    refuse_existing(out)
    top = f"{bundle.manifest['name']}-{bundle.digest[:_DIGITS]}"
    with replacing(out) as temporary, temporary.open("wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as squeezed:
            with tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
                for name in sorted(bundle.members, key=_place):
                    _add(archive, f"{top}/{name}", bundle.path / name)
    return out


def unpack(archive: Path, out: Path) -> Bundle:
    """Unpack an archive into a new folder, verify it, and return the bundle; whatever is wrong, no folder is left.

    Raises `UsageError` if there is no such archive or `out` exists, `BundleError` for anything but a bundle.
    """
    if not archive.is_file():
        raise UsageError(f"Archive '{archive}' does not exist.")
    with new_folder(out) as folder:
        try:
            with gzip.open(archive, "rb") as stream:
                _unpack(_Members(stream, archive), folder)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BundleError(f"'{archive}' is no whole {SUFFIX} file: {error}. Copy it again.") from None
        try:
            bundle = open_bundle(folder)
        except BundleError as error:  # the folder that it names will be gone
            raise type(error)(str(error).replace(str(folder), str(archive))) from None
    return replace(bundle, path=out)


def _place(name: str) -> tuple[bool, bool, str]:
    return name != MANIFEST_FILE, name != SIGNATURE_FILE, name


def _add(archive: tarfile.TarFile, name: str, file: Path) -> None:
    """Add a file with nothing of this machine: no owner, no time."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = file.stat().st_size, 0o644
    try:
        with file.open("rb") as content:
            archive.addfile(member, content)
    except ValueError as error:
        limits = "names of at most 256 bytes and files of less than 8 GiB"
        raise UsageError(f"'{file}' cannot be packed: {error}. An archive takes {limits}.") from None


class _Members:
    """The plain files of an archive, one after the other; never more in memory than one block."""

    def __init__(self, stream: gzip.GzipFile, where: Path) -> None:
        self._stream, self.where = stream, where
        self._top = ""

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield each file's name below the top folder, and its size; its content must be taken before the next."""
        while (block := self._take(_BLOCK)) != bytes(_BLOCK):
            yield self._header(block)

    def content(self, size: int) -> bytes:
        """Return the content of a small file."""
        sink = io.BytesIO()
        self.copy(size, sink)
        return sink.getvalue()

    def copy(self, size: int, sink: IO[bytes]) -> None:
        """Write the content of a file into `sink`."""
        left = size
        while left:
            left -= sink.write(self._take(min(left, _COPIED_AT_ONCE)))
        self._take(-size % _BLOCK)

    def _header(self, block: bytes) -> tuple[str, int]:
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise self.refused(f"has a damaged header ({error})") from None
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise self.refused(f"holds {member.name!r:.120}, which is no plain file")
        top, _, name = member.name.partition("/")
        self._top = self._top or top
        if top != self._top or not name:
            raise self.refused(f"holds {member.name!r:.120}, which lies outside its folder")
        return name, member.size

    def _take(self, size: int) -> bytes:
        taken = self._stream.read(size)
        if len(taken) != size:
            raise EOFError("it ends too early")
        return taken

    def refused(self, why: str) -> BundleError:
        """Return the error that refuses the archive."""
        return BundleError(f"'{self.where}' {why}. It was not made by copydesk pack; nothing was unpacked.")


def _unpack(members: _Members, folder: Path) -> None:
    """Write the files of an archive into an empty folder: the manifest, its signature, and what it names."""
    entries = iter(members)
    content = _small(members, next(entries, None), MANIFEST_FILE)
    if content is None:
        raise members.refused(f"does not begin with {MANIFEST_FILE}")
    entry = next(entries, None)
    signature = _small(members, entry, SIGNATURE_FILE)
    require_signed(content, signature, members.where)
    manifest = parse_manifest(content, f"{members.where}: {MANIFEST_FILE}")
    _refuse_too_large(members, manifest, folder)
    layout = Layout(folder)
    layout.manifest.write_bytes(content)
    if signature is not None:
        layout.signature.write_bytes(signature)
        entry = next(entries, None)
    left = dict(manifest.files)
    for name, size in chain([entry] if entry else [], entries):
        recorded = left.pop(name, None)
        if recorded is None or recorded.bytes != size:
            raise members.refused(f"holds {name!r:.120} of {size:,} bytes, which its manifest does not")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("xb") as sink:
            members.copy(size, sink)


def _small(members: _Members, entry: tuple[str, int] | None, name: str) -> bytes | None:
    """Return the content of the next file, if it is the one of this name and not too large to be it."""
    if entry is None or entry[0] != name or not 0 <= entry[1] <= MOST_BYTES:
        return None
    return members.content(entry[1])


def _refuse_too_large(members: _Members, manifest: Manifest, folder: Path) -> None:
    needed, free = sum(file.bytes for file in manifest.files.values()), shutil.disk_usage(folder).free
    if needed > min(free, MOST_UNPACKED_BYTES):
        room = f"{free:,} are free" if needed > free else f"at most {MOST_UNPACKED_BYTES:,} are unpacked"
        raise BundleError(f"'{members.where}' would unpack to {needed:,} bytes; {room}. Nothing was unpacked.")
