"""A bundle at an address in a bucket: uploaded with its manifest last, found, downloaded.

    s3://BUCKET/FOLDER    gs://BUCKET/FOLDER

What stands at an address does not change: a bundle is never overwritten, and only a folder that is empty, or that an
upload of the same run has begun, takes one. It holds no file against the manifest; who opens a bundle does.
"""

from __future__ import annotations

from pathlib import Path

from copydesk.bundle import Bundle
from copydesk.errors import BundleError, UsageError
from copydesk.manifest import MANIFEST_FILE, MOST_BYTES, SIGNATURE_FILE, parse_manifest
from copydesk.remote.store import Bucket, is_address

_MARK = ".copydesk-run"
"""Which run a place belongs to; hidden, so no part of the bundle."""


class BundleStore:
    """The folder at an address that is, or will be, one bundle. All raise `CopydeskError` if it does not answer."""

    def __init__(self, url: str) -> None:
        if not is_address(url):
            raise UsageError(f"{url!r} is no address of a bundle. Expected s3://BUCKET/FOLDER or gs://BUCKET/FOLDER.")
        self._bucket = Bucket(url, "The bundle's place")
        self.url = self._bucket.url

    def manifest(self) -> bytes | None:
        """Return the manifest, or None if there is no whole bundle. Raises `BundleError` if it is too large for one."""
        content = self._bucket.read_at_most(MANIFEST_FILE, MOST_BYTES + 1)
        if content is not None and len(content) > MOST_BYTES:
            raise BundleError(f"'{self.url}/{MANIFEST_FILE}' is larger than {MOST_BYTES:,} bytes.")
        return content

    def begin(self, run: str) -> bool:
        """Take the place for a run's bundle; tell whether the run has put it there already.

        Raises `UsageError` if something else is there.
        """
        before = self._bucket.read(_MARK)
        names = set(self._bucket.files()) - {_MARK}
        if MANIFEST_FILE in names and before == run:
            return True
        if names and before != run:
            raise UsageError(f"Output '{self.url}' exists already, and holds '{min(names)}'. Choose another --out.")
        self._bucket.write(_MARK, run)
        return False

    def upload(self, bundle: Bundle) -> None:
        """Upload every file, the manifest last."""
        for name in bundle.members:
            self._bucket.upload(bundle.path / name, name)

    def download(self, folder: Path) -> None:
        """Copy what the manifest names, the signature and the manifest itself into a folder."""
        content = self.manifest()
        if content is None:
            raise UsageError(f"There is no bundle at '{self.url}': it has no {MANIFEST_FILE}.")
        names = [*parse_manifest(content, f"{self.url}/{MANIFEST_FILE}").files]
        names += [SIGNATURE_FILE] if self._bucket.has(SIGNATURE_FILE) else []
        for name in names:
            self._bucket.download(name, folder / name)
        (folder / MANIFEST_FILE).write_bytes(content)
