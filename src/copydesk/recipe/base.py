"""What every section of a recipe is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Auto = Literal["auto"]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


def as_list(value: Any) -> Any:  # noqa: ANN401 (YAML may hold anything here; pydantic judges the result)
    """Return a list as it is and anything else as a list of one."""
    return value if isinstance(value, list) else [value]


class Section(BaseModel):
    """Frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def sections_of(section: type[BaseModel], key: str) -> list[type[BaseModel]]:
    """Return the sections that may stand under a key: none for a plain value, several for a union."""
    field = section.model_fields.get(key)
    pending = [field.annotation] if field is not None else []
    found: list[type[BaseModel]] = []
    while pending:
        kind = pending.pop(0)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.append(kind)
        else:
            pending.extend(get_args(kind))
    return found
