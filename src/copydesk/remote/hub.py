"""Files in repositories on the Hugging Face Hub, pinned to the commit that a branch stood at.

HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to its client.
"""

from __future__ import annotations

import os

from copydesk.errors import SourceError
from copydesk.remote.base import CONNECT_TIMEOUT_S, StoredFile, Version, module

ACCESS = "If it is private or gated, accept its conditions on the hub, and set HF_TOKEN (or run `hf auth login`)."
_FOLDERS = {"dataset": "datasets/", "space": "spaces/", "model": ""}
_KINDS = ("datasets", "spaces", "models", "buckets", "kernels")
_SHOWN_FILES = 10


def open_hub(url: str) -> StoredFile:
    """Return the file at `hf://datasets/OWNER/NAME[@REVISION]/PATH`; `hf://OWNER/NAME/PATH` is a dataset's too.

    Asks the hub for the commit and the size. Raises `SourceError` for another form, or naming the files there are.
    """
    hub = module("huggingface_hub", url, "train")
    path = url.partition("://")[2].strip("/")
    if path.partition("/")[0] not in _KINDS:
        path = f"datasets/{path}"
    endpoint = os.environ.get("HF_ENDPOINT") or None
    filesystem = hub.HfFileSystem(endpoint=endpoint, skip_instance_cache=True)
    try:
        place = filesystem.resolve_path(path)
    except hub.errors.OfflineModeIsEnabled as error:
        raise SourceError(f"'{url}' cannot be fetched: {error}") from None
    except FileNotFoundError as error:
        if isinstance(error.__cause__, hub.errors.RevisionNotFoundError):
            raise SourceError(f"'{url}' does not exist: the repository has no such revision.") from None
        raise
    except (ValueError, NotImplementedError) as error:
        raise _misnamed(url, str(error)) from None
    folder = _FOLDERS.get(getattr(place, "repo_type", ""))
    if folder is None or not place.path_in_repo:
        raise _misnamed(url, "no file in a repository")
    at = {"repo_type": place.repo_type, "revision": place.revision}
    address = hub.hf_hub_url(place.repo_id, place.path_in_repo, endpoint=endpoint, **at)
    try:
        about = hub.get_hf_file_metadata(address, timeout=CONNECT_TIMEOUT_S, endpoint=endpoint)
    except hub.errors.EntryNotFoundError:
        names = hub.HfApi(endpoint=endpoint).list_repo_files(place.repo_id, **at)
        shown = ", ".join(names[:_SHOWN_FILES]) + (" …" if len(names) > _SHOWN_FILES else "")
        raise SourceError(f"'{url}' does not exist. The repository has: {shown}.") from None
    pinned = f"{folder}{place.repo_id}@{about.commit_hash}/{place.path_in_repo}"
    return StoredFile(url, filesystem, pinned, Version(about.size, about.commit_hash, about.commit_hash))


def _misnamed(url: str, reason: str) -> SourceError:
    return SourceError(
        f"'{url}' names no file on the hub ({reason}). Expected hf://datasets/OWNER/NAME[@REVISION]/PATH."
    )
