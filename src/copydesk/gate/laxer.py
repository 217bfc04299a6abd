"""Which of a candidate's rules ask for less than those that production was promoted by."""

from __future__ import annotations

from copydesk.recipe import Gate
from copydesk.recipe.gate import AT_MOST

_STRICTNESS = ("not_worse", "better_or_cheaper", "better")


def laxer(new: Gate, old: Gate) -> list[str]:
    """Return the keys under which the new rules ask for less, or something else, each with both values."""
    mine, its = new.against_production, old.against_production
    keys = [
        *_lower_floors(new.floors, old.floors),
        *_higher("against_production", {"max_drop": (mine.max_drop, its.max_drop)}),
        *_higher("against_production", {"cheaper": (mine.cheaper, its.cheaper)}),
    ]
    if _STRICTNESS.index(mine.require) < _STRICTNESS.index(its.require):
        keys.append(_told("against_production.require", its.require, mine.require))
    if mine.metric != its.metric:
        keys.append(_told("against_production.metric", its.metric, mine.metric))
    if mine.confidence < its.confidence:
        keys.append(_told("against_production.confidence", its.confidence, mine.confidence))
    for section in ("max_ratios", "max_drops", "max_leaks"):
        values, before = (getattr(rules, section).model_dump() for rules in (new, old))
        keys += _higher(section, {key: (values[key], before[key]) for key in values})
    return keys


def _lower_floors(new: dict[str, float], old: dict[str, float]) -> list[str]:
    keys = []
    for name, floor in old.items():
        if name not in new:
            keys.append(_told(f"floors.{name}", floor, "none"))
        elif new[name] > floor if name in AT_MOST else new[name] < floor:
            keys.append(_told(f"floors.{name}", floor, new[name]))
    return keys


def _higher(section: str, values: dict[str, tuple[float | None, float | None]]) -> list[str]:
    """Return the keys whose new value allows more; null allows everything."""
    return [
        _told(f"{section}.{key}", old, "any" if new is None else new)
        for key, (new, old) in values.items()
        if old is not None and (new is None or new > old)
    ]


def _told(key: str, old: object, new: object) -> str:
    return f"{key} {old} → {new}"
