"""What pydantic found wrong with a file that people write by hand, in words with a remedy."""

from __future__ import annotations

import difflib
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from copydesk.errors import RecipeError
from copydesk.recipe.base import sections_of

S = TypeVar("S", bound=BaseModel)


def parsed(section: type[S], value: Any, where: str) -> S:  # noqa: ANN401 (whatever YAML holds)
    """Return the value as a section. Raises `RecipeError`, a line for each mistake."""
    try:
        return section.model_validate(value)
    except ValidationError as error:
        raise RecipeError(f"{where}: {mistakes(error, section)}") from None


def mistakes(error: ValidationError, root: type[BaseModel]) -> str:
    """Return what is wrong with the values of a section, a line for each key."""
    places: dict[str, list[Any]] = {}
    for problem in error.errors():
        places.setdefault(".".join(path_of(problem, root)), []).append(problem)
    return "\n  ".join(explain(place, problems, root) for place, problems in places.items())


def path_of(problem: Any, root: type[BaseModel]) -> list[str]:  # noqa: ANN401 (pydantic's ErrorDetails)
    """Return the keys that lead to the mistake, without the names pydantic gives to a union's members."""
    path: list[str] = []
    sections: list[type[BaseModel]] = [root]
    for part in problem["loc"]:
        if isinstance(part, int):
            path.append(str(part))
        elif _knows(sections, part) or (
            sections and problem["type"] == "extra_forbidden" and not _names(sections, part)
        ):
            path.append(part)
            sections = _below(sections, part) or sections  # a name that people give, such as a column, leads nowhere
    return path


def explain(where: str, problems: list[Any], root: type[BaseModel]) -> str:
    """Return one line for everything that is wrong with one key (a union's members complain one by one)."""
    first = problems[0]
    if first["type"] == "extra_forbidden":
        return _unknown(where, first["loc"][-1], _sections_at(first["loc"][:-1], root))
    if first["type"] == "missing":
        return f"'{where}' is missing."
    message = " Or: ".join(problem["msg"].removeprefix("Value error, ") for problem in problems)
    told = f"{message}." if first["type"] == "value_error" else f"{first['input']!r} is not valid: {message}."
    return f"{where}: {told}" if where else told


def _unknown(where: str, key: str, sections: list[type[BaseModel]]) -> str:
    known = [name for section in sections for name in section.model_fields]
    if key in known:
        kinds = "; or ".join(", ".join(section.model_fields) for section in sections)
        return f"'{where}' does not go with the other keys there. Either {kinds}."
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown key '{where}'.{hint} Known here: {', '.join(known)}."


def _sections_at(location: tuple[int | str, ...], root: type[BaseModel]) -> list[type[BaseModel]]:
    """Return what may stand at a place; for a union all its members, for the key may be meant for another one."""
    sections: list[type[BaseModel]] = [root]
    for part in location:
        if not isinstance(part, int) and not _names(sections, part):
            sections = _below(sections, part) or sections
    return sections


def _knows(sections: list[type[BaseModel]], key: str) -> bool:
    return any(key in section.model_fields for section in sections)


def _names(sections: list[type[BaseModel]], part: str) -> bool:
    """Tell whether a part of a location is no key but the name of a union's member."""
    return any(section.__name__ == part for section in sections)


def _below(sections: list[type[BaseModel]], key: str) -> list[type[BaseModel]]:
    return [below for section in sections for below in sections_of(section, key)]
