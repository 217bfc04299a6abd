"""Files in repositories on the Hugging Face Hub: read at a commit, changed by compare and swap.

A commit that names its parent is made only if that is still the newest one. It knows nothing of models.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from copydesk.errors import RegistryError
from copydesk.files import sha256_of
from copydesk.registry.hub_refusals import client, explained, may_have_been_done

BRANCH = "main"
_TRIES = 12
_WAIT_S = 0.25
_Result = TypeVar("_Result")


class HubFiles:
    """The repositories that the user's token reaches. HF_TOKEN and HF_ENDPOINT are the Hub's own variables."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._hub, self._sleep = client(), sleep
        if self._hub.constants.HF_HUB_DISABLE_PROGRESS_BARS is None:  # unless asked for
            self._hub.utils.disable_progress_bars()
        self.api = self._hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="copydesk")

    @property
    def endpoint(self) -> str:
        """The Hub's address."""
        return str(self.api.endpoint)

    def head(self, repository: str) -> str:
        """Return the newest commit."""
        with explained(repository):
            return str(self.api.repo_info(repository).sha)

    def paths(self, repository: str, commit: str) -> list[str]:
        """Return the paths of a commit's files."""
        with explained(repository):
            return list(self.api.list_repo_files(repository, revision=commit))

    def tags(self, repository: str) -> list[str]:
        """Return the names of the tags."""
        with explained(repository):
            return [tag.name for tag in self.api.list_repo_refs(repository).tags]

    def tag(self, repository: str, name: str, commit: str) -> None:
        """Let a tag lead to a commit; one that is there already stays as it is."""
        with explained(repository):
            self.api.create_tag(repository, tag=name, revision=commit, exist_ok=True)

    def fetch(self, repository: str, path: str, revision: str, folder: Path) -> Path | None:
        """Fetch a file into a folder, under its own path, and return where it is; None if there is none."""
        with explained(repository):
            try:
                return Path(self.api.hf_hub_download(repository, path, revision=revision, local_dir=folder))
            except self._hub.errors.RemoteEntryNotFoundError:
                return None

    def content(self, repository: str, path: str, revision: str) -> bytes | None:
        """Return a small file's content, or None."""
        with tempfile.TemporaryDirectory() as folder:
            file = self.fetch(repository, path, revision, Path(folder))
            return None if file is None else file.read_bytes()

    def commit(self, repository: str, files: Mapping[str, Path | bytes | None], summary: str, parent: str) -> str:
        """Commit files by their paths, None for one that goes, and return the commit.

        Every call asks anew what the Hub has already: its client leaves out files that are there at the parent.
        """
        operations = [
            self._hub.CommitOperationDelete(path) if content is None else self._hub.CommitOperationAdd(path, content)
            for path, content in files.items()
        ]
        made = self.api.create_commit(
            repository, operations, commit_message=summary, parent_commit=parent, revision=BRANCH
        )
        return str(made.oid)

    def changed(self, repository: str, change: Callable[[str], _Result]) -> _Result:
        """Return what a change makes of the newest commit; it is done again if another commit came first.

        Also when the answer was lost or the Hub had a fault: so a change must see at the newest commit whether it has
        been made already.
        """
        with explained(repository):
            for number in range(1, _TRIES):
                try:
                    return change(self.head(repository))
                except self._hub.errors.HTTPError as error:
                    if not may_have_been_done(error):
                        raise
                self._sleep(random.uniform(0, number * _WAIT_S))  # unseeded: others must not come again at once
            return change(self.head(repository))

    def check_whole(self, repository: str, commit: str, folder: str, files: Mapping[str, Path]) -> None:
        """Raise `RegistryError` unless a commit's folder holds exactly these files.

        The Hub leaves out what the repository's .gitignore names.
        """
        with explained(repository):
            entries = list(self.api.list_repo_tree(repository, folder, recursive=True, revision=commit))
        found = {entry.path: entry for entry in entries if isinstance(entry, self._hub.hf_api.RepoFile)}
        wrong = {path for path, file in files.items() if path not in found or not _is(found[path], file)}
        wrong |= set(found) - set(files)
        if wrong:
            raise RegistryError(
                f"'{repository}' did not keep the bundle whole: {', '.join(sorted(wrong)[:5])}. No version was "
                "registered; look for a .gitignore in the repository, and register again."
            )


def _is(entry: Any, file: Path) -> bool:  # noqa: ANN401 (the client's RepoFile)
    """Tell whether the Hub's file has this file's content: large ones by SHA-256, small ones by git's own hash."""
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == sha256_of(file))
    from huggingface_hub.utils.sha import git_hash

    return bool(entry.blob_id == git_hash(file.read_bytes()))
