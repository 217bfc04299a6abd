"""A registry in Weights & Biases: an artifact of type `model` for each model, its versions and aliases W&B's own.

W&B counts versions from v0, Copydesk from 1. So that `wandb://ENTITY/PROJECT/NAME:v3` and version 3 are the same, v0
holds no model: it is the model's book, whose metadata carry the history. Facts are the metadata of their version; what
is attached to a version is an artifact of its own, beside it.

A version is whole or not there: W&B gives it its number when all its files have arrived. Aliases are another matter.
W&B moves an alias without asking where it led, and has no compare and swap. So a mover looks where it leads, sets it,
looks again, and writes its line into the book, unless another line has come meanwhile: then that one was first, and the
alias goes back to it. Of two movers at once one is told, but for one gap: where the other's line is written and seen
between this one's last look and its own writing, a tenth of a second or so, both believe that they moved it, the later
one did, and the earlier line is lost. Where that is not enough, use MLflow or the Hub.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from copydesk.bundle import Bundle
from copydesk.errors import RegistryError, Stale, UsageError
from copydesk.manifest import MANIFEST_FILE, SIGNATURE_FILE
from copydesk.registry.base import Change, Facts, Registered
from copydesk.registry.contents import listed_files
from copydesk.registry.names import is_alias, require_alias, require_kind, require_name
from copydesk.registry.told import moved_meanwhile, no_such
from copydesk.registry.wandb_session import WandbSession, client

KIND, ATTACHED = "model", "copydesk-attachment"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_FACTS, _HISTORY = "copydesk", "copydesk_history"
_BOOK = "copydesk.txt"
_TRIES = 5


@dataclass(frozen=True)
class _Model:
    """A model as W&B has it: its book, and the artifacts of its versions by number."""

    name: str
    book: Any
    artifacts: dict[int, Any]

    @property
    def aliases(self) -> dict[str, int]:
        """Where its aliases lead."""
        return {alias: number for number, one in self.artifacts.items() for alias in one.aliases if is_alias(alias)}

    @property
    def history(self) -> list[Change]:
        """What the book says was done. Raises `RegistryError` if that is no history."""
        try:
            return TypeAdapter(list[Change]).validate_json(str(self.book.metadata[_HISTORY]))
        except ValidationError:
            raise RegistryError(
                f"The book of '{self.name}' in W&B (v0) lost its history: somebody edited its metadata."
            ) from None

    def registered(self, number: int) -> Registered:
        """Return a version. Raises `RegistryError` if its metadata are not facts."""
        artifact = self.artifacts[number]
        try:
            facts = TypeAdapter(Facts).validate_python(artifact.metadata[_FACTS])
        except ValidationError:
            raise RegistryError(
                f"Version {number} of '{self.name}' in W&B lost its facts: somebody edited them."
            ) from None
        return Registered(self.name, number, facts, tuple(sorted(filter(is_alias, artifact.aliases))))


class Wandb:
    """The models of one project. WANDB_API_KEY and WANDB_BASE_URL are W&B's own variables."""

    def __init__(self, place: str) -> None:
        entity, _, project = place.partition("/")
        if not (_WORD.fullmatch(entity) and _WORD.fullmatch(project)):
            raise UsageError(
                f"'{place}' is no project in W&B. Expected a reference wandb://ENTITY/PROJECT/NAME:production."
            )
        self._place, self._session = place, WandbSession(entity, project)

    def names(self) -> list[str]:
        """Return the project's models that have a version, by alphabet."""
        models = [self._look(name) for name in self._session.collections(KIND)]
        return sorted(model.name for model in models if model is not None and model.artifacts)

    def add(self, bundle: Bundle, name: str, facts: Facts) -> Registered:
        """Keep a bundle as the next version, whole or not at all; one that is there already is returned as it is."""
        model = self._look(require_name(name)) or self._begun(name)
        known = [model.registered(number) for number in model.artifacts]
        same = next((version for version in known if version.facts.digest == facts.digest), None)
        if same is not None:
            return same
        artifact = client().Artifact(name, KIND, metadata={_FACTS: asdict(facts)})
        for file in bundle.members:
            artifact.add_file(str(bundle.path / file), name=file, policy="immutable", skip_cache=True)
        logged = self._session.log(artifact)
        return self.find(name, int(logged.version.removeprefix("v")))

    def versions(self, name: str) -> list[Registered]:
        """Return a model's versions, the newest first. Raises `RegistryError` if there is no such model."""
        model = self._model(name)
        return [model.registered(number) for number in sorted(model.artifacts, reverse=True)]

    def find(self, name: str, which: int | str) -> Registered:
        """Return the version of a number or an alias. Raises `RegistryError` naming what there is."""
        model = self._model(name)
        number = model.aliases.get(which) if isinstance(which, str) else which
        if number not in model.artifacts:
            raise RegistryError(no_such(name, which, sorted(model.artifacts), model.aliases))
        return model.registered(number)

    def download(self, version: Registered, folder: Path) -> None:
        """Fill an empty folder with the files that the bundle's manifest names."""
        artifact = self._artifact(version)
        with self._session.explained():
            manifest = _fetched(artifact, MANIFEST_FILE, folder)
            content = manifest.read_bytes()
            manifest.unlink()  # a folder without it is not finished
            signature = [SIGNATURE_FILE] if SIGNATURE_FILE in artifact.manifest.entries else []
            for name in [*listed_files(content, version), *signature]:
                _fetched(artifact, name, folder)
        manifest.write_bytes(content)

    def point(self, name: str, change: Change) -> None:
        """Let the change's alias lead to its version, and add the change to the history.

        Raises `Stale` if the alias does not lead to `change.before` any more; see the module for what W&B cannot tell.
        """
        before = self._model(name)
        if change.version not in before.artifacts:
            raise RegistryError(no_such(name, change.version, sorted(before.artifacts), before.aliases))
        present = before.aliases.get(require_alias(change.alias))
        if present == change.before:
            self._lead(before, change.alias, change.version)
            present = self._model(name).aliases.get(change.alias)
            if present == change.version:
                return self._write(name, change, before.history)
        raise Stale(moved_meanwhile(name, change, present))

    def note(self, name: str, change: Change) -> None:
        """Add a change that moves no alias, such as a refused promotion, to the history."""
        self._write(name, change)

    def history(self, name: str) -> list[Change]:
        """Return the model's history, oldest first."""
        return self._model(name).history

    def attach(self, version: Registered, kind: str, content: dict[str, Any]) -> None:
        """Keep a JSON object beside a version, under a kind such as `checks`; a later one replaces it."""
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        self._log_text(client().Artifact(_attachment(version, kind), ATTACHED), f"{kind}.json", text)

    def attached(self, version: Registered, kind: str) -> dict[str, Any] | None:
        """Return what was attached under this kind, or None."""
        artifact = self._session.newest(_attachment(version, kind))
        if artifact is None:
            return None
        with self._session.explained(), tempfile.TemporaryDirectory() as folder:
            return dict(json.loads(_fetched(artifact, f"{kind}.json", Path(folder)).read_bytes()))

    def _look(self, name: str) -> _Model | None:
        """Return a model as it is now, or None if there is none, or none of Copydesk's."""
        by_number = {int(one.version.removeprefix("v")): one for one in self._session.versions(KIND, name)}
        book = by_number.get(0)
        if book is None or _HISTORY not in book.metadata:
            return None
        return _Model(name, book, {number: one for number, one in by_number.items() if _FACTS in one.metadata})

    def _model(self, name: str) -> _Model:
        model = self._look(require_name(name))
        if model is None or not model.artifacts:
            raise RegistryError(f"'{name}' has no version in '{self._place}' in W&B that Copydesk registered.")
        return model

    def _artifact(self, version: Registered) -> Any:  # noqa: ANN401 (the client's Artifact)
        model = self._model(version.name)
        if version.version not in model.artifacts:
            raise RegistryError(no_such(version.name, version.version, sorted(model.artifacts), model.aliases))
        return model.artifacts[version.version]

    def _begun(self, name: str) -> _Model:
        """Return a new model with its book; of two who begin it at once, W&B takes the equal books for one."""
        if self._session.versions(KIND, name):
            raise RegistryError(
                f"'{name}' in '{self._place}' in W&B was not made by Copydesk. Nothing was changed; register the model "
                "under another name."
            )
        text = f"The book of {name}: its history is in the metadata. The models are v1 and later.\n"
        self._log_text(client().Artifact(name, KIND, metadata={_HISTORY: "[]"}), _BOOK, text)
        model = self._look(name)
        if model is None:
            raise RegistryError(f"W&B does not show the book of '{name}' in '{self._place}' yet. Register it again.")
        return model

    def _log_text(self, artifact: Any, name: str, text: str) -> None:  # noqa: ANN401 (the client's Artifact)
        """Upload an artifact of one small file."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, name)
            file.write_text(text, "utf-8")
            artifact.add_file(str(file), policy="immutable", skip_cache=True)
            self._session.log(artifact)

    def _lead(self, model: _Model, alias: str, number: int) -> None:
        """Let an alias lead to a version, wherever it led."""
        artifact = model.artifacts[number]
        with self._session.explained():
            artifact.aliases.append(alias)
            artifact.save()

    def _write(self, name: str, change: Change, known: list[Change] | None = None) -> None:
        """Add a change to the history, and look whether it stands there.

        For a move `known` are the lines that stood there when its alias was looked at. Where another line has come
        since that moved the same alias, that one was first: the alias goes back to it. Raises `Stale`.
        """
        for _ in range(_TRIES):
            model = self._model(name)
            if change in model.history:
                return
            first = None if known is None else _overtaker(change.alias, known, model.history)
            if first is not None:
                if model.aliases.get(change.alias) == change.version:
                    self._lead(model, change.alias, first.version)
                raise Stale(moved_meanwhile(name, change, first.version))
            with self._session.explained():
                model.book.metadata[_HISTORY] = json.dumps([asdict(one) for one in [*model.history, change]])
                model.book.save()
        raise RegistryError(f"'{name}' was changed in W&B, and its history does not say so: others keep writing it.")


def _overtaker(alias: str, known: list[Change], history: list[Change]) -> Change | None:
    """Return the newest line that moved an alias and was not known, if there is one."""
    moves = (line for line in reversed(history) if line.alias == alias and line.action != "refused")
    return next((line for line in moves if line not in known), None)


def _attachment(version: Registered, kind: str) -> str:
    """Return the artifact's name; no model has one with a capital."""
    return f"Attached-{version.name}-v{version.version}-{require_kind(kind)}"


def _fetched(artifact: Any, name: str, folder: Path) -> Path:  # noqa: ANN401 (the client's Artifact)
    """Fetch one file of an artifact. Raises `RegistryError` if it has none, or only says where one would be."""
    if name not in artifact.manifest.entries or artifact.get_entry(name).ref is not None:
        raise RegistryError(f"'{artifact.name}' in W&B has no file '{name}' of its own.")
    return Path(artifact.get_entry(name).download(root=str(folder), skip_cache=True))
