"""One change of texts, and how it goes about texts of several columns."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from copydesk.errors import RecipeError
from copydesk.normalise import COLUMN_SEPARATOR

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True)
class Change:
    """A named change. `apply` returns None where it does not apply; `columns` are those it may change."""

    name: str
    apply: Callable[[str, random.Random], str | None]
    columns: Literal["any", "all", "first", "last"] = "any"

    def __call__(self, text: str, chance: random.Random) -> str | None:
        """Return the changed text; None where nothing can be changed."""
        columns = text.split(COLUMN_SEPARATOR)
        changed = False
        for place in self._places(columns, chance):
            new = self.apply(columns[place], chance) if columns[place].strip() else None
            if new is not None and new != columns[place]:
                columns[place], changed = new, True
                if self.columns != "all":
                    break
        return COLUMN_SEPARATOR.join(columns) if changed else None

    def _places(self, columns: list[str], chance: random.Random) -> list[int]:
        filled = [place for place, column in enumerate(columns) if column.strip()]
        if self.columns == "any":
            return chance.sample(filled, len(filled))
        return filled if self.columns == "all" else filled[:1] if self.columns == "first" else filled[-1:]


def no_argument(argument: Any, where: str) -> None:  # noqa: ANN401 (whatever YAML holds)
    """Raise `RecipeError` if a change that takes nothing is given something."""
    if argument is not None:
        raise RecipeError(f"{where} takes nothing, but has {argument!r}.")


def is_title_case(text: str) -> bool:
    """Tell whether most longer words begin with a capital, as in headlines: there capitals do not tell names."""
    words = [word for word in WORD.findall(text) if len(word) > 3]
    return len(words) > 1 and sum(word[0].isupper() for word in words) >= 0.8 * len(words)


def in_the_case_of(new: str, old: str) -> str:
    """Return a phrase with a capital, or capitals, where the one it stands for has them."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
