"""A registry in memory, for the tests of what is done with one; it passes the suite of every registry."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

from copydesk.bundle import Bundle
from copydesk.errors import RegistryError, Stale
from copydesk.registry.base import Change, Facts, Registered
from copydesk.registry.names import require_alias, require_kind, require_name
from copydesk.registry.told import moved_meanwhile, no_such


class MemoryRegistry:
    """Models as facts by name; bundles stay where they are."""

    def __init__(self, models: dict[str, list[Facts]] | None = None) -> None:
        self.models = {name: dict(enumerate(facts, 1)) for name, facts in (models or {}).items()}
        self.aliases: dict[str, dict[str, int]] = {name: {} for name in self.models}
        self.lines: dict[str, list[Change]] = {name: [] for name in self.models}
        self.lock = threading.Lock()
        self.folders: dict[str, Path] = {}
        self.extras: dict[tuple[str, int, str], str] = {}

    def names(self) -> list[str]:
        return sorted(self.models)

    def add(self, bundle: Bundle, name: str, facts: Facts) -> Registered:
        found = self.models.setdefault(require_name(name), {})
        self.aliases.setdefault(name, {})
        self.lines.setdefault(name, [])
        self.folders[bundle.digest] = bundle.path
        same = [version for version, one in found.items() if one.digest == facts.digest]
        if not same:
            found[len(found) + 1] = facts
        return self._registered(name, same[0] if same else len(found))

    def versions(self, name: str) -> list[Registered]:
        if require_name(name) not in self.models:
            raise RegistryError(f"No model '{name}' is registered.")
        return [self._registered(name, version) for version in sorted(self.models[name], reverse=True)]

    def find(self, name: str, which: int | str) -> Registered:
        there = [one.version for one in self.versions(name)]
        version = self.aliases[name].get(require_alias(which)) if isinstance(which, str) else which
        if version not in there:
            raise RegistryError(no_such(name, which, there, self.aliases[name]))
        return self._registered(name, version)

    def download(self, version: Registered, folder: Path) -> None:
        shutil.copytree(self.folders[version.facts.digest], folder, dirs_exist_ok=True)

    def point(self, name: str, change: Change) -> None:
        require_alias(change.alias)
        self.find(name, change.version)
        with self.lock:
            present = self.aliases[name].get(change.alias)
            if present != change.before:
                raise Stale(moved_meanwhile(name, change, present))
            self.aliases[name][change.alias] = change.version
            self.lines[name].append(change)

    def note(self, name: str, change: Change) -> None:
        self.versions(name)
        self.lines[name].append(change)

    def history(self, name: str) -> list[Change]:
        self.versions(name)
        return list(self.lines[name])

    def attach(self, version: Registered, kind: str, content: dict[str, Any]) -> None:
        self.extras[version.name, version.version, require_kind(kind)] = json.dumps(content)

    def attached(self, version: Registered, kind: str) -> dict[str, Any] | None:
        found = self.extras.get((version.name, version.version, require_kind(kind)))
        return None if found is None else dict(json.loads(found))

    def forget(self, name: str, version: int) -> None:
        """Delete a version, as another tool might."""
        del self.models[name][version]

    def _registered(self, name: str, version: int) -> Registered:
        named = tuple(sorted(alias for alias, at in self.aliases[name].items() if at == version))
        return Registered(name, version, self.models[name][version], named)
