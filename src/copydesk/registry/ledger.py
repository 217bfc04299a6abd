"""What a registry writes down about one model where the place itself keeps only files: versions, aliases, history.

Pure values: each change makes a new ledger, and one that stands in it already changes nothing, so that a change whose
answer was lost may be tried again. Where the ledger is kept, and how two writers do not overwrite each other, is the
registry's to say (`hub.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from copydesk.errors import RegistryError, Stale
from copydesk.registry.base import Change, Facts, Registered
from copydesk.registry.told import moved_meanwhile, no_such


@dataclass(frozen=True)
class Kept:
    """A version: where its files are, as the place names it, and the facts it was registered with."""

    place: str
    facts: Facts


@dataclass(frozen=True)
class Ledger:
    """One model's versions by number, where its aliases lead, and what was done, oldest first."""

    versions: dict[int, Kept] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    history: tuple[Change, ...] = ()
    format: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the ledger as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: bytes) -> Ledger:
        """Rebuild a ledger from its JSON text. Raises `ValueError` if it is none, or of another format."""
        ledger = TypeAdapter(cls).validate_json(content)
        if ledger.format != 1:
            raise ValueError(f"it has format {ledger.format}, and this Copydesk reads format 1")
        return ledger

    def registered(self, name: str, version: int) -> Registered:
        """Return a version under its model's name, with the aliases that lead to it."""
        aliases = tuple(sorted(alias for alias, target in self.aliases.items() if target == version))
        return Registered(name, version, self.versions[version].facts, aliases)

    @property
    def by_digest(self) -> dict[str, int]:
        """The versions by their bundles' digests."""
        return {kept.facts.digest: number for number, kept in self.versions.items()}

    def with_version(self, place: str, facts: Facts, taken: Iterable[int] = ()) -> Ledger:
        """Return the ledger with the next version; a bundle that has one already gets no other.

        Its number is above those that are taken by something else than a version.
        """
        if facts.digest in self.by_digest:
            return self
        number = max([0, *self.versions, *taken]) + 1
        return replace(self, versions={**self.versions, number: Kept(place, facts)})

    def pointed(self, name: str, change: Change) -> Ledger:
        """Return the ledger with an alias moved. Raises `Stale` if it does not lead to `change.before` any more."""
        if change in self.history:
            return self
        self.kept(name, change.version)
        present = self.aliases.get(change.alias)
        if present != change.before:
            raise Stale(moved_meanwhile(name, change, present))
        aliases = {**self.aliases, change.alias: change.version}
        return replace(self, aliases=aliases, history=(*self.history, change))

    def noted(self, change: Change) -> Ledger:
        """Return the ledger with a change that moves nothing."""
        return self if change in self.history else replace(self, history=(*self.history, change))

    def kept(self, name: str, version: int) -> Kept:
        """Return what is known of a version. Raises `RegistryError` naming what there is."""
        if version not in self.versions:
            raise RegistryError(no_such(name, version, sorted(self.versions), self.aliases))
        return self.versions[version]
