"""Templates with slots -> texts.

    "The {dish} was {good}."     a slot is filled from the list of its name
    "{Dish} was {good}."         with a capital
    "{a:dish}"                   with an article: a soup, an omelette
    "{dish1} or {dish2}"         two different words of one list
    "{{"                         a brace

Fillings are drawn evenly over templates, without repetition, by a seed. It does not know what a text means.
"""

from __future__ import annotations

import math
import random
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from copydesk.behaviour.chance import chance_for
from copydesk.behaviour.file import Text
from copydesk.behaviour.words import Words, divided, is_divided
from copydesk.errors import RecipeError
from copydesk.normalise import COLUMN_SEPARATOR

_VOWELS = "aeiouAEIOU"
_MOST_TRIES = 20
"""So many fillings are drawn for each text that is wanted: some hold one word twice, some are the same text."""


@dataclass(frozen=True)
class Slot:
    """One slot of a template: its name, the list that fills it, whether it has a capital, or an article before it."""

    name: str
    list: str
    capital: bool = False
    article: str = ""

    def filled(self, value: str) -> str:
        """Return the value as it stands in the text."""
        value = value[:1].upper() + value[1:] if self.capital else value
        if not self.article:
            return value
        return f"{self.article}{'n' if value[:1] in _VOWELS else ''} {value}"


@dataclass(frozen=True)
class Template:
    """A text with slots, its columns joined."""

    parts: tuple[str | Slot, ...]
    values: Mapping[str, Sequence[str]]

    @cached_property
    def names(self) -> list[str]:
        """The names of its slots, each once."""
        return list(dict.fromkeys(part.name for part in self.parts if isinstance(part, Slot)))

    @cached_property
    def lists(self) -> dict[str, str]:
        """The list that fills each slot."""
        return {part.name: part.list for part in self.parts if isinstance(part, Slot)}

    def fillings(self, count: int, *seed: object, taught: bool = False) -> list[str]:
        """Return up to so many different texts; those that are taught hold a word that is never asked about."""
        if taught and not any(is_divided(self.values[name]) for name in self.names):
            return []
        sides = {name: divided(self.values[name], taught=taught) or list(self.values[name]) for name in self.names}
        total = math.prod(map(len, sides.values()))
        drawn = _drawn(total, min(total, count * _MOST_TRIES), chance_for(*seed, self.parts))
        texts: dict[str, None] = {}
        for number in drawn:
            chosen = self._chosen(number, sides)
            if self._differ(chosen):
                texts.setdefault(self._text(chosen))
            if len(texts) == count:
                break
        return list(texts)

    def _chosen(self, number: int, sides: Mapping[str, Sequence[str]]) -> dict[str, str]:
        chosen = {}
        for name in self.names:
            number, place = divmod(number, len(sides[name]))
            chosen[name] = sides[name][place]
        return chosen

    def _differ(self, chosen: Mapping[str, str]) -> bool:
        """Tell whether slots of one list hold different words."""
        pairs = {(self.lists[name], value) for name, value in chosen.items()}
        return len(pairs) == len(chosen)

    def _text(self, chosen: Mapping[str, str]) -> str:
        return "".join(part if isinstance(part, str) else part.filled(chosen[part.name]) for part in self.parts)


def _drawn(total: int, count: int, chance: random.Random) -> list[int]:
    """Return so many different numbers below the total, which may be more than a range can hold."""
    if total < sys.maxsize:
        return chance.sample(range(total), count)
    return list(dict.fromkeys(chance.randrange(total) for _ in range(count)))


def template_of(
    written: Text, slots: Mapping[str, Sequence[str]], words: Words, columns: Sequence[str], where: str
) -> Template:
    """Read a template. Raises `RecipeError` for a slot that no list fills, or an unknown column."""
    text = joined(written, columns, where)
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise RecipeError(f"{where}: {text!r} is no template: {error}. Write {{{{ for a brace.") from None
    parts: list[str | Slot] = []
    values: dict[str, Sequence[str]] = {}
    for literal, field, spec, _ in pieces:
        if literal:
            parts.append(literal)
        if field is not None:
            slot = _slot(field, spec or "", {*slots, *words.lists}, where)
            parts.append(slot)
            values[slot.name] = [str(value) for value in (slots.get(slot.list) or words.lists[slot.list])]
    return Template(tuple(parts), values)


def _slot(field: str, spec: str, known: set[str], where: str) -> Slot:
    article, name = (field, spec) if spec else ("", field)
    if article not in ("", "a", "A"):
        raise RecipeError(f"{where}: {{{field}:{spec}}} is no slot; {{a:{spec}}} puts an article before it.")
    capital = name not in known and re.sub(r"\d+$", "", name) not in known
    plain = name[:1].lower() + name[1:] if capital else name
    lists = [candidate for candidate in (plain, re.sub(r"\d+$", "", plain)) if candidate in known]
    if not lists:
        raise RecipeError(f"{where}: no list is named {name!r}. Known: {', '.join(sorted(known)) or 'none'}.")
    return Slot(plain, lists[0], capital, article)


def joined(written: Text, columns: Sequence[str], where: str) -> str:
    """Return a text with its columns joined; a plain one fills the first. Raises `RecipeError` for another column."""
    if isinstance(written, str):
        return COLUMN_SEPARATOR.join([written, *[""] * (len(columns) - 1)])
    unknown = [name for name in written if name not in columns]
    if unknown:
        raise RecipeError(f"{where}: {unknown[0]!r} is none of the recipe's text columns: {', '.join(columns)}.")
    return COLUMN_SEPARATOR.join(written.get(name, "") for name in columns)


def fillings(templates: Sequence[Template], count: int, *seed: object, taught: bool = False) -> list[str]:
    """Return up to so many different texts, as evenly from all templates as they allow."""
    piles = [template.fillings(count, *seed, taught=taught) for template in templates]
    texts: dict[str, None] = {}
    for place in range(max(map(len, piles), default=0)):
        texts.update(dict.fromkeys(pile[place] for pile in piles if place < len(pile)))
    return list(texts)[:count]
