"""A registry on the Hugging Face Hub: a repository for each model, a commit with a tag for each version.

    README.md           the card of the newest version, with its metrics
    copydesk.json       the ledger: versions with their facts and commits, aliases, history
    bundle/             the newest version's files; the tag `v3` leads to the third's
    attached/v3/        what was kept beside a version, such as checks.json

The Hub has tags, but none that moves safely: moving one is deleting and making it, between which it leads nowhere, and
nobody is asked where it led before. So aliases stand in the ledger, on the branch `main`, which changes by compare and
swap (`hub_files.py`).

A version's files are committed first, looked at whether they are whole, and only then named in the ledger, by the
commit; the tag comes last, for people. Whoever dies in between leaves files that nothing names. Downloads take the
commit, not the tag, which anybody with write access can move.

It does not know what the Hub's search index has not seen yet: `names` may lag behind by minutes.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from copydesk.bundle import Bundle
from copydesk.errors import RegistryError, UsageError
from copydesk.manifest import MANIFEST_FILE, SIGNATURE_FILE
from copydesk.registry.base import Change, Facts, Registered
from copydesk.registry.contents import listed_files
from copydesk.registry.hub_card import TAG, hub_card
from copydesk.registry.hub_files import BRANCH, HubFiles
from copydesk.registry.hub_refusals import explained
from copydesk.registry.ledger import Ledger
from copydesk.registry.names import require_alias, require_kind, require_name
from copydesk.registry.told import no_such

LEDGER, CARD, FILES = "copydesk.json", "README.md", "bundle"
_MADE_WITH_A_REPOSITORY = {".gitattributes"}
_TAG = re.compile(r"v\d{1,9}")
_OWNER = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_SEEN: dict[tuple[str, str], tuple[str, Ledger | None]] = {}
"""The last ledger of each repository with its commit: a server looks at its alias every few seconds."""


class Hub:
    """The models of one owner, a user or an organisation. New repositories are private: their owner may open them."""

    def __init__(self, place: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if not _OWNER.fullmatch(place):
            raise UsageError(f"'{place}' is no owner on the Hugging Face Hub. Expected a reference hf://OWNER/NAME@v3.")
        self._owner, self._files = place, HubFiles(sleep)

    def names(self) -> list[str]:
        """Return the owner's models that have a version, by alphabet."""
        with explained(self._owner):
            found = [model.id for model in self._files.api.list_models(author=self._owner, filter=TAG)]
        ledgers = {repository: self._ledger_at(repository, self._files.head(repository)) for repository in found}
        return sorted(name.partition("/")[2] for name, ledger in ledgers.items() if ledger and ledger.versions)

    def add(self, bundle: Bundle, name: str, facts: Facts) -> Registered:
        """Keep a bundle as the next version, whole or not at all; one that is there already is returned as it is."""
        repository = self._repository(name)
        ledger = self._begun(repository)
        if facts.digest not in ledger.by_digest:
            commit = self._upload(bundle, repository, facts)
            taken = [int(tag[1:]) for tag in self._files.tags(repository) if _TAG.fullmatch(tag)]
            ledger = self._changed(
                repository, lambda now: now.with_version(commit, facts, taken), f"Register {facts.digest[:12]}"
            )
        number = ledger.by_digest[facts.digest]
        self._files.tag(repository, f"v{number}", ledger.versions[number].place)
        return ledger.registered(name, number)

    def versions(self, name: str) -> list[Registered]:
        """Return a model's versions, the newest first. Raises `RegistryError` if there is no such model."""
        ledger = self._ledger(name)
        return [ledger.registered(name, number) for number in sorted(ledger.versions, reverse=True)]

    def find(self, name: str, which: int | str) -> Registered:
        """Return the version of a number or an alias. Raises `RegistryError` naming what there is."""
        ledger = self._ledger(name)
        number = ledger.aliases.get(which) if isinstance(which, str) else which
        if number not in ledger.versions:
            raise RegistryError(no_such(name, which, sorted(ledger.versions), ledger.aliases))
        return ledger.registered(name, number)

    def download(self, version: Registered, folder: Path) -> None:
        """Fill an empty folder with the files that the bundle's manifest names, at the version's commit."""
        repository = self._repository(version.name)
        commit = self._ledger(version.name).kept(version.name, version.version).place
        with tempfile.TemporaryDirectory(prefix=".hub-", dir=folder) as temporary:

            def fetched(name: str) -> Path | None:
                return self._files.fetch(repository, f"{FILES}/{name}", commit, Path(temporary))

            manifest = fetched(MANIFEST_FILE)
            if manifest is None:
                raise RegistryError(f"Version {version.version} of '{version.name}' has no manifest on the Hub.")
            for name in [*listed_files(manifest.read_bytes(), version), SIGNATURE_FILE]:
                file = fetched(name)
                if file is not None:  # a signature need not be there; what else is missing, opening the bundle says
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    file.rename(folder / name)
            manifest.rename(folder / MANIFEST_FILE)

    def point(self, name: str, change: Change) -> None:
        """Let the change's alias lead to its version, and add the change to the history.

        Raises `Stale` if the alias does not lead to `change.before` any more.
        """
        self._ledger(name)
        summary = f"v{change.version} {change.action}: {require_alias(change.alias)}"
        self._changed(self._repository(name), lambda ledger: ledger.pointed(name, change), summary)

    def note(self, name: str, change: Change) -> None:
        """Add a change that moves no alias, such as a refused promotion, to the history."""
        self._ledger(name)
        summary = f"v{change.version} {change.action}: {change.alias}"
        self._changed(self._repository(name), lambda ledger: ledger.noted(change), summary)

    def history(self, name: str) -> list[Change]:
        """Return the model's history, oldest first."""
        return list(self._ledger(name).history)

    def attach(self, version: Registered, kind: str, content: dict[str, Any]) -> None:
        """Keep a JSON object beside a version, under a kind such as `checks`; a later one replaces it."""
        self._ledger(version.name).kept(version.name, version.version)
        repository, files = self._repository(version.name), {_attachment(version, kind): _json(content)}
        summary = f"v{version.version}: {kind}"
        self._files.changed(repository, lambda head: self._files.commit(repository, files, summary, head))

    def attached(self, version: Registered, kind: str) -> dict[str, Any] | None:
        """Return what was attached under this kind, or None."""
        repository = self._repository(version.name)
        content = self._files.content(repository, _attachment(version, kind), BRANCH)
        with explained(repository):
            return None if content is None else dict(json.loads(content))

    def _repository(self, name: str) -> str:
        """Return the repository of a model; the Hub takes fewer names than recipes have."""
        if not _OWNER.fullmatch(require_name(name)):
            raise RegistryError(f"'{name}' is no name on the Hub: without '--' and '..', and no '-' or '.' at the end.")
        return f"{self._owner}/{name}"

    def _ledger(self, name: str) -> Ledger:
        """Return a model's ledger. Raises `RegistryError` if it has none, or no version."""
        repository = self._repository(name)
        ledger = self._ledger_at(repository, self._files.head(repository))
        if ledger is None or not ledger.versions:
            raise RegistryError(f"'{name}' of '{self._owner}' on the Hub has no version that Copydesk registered.")
        return ledger

    def _ledger_at(self, repository: str, commit: str) -> Ledger | None:
        """Return the ledger at a commit, if there is one; it is fetched only when the repository has changed."""
        place = (self._files.endpoint, repository)
        if _SEEN.get(place, ("", None))[0] != commit:
            content = self._files.content(repository, LEDGER, commit)
            try:
                ledger = None if content is None else Ledger.from_json(content)
            except ValueError as error:
                first = str(error).splitlines()[0]
                raise RegistryError(f"'{LEDGER}' in '{repository}' is not Copydesk's: {first}.") from None
            _SEEN[place] = (commit, ledger)
        return _SEEN[place][1]

    def _begun(self, repository: str) -> Ledger:
        """Return a repository's ledger; a missing repository is made, and an empty one gets a ledger.

        Raises `RegistryError` if the repository is somebody else's: it has files and no ledger.
        """
        with explained(repository):
            if not self._files.api.repo_exists(repository):
                self._files.api.create_repo(repository, private=True, exist_ok=True)
        head = self._files.head(repository)
        ledger = self._ledger_at(repository, head)
        if ledger is not None:
            return ledger
        foreign = sorted(set(self._files.paths(repository, head)) - _MADE_WITH_A_REPOSITORY)
        if foreign:
            raise RegistryError(
                f"'{repository}' on the Hub was not made by Copydesk: it holds {', '.join(foreign[:5])} and no "
                f"{LEDGER}. Nothing was changed; register the model under another name, or empty the repository."
            )
        return self._changed(repository, lambda now: now, "Begin a registry of models")

    def _changed(self, repository: str, step: Callable[[Ledger], Ledger], summary: str) -> Ledger:
        """Change the ledger, and return it."""

        def change(head: str) -> Ledger:
            before = self._ledger_at(repository, head)
            after = step(before or Ledger())
            if after != before:
                self._files.commit(repository, {LEDGER: _json(after.to_json())}, summary, head)
            return after

        return self._files.changed(repository, change)

    def _upload(self, bundle: Bundle, repository: str, facts: Facts) -> str:
        """Commit a bundle's files and its card, and return the commit when it is seen to hold exactly them."""
        files = {f"{FILES}/{name}": bundle.path / name for name in bundle.members}

        def change(head: str) -> str:
            there = self._files.paths(repository, head)
            gone = {path: None for path in there if path.startswith(f"{FILES}/") and path not in files}
            before = self._files.content(repository, CARD, head) if CARD in there else None
            card = hub_card(bundle, facts, None if before is None else before.decode()).encode()
            return self._files.commit(repository, {**gone, **files, CARD: card}, f"Version {facts.digest[:12]}", head)

        commit = self._files.changed(repository, change)
        self._files.check_whole(repository, commit, FILES, files)
        return commit


def _attachment(version: Registered, kind: str) -> str:
    return f"attached/v{version.version}/{require_kind(kind)}.json"


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
