"""Addresses to remote files, by their kind.

    https://HOST/PATH                            web.py
    hf://datasets/OWNER/NAME[@REVISION]/PATH     hub.py; `datasets/` may be left out
    kaggle://OWNER/NAME/FILE[@VERSION]           kaggle.py
    s3://BUCKET/KEY[?versionId=ID]               buckets.py
    gs://BUCKET/KEY[#GENERATION]                 buckets.py

Addresses come from recipes and may be hostile. web.py refuses private hosts. Buckets, the hub and Kaggle name no host
at all: their endpoints come from the environment, which is the user's own. Any other kind of address, and a chain of
fsspec's (`a::b`), may name a host that nobody checks, and is refused unless private hosts are allowed.
"""

from __future__ import annotations

from collections.abc import Callable

from copydesk.errors import SourceError
from copydesk.remote import buckets, hub, kaggle
from copydesk.remote.base import Remote, StoredFile, module
from copydesk.remote.web import ALLOW_PRIVATE_HOSTS, WebFile, private_hosts_allowed


def open_remote(url: str) -> Remote:
    """Return the file at an address; some kinds ask their server what it is.

    Raises `MissingExtra`, or `SourceError` for an address that cannot be opened or may not be.
    """
    opener = _OPENERS.get(_kind(url))
    if opener is None and not private_hosts_allowed():
        raise SourceError(
            f"'{url}' is no address that a recipe may name: https, {', '.join(_ACCESS)}. Download the file yourself "
            f"and give it with --data; or, if you trust the recipe, set {ALLOW_PRIVATE_HOSTS}=1."
        )
    return (opener or _open_any)(url)


def stored_at(url: str) -> StoredFile | None:
    """Return the place in a store that an address names, whatever is there; None where there are no folders.

    Raises `SourceError` for an address that cannot be opened or may not be.
    """
    remote = open_remote(url) if _kind(url) not in _FILES_ONLY else None
    return remote if isinstance(remote, StoredFile) else None


def access_to(url: str) -> str:
    """Return in words how to get at what is not public."""
    return _ACCESS.get(_kind(url), "")


def _kind(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return "chain" if "::" in scheme else scheme.lower()


def _open_any(url: str) -> Remote:
    """Open whatever fsspec knows."""
    try:
        options = {"auto_mkdir": True} if _kind(url) == "file" else {}  # as in buckets, where folders need no making
        filesystem, path = module("fsspec", url, "data").url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        raise SourceError(f"'{url}' cannot be opened: {error}") from None
    return StoredFile(url, filesystem, path)


_OPENERS: dict[str, Callable[[str], Remote]] = {
    "http": WebFile,
    "https": WebFile,
    "hf": hub.open_hub,
    "kaggle": kaggle.open_kaggle,
    "s3": buckets.open_s3,
    "gs": buckets.open_gs,
    "gcs": buckets.open_gs,
    "file": _open_any,
    "memory": _open_any,
}
_FILES_ONLY = ("http", "https", "hf", "kaggle")
_ACCESS = {"hf": hub.ACCESS, "kaggle": kaggle.ACCESS, "s3": buckets.S3_ACCESS, "gs": buckets.GS_ACCESS}
