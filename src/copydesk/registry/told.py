"""What people are told of a registry that does not hold, or no longer says, what they believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from copydesk.registry.base import Change


def moved_meanwhile(name: str, change: Change, present: int | None) -> str:
    """Return what to tell somebody whose alias was moved by somebody else."""
    before, now = (f"version {one}" if one is not None else "no version" for one in (change.before, present))
    return (
        f"'{change.alias}' of '{name}' leads to {now}, not to {before} any more: somebody moved it meanwhile. Nothing "
        f"was changed; look at `copydesk models {name}` and decide again."
    )


def no_such(name: str, which: int | str, versions: Sequence[int], aliases: Mapping[str, int]) -> str:
    """Return what to tell somebody who asks for a version or an alias that is not there."""
    wanted = f"version {which}" if isinstance(which, int) else f"alias '{which}'"
    there = ", ".join(map(str, versions)) or "none"
    named = ", ".join(f"{alias} → {version}" for alias, version in sorted(aliases.items())) or "none"
    return f"'{name}' has no {wanted}. Its versions: {there}; its aliases: {named}."
