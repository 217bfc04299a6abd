"""What pydantic found wrong with a recipe, in words with a remedy."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel

from copydesk.recipe.base import section_of
from copydesk.recipe.recipe import Recipe


def path_of(problem: Any) -> list[str]:  # noqa: ANN401 (pydantic's ErrorDetails)
    """Return the keys that lead to the mistake, without the names pydantic gives to a union's members."""
    path: list[str] = []
    section: type[BaseModel] | None = Recipe
    for part in problem["loc"]:
        if isinstance(part, int):
            path.append(str(part))
        elif section is not None and (part in section.model_fields or problem["type"] == "extra_forbidden"):
            path.append(part)
            section = section_of(section, part) or section  # a name that people give, such as a column, leads nowhere
    return path


def explain(where: str, problems: list[Any]) -> str:
    """Return one line for everything that is wrong with one key (a union's members complain one by one)."""
    first = problems[0]
    if first["type"] == "extra_forbidden":
        known = _keys_of(first["loc"][:-1])
        near = difflib.get_close_matches(first["loc"][-1], known, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"unknown key '{where}'.{hint} Known here: {', '.join(known)}."
    if first["type"] == "missing":
        return f"'{where}' is missing."
    message = " Or: ".join(problem["msg"].removeprefix("Value error, ") for problem in problems)
    if first["type"] == "value_error":
        return f"{where}: {message}." if where else f"{message}."
    return f"{where}: {first['input']!r} is not valid: {message}."


def _keys_of(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Recipe
    for part in location:
        section = section_of(section, str(part)) or section
    return list(section.model_fields)
