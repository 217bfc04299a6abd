"""Changes of texts, by the names that suites call them.

A change takes one text and chance, and returns the changed text, or None where it cannot be applied, or would change
what the text means. It does not know what is asked about the change.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from copydesk.behaviour import numerals, sentences, surface, wording
from copydesk.behaviour.change import Change
from copydesk.behaviour.words import Words
from copydesk.errors import RecipeError

Maker = Callable[[Any, Words, str], Change]

CHANGES: Mapping[str, Maker] = {
    "typo": surface.typo,
    "lower_case": surface.lower_case,
    "upper_case": surface.upper_case,
    "title_case": surface.title_case,
    "full_stop": surface.full_stop,
    "quotes": surface.quotes,
    "contractions": wording.contractions,
    "names": wording.names,
    "synonyms": wording.synonyms,
    "replace": wording.replace,
    "intensify": wording.intensify,
    "numbers": numerals.numbers,
    "spell_number": numerals.spell_number,
    "drop_number": numerals.drop_number,
    "negate": sentences.negate,
    "append": sentences.append,
    "prepend": sentences.prepend,
}


def change_of(written: str | Mapping[str, Any], words: Words, where: str) -> Change:
    """Return the change that a suite names: `typo`, or `{append: [...]}` with what it needs. Raises `RecipeError`."""
    if isinstance(written, str):
        name, argument = written, None
    elif len(written) == 1:
        name, argument = next(iter(written.items()))
    else:
        raise RecipeError(f"{where}: a change has one name, this has {', '.join(map(str, written)) or 'none'}.")
    if name not in CHANGES:
        near = difflib.get_close_matches(str(name), CHANGES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"{where}: {name!r} is no change.{hint} Known: {', '.join(CHANGES)}.")
    return CHANGES[name](argument, words, f"{where}, {name}")
