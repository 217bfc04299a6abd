"""The registry in MLflow: a database file in the working folder, or a server, as MLflow's variables say.

A bundle's files are the artefacts of a run, uploaded first, the manifest last; the version is made when all are there,
in one step with its facts. MLflow's own client reads the same versions and aliases. It does not know whether a version
is any good, nor what is in its files.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copydesk import mlflow_client
from copydesk.bundle import Bundle
from copydesk.errors import CopydeskError, MissingExtra, RegistryError, Stale, UsageError
from copydesk.registry.base import Change, Facts, Registered
from copydesk.registry.lock import Check, file_lock
from copydesk.registry.mlflow_calls import (
    FILES,
    aliases_of,
    every,
    has_model,
    reason_of,
    require_model,
    run_of,
    uploaded,
    version_called,
    without_password,
)
from copydesk.registry.mlflow_tags import ATTACHED, MODEL, Line, State, facts_as_tags, facts_in, lines_in
from copydesk.registry.mlflow_turns import Turns
from copydesk.registry.names import require_alias, require_kind, require_name
from copydesk.registry.told import moved_meanwhile, no_such

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

_SQLITE = "sqlite:///"
_PAGE = 200
_HOW_TO_REGISTER = "Register one: copydesk register BUNDLE"


class Mlflow:
    """Models in MLflow, wherever its variables and the working folder lead when it is made."""

    def __init__(self, place: str = "") -> None:
        if place:
            raise UsageError(f"models:/ has no {place!r} in it. Where MLflow is, {mlflow_client.TRACKING} says.")
        self._uris = mlflow_client.tracking_uri(), mlflow_client.registry_uri()

    def names(self) -> list[str]:
        """Return the models that have a version, by alphabet."""
        if not self._exists:
            return []
        with self._asked() as client:
            search = client.search_registered_models
            ours = every(lambda token: search(f"tags.`{MODEL}` = 'yes'", max_results=_PAGE, page_token=token))
            return sorted(model.name for model in ours if model.latest_versions)

    def add(self, bundle: Bundle, name: str, facts: Facts) -> Registered:
        """Keep a bundle as the next version, whole or not at all; one that is there already is returned as it is."""
        require_name(name)
        with self._asked() as client:
            require_model(client, name)
            found = self._of_digest(client, name, facts.digest)
            if found is not None:
                return found
            with uploaded(client, bundle, name, facts) as run, self._lock(client, name) as check:
                found = self._of_digest(client, name, facts.digest)
                if found is not None:
                    client.delete_run(run.info.run_id)
                    return found
                check()
                made = client.create_model_version(
                    name,
                    f"{run.info.artifact_uri}/{FILES}",
                    run.info.run_id,
                    tags=facts_as_tags(facts),
                    await_creation_for=0,
                )
                return Registered(name, int(made.version), facts)

    def versions(self, name: str) -> list[Registered]:
        """Return a model's versions, the newest first. Raises `RegistryError` if there is no such model."""
        with self._asked_about(name) as client:
            found = self._versions(client, name)
            if not found:
                raise RegistryError(f"No version of '{name}' is registered at {self._where}.")
            return found

    def find(self, name: str, which: int | str) -> Registered:
        """Return the version of a number or an alias. Raises `RegistryError` naming what there is."""
        if isinstance(which, str):
            require_alias(which)
        with self._asked_about(name) as client:
            found = version_called(client, name, which)
            facts = facts_in(found.tags) if found is not None else None
            if found is not None and facts is not None:
                return Registered(name, int(found.version), facts, tuple(sorted(found.aliases)))
        versions = self.versions(name)
        aliases = {alias: one.version for one in versions for alias in one.aliases}
        raise RegistryError(no_such(name, which, [one.version for one in versions], aliases))

    def download(self, version: Registered, folder: Path) -> None:
        """Fill an empty folder with the bundle's files, not verified yet."""
        with self._asked_about(version.name) as client:
            run = run_of(client, version)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
                fetched = Path(client.download_artifacts(run, FILES, temporary))
                for path in fetched.iterdir():
                    shutil.move(path, folder / path.name)

    def point(self, name: str, change: Change) -> None:
        """Let the change's alias lead to its version, and add the change to the history. Raises `Stale`."""
        require_alias(change.alias)
        self.find(name, change.version)
        with self._asked_about(name) as client, self._lock(client, name) as check:
            model = client.get_registered_model(name)
            present = aliases_of(model).get(change.alias)
            if present != change.before:
                raise Stale(moved_meanwhile(name, change, present))
            line = self._written(client, model, change, "begun")
            check()
            client.set_registered_model_alias(name, change.alias, str(change.version))
            check()
            client.set_registered_model_tag(name, line.key, replace(line, state="done").text)

    def note(self, name: str, change: Change) -> None:
        """Add a change that moves no alias, such as a refused promotion, to the history."""
        with self._asked_about(name) as client, self._lock(client, name):
            self._written(client, client.get_registered_model(name), change, "done")

    def history(self, name: str) -> list[Change]:
        """Return the model's history, oldest first."""
        with self._asked_about(name) as client:
            model = client.get_registered_model(name)
            return [line.change for line in lines_in(model.tags, aliases_of(model)) if line.state == "done"]

    def attach(self, version: Registered, kind: str, content: dict[str, Any]) -> None:
        """Keep a JSON object beside a version, under a kind such as `checks`; a later one replaces it."""
        require_kind(kind)
        with self._asked_about(version.name) as client:
            file = f"attached/{kind}-{secrets.token_hex(4)}.json"  # whoever reads meanwhile has the one before
            client.log_text(run_of(client, version), json.dumps(content, indent=1, allow_nan=False), file)
            client.set_model_version_tag(version.name, str(version.version), f"{ATTACHED}{kind}", file)

    def attached(self, version: Registered, kind: str) -> dict[str, Any] | None:
        """Return what was attached under this kind, or None."""
        require_kind(kind)
        with self._asked_about(version.name) as client:
            tags = client.get_model_version(version.name, str(version.version)).tags
            if (file := tags.get(f"{ATTACHED}{kind}")) is None:
                return None
            with tempfile.TemporaryDirectory(prefix="copydesk-") as folder:
                path = Path(client.download_artifacts(run_of(client, version), file, folder))
                content: dict[str, Any] = json.loads(path.read_text("utf-8"))
                return content

    @property
    def _database(self) -> Path | None:
        """The registry's SQLite file; None where it is a server's."""
        uri = self._uris[1]
        return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None

    @property
    def _exists(self) -> bool:
        return self._database is None or self._database.is_file()

    @property
    def _where(self) -> str:
        """What messages call the registry."""
        return f"'{self._database}'" if self._database else f"'{without_password(self._uris[1])}'"

    @contextmanager
    def _asked(self) -> Iterator[MlflowClient]:
        """Yield the client; whatever goes wrong with it is a registry that does not answer."""
        try:
            yield self._client()
        except ModuleNotFoundError as missing:
            raise MissingExtra(f"The registry at {self._where}", "registry", missing.name or "mlflow") from None
        except CopydeskError:
            raise
        except Exception as error:  # MLflow's own, and those of whatever carries its requests
            raise RegistryError(
                f"The registry at {self._where} does not answer as it should: {reason_of(error)}. "
                f"{mlflow_client.TRACKING} and {mlflow_client.REGISTRY} say where it is."
            ) from error

    @contextmanager
    def _asked_about(self, name: str) -> Iterator[MlflowClient]:
        """Yield the client for questions about a model that there is. Raises `RegistryError` if there is none."""
        require_name(name)
        if not self._exists:
            raise RegistryError(f"No model '{name}' is registered: there is no {self._where}. {_HOW_TO_REGISTER}")
        with self._asked() as client:
            from mlflow.exceptions import MlflowException

            try:
                yield client
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST" or has_model(client, name):
                    raise
                raise RegistryError(f"No model '{name}' is registered at {self._where}. {_HOW_TO_REGISTER}") from None

    def _client(self) -> MlflowClient:
        if self._database is not None and find_spec("sqlalchemy") is None:  # MLflow's small client asks servers only
            raise MissingExtra(f"A registry in a database file ({self._where})", "train", "sqlalchemy")
        if self._database is None or self._database.is_file():
            return _opened(*self._uris, os.getpid())
        with file_lock(self._database.parent / f".{self._database.name}.lock"):  # two who make it at once would collide
            return _opened(*self._uris, os.getpid())

    def _lock(self, client: MlflowClient, name: str) -> AbstractContextManager[Check]:
        if self._database is not None:
            return file_lock(self._database.parent / f".{self._database.name}.{name}.lock")
        return Turns(client, name).mine()

    def _versions(self, client: MlflowClient, name: str) -> list[Registered]:
        aliases = aliases_of(client.get_registered_model(name))
        search = client.search_model_versions
        found = every(lambda token: search(f"name = '{name}'", max_results=_PAGE, page_token=token))
        ours = [(int(one.version), facts) for one in found if (facts := facts_in(one.tags)) is not None]
        named = {version: tuple(sorted(alias for alias, at in aliases.items() if at == version)) for version, _ in ours}
        return [
            Registered(name, version, facts, named[version])
            for version, facts in sorted(ours, key=lambda one: one[0], reverse=True)
        ]

    def _of_digest(self, client: MlflowClient, name: str, digest: str) -> Registered | None:
        return next((one for one in self._versions(client, name) if one.facts.digest == digest), None)

    def _written(self, client: MlflowClient, model: RegisteredModel, change: Change, state: State) -> Line:
        """Add a line to the history, once what earlier writers left unsaid is settled."""
        lines = lines_in(model.tags, aliases_of(model))
        for line in lines:
            if model.tags[line.key] != line.text:
                client.set_registered_model_tag(model.name, line.key, line.text)
        line = Line(max((one.number for one in lines), default=0) + 1, secrets.token_hex(4), state, change)
        client.set_registered_model_tag(model.name, line.key, line.text)
        return line


@lru_cache(maxsize=8)
def _opened(tracking: str, registry: str, process: int) -> MlflowClient:
    """Return the client for an address; each process has its own, as connections cannot be shared."""
    return mlflow_client.open_client(tracking, registry)
