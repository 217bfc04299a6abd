"""What may be done with registered models: promoting, going back, and reading the history. Pure steps over a registry.

It does not decide whether a model is good enough (`gate` does), nor how a registry keeps what it is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from copydesk.errors import RegistryError, UsageError
from copydesk.registry.base import PRODUCTION, Change, Registered, Registry
from copydesk.registry.names import require_alias

_DECISIONS = ("promoted", "forced", "refused")


@dataclass(frozen=True)
class Mover:
    """Who does something, and when: ISO 8601 in UTC."""

    by: str
    at: str


def production_of(registry: Registry, name: str) -> Registered | None:
    """Return the version in production, or None. Raises `RegistryError` if there is no such model."""
    return next((one for one in registry.versions(name) if PRODUCTION in one.aliases), None)


def promote(
    registry: Registry,
    candidate: Registered,
    champion: Registered | None,
    mover: Mover,
    *,
    test: str = "",
    forced: str = "",
) -> Change:
    """Let `production` lead to the candidate, and return the change.

    `champion` is what the candidate was compared with: production as the mover believes it to be. `test` is the content
    hash of the test texts that decided. `forced` is the reason why the gate's refusal is overruled; empty: it did not
    refuse. Raises `Stale` if production leads elsewhere by now.
    """
    change = Change(
        action="forced" if forced else "promoted",
        version=candidate.version,
        by=mover.by,
        at=mover.at,
        alias=PRODUCTION,
        before=champion.version if champion else None,
        reason=forced,
        test=test,
    )
    registry.point(candidate.name, change)
    return change


def refuse(registry: Registry, candidate: Registered, mover: Mover, *, reason: str, test: str = "") -> Change:
    """Note that the gate refused a candidate, and return that line of the history."""
    change = Change("refused", candidate.version, mover.by, mover.at, PRODUCTION, reason=reason, test=test)
    registry.note(candidate.name, change)
    return change


def point(registry: Registry, version: Registered, alias: str, mover: Mover) -> Change | None:
    """Let an alias other than `production` lead to a version; None if it does already. Raises `Stale`, `UsageError`."""
    require_settable(alias)
    before = next((one.version for one in registry.versions(version.name) if alias in one.aliases), None)
    if before == version.version:
        return None
    change = Change("pointed", version.version, mover.by, mover.at, alias, before)
    registry.point(version.name, change)
    return change


def require_settable(alias: str) -> None:
    """Raise `UsageError` for the alias that the gate alone moves, `RegistryError` for what is none."""
    if require_alias(alias) == PRODUCTION:
        raise UsageError(f"'{PRODUCTION}' is not set by hand; the gate decides. Run: copydesk promote NAME VERSION")


def rollback(registry: Registry, name: str, mover: Mover, *, to: int | None = None, reason: str = "") -> Change:
    """Let `production` lead to the version that was there before, or to `to`, and return the change.

    Done again it goes further back. Raises `RegistryError` if there is nothing to go back to, or if `to` was never in
    production; `Stale` if production leads elsewhere by now.
    """
    present = production_of(registry, name)
    if present is None:
        raise RegistryError(f"No version of '{name}' is in production, so there is nothing to go back from.")
    there = {one.version for one in registry.versions(name)} - {present.version}
    earlier = [version for version in trail(registry.history(name), present.version) if version in there]
    if not earlier:
        raise RegistryError(
            f"Version {present.version} of '{name}' is the first in production; there is none to go back to."
        )
    if to is not None and to not in earlier:
        raise RegistryError(
            f"Version {to} of '{name}' was not in production before version {present.version}; before it were: "
            f"{', '.join(map(str, earlier))}. A version gets there by: copydesk promote {name} {to}"
        )
    target = earlier[-1] if to is None else to
    change = Change("rolled back", target, mover.by, mover.at, PRODUCTION, present.version, reason)
    registry.point(name, change)
    return change


def trail(history: Iterable[Change], present: int) -> list[int]:
    """Return the versions that led to the present production version, oldest first, the present one last.

    A promotion adds its version, a rollback takes off what came after its own. Where production leads elsewhere than
    the history says, another tool moved it.
    """
    versions: list[int] = []
    for change in history:
        if change.alias != PRODUCTION or change.action == "refused":
            continue
        if change.before is not None:
            _lead_to(change.before, versions)
        if change.action == "rolled back" and change.version in versions:
            del versions[_last(change.version, versions) + 1 :]
        else:
            _lead_to(change.version, versions)
    _lead_to(present, versions)
    return versions


def account(registry: Registry, name: str) -> list[Change]:
    """Return the whole history of a model, its registrations included, oldest first.

    Moves stay in the order in which they happened, whatever the clocks of those who made them said.
    """
    lines = registry.history(name)
    for one in registry.versions(name):
        line = Change("registered", one.version, one.facts.by, one.facts.created)
        later = (place for place, other in enumerate(lines) if other.at > line.at or other.version == line.version)
        lines.insert(next(later, len(lines)), line)
    return lines


def decided_by(history: Iterable[Change], test: str) -> int:
    """Return how often the same test texts decided about a candidate, for or against it."""
    return sum(bool(test) and change.test == test and change.action in _DECISIONS for change in history)


def _lead_to(version: int, versions: list[int]) -> None:
    if versions[-1:] != [version]:
        versions.append(version)


def _last(version: int, versions: list[int]) -> int:
    return len(versions) - 1 - versions[::-1].index(version)
