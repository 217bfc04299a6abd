"""Changes by whole sentences: a negation in one, or another one before or after."""

from __future__ import annotations

import random
import re
from typing import Any

from copydesk.behaviour.change import WORD, Change, no_argument
from copydesk.behaviour.words import Words
from copydesk.errors import RecipeError

_ENDS = re.compile(r"[.!?…][\"'”’)]*$")
_SENTENCES = re.compile(r"[.!?…]+(?=\s|\w)")
_LONGEST_SUBJECT = 5
"""Words before the verb: after more of them it is another clause's, as a rule."""


def negate(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (whatever YAML holds)
    """Put a `not` after the verb to be, where the text is one plain statement with one such verb.

    Not in questions, nor where there is a negation already, nor where a clause (but, although, if …) may turn it.
    """
    no_argument(argument, where)
    verbs, clauses = words.known("negatable", where), set(words.known("two_sided", where))
    if not words.negations:
        raise RecipeError(f"{where}: no negation words are known for language {words.language!r}. List them.")

    def apply(text: str, chance: random.Random) -> str | None:
        said = [match[0].casefold().replace("’", "'") for match in WORD.finditer(text)]
        blocked = "?" in text or _SENTENCES.search(text) or re.search(r"[,;:–—(\"]", text)
        if blocked or words.negations.union(clauses).intersection(said) or any(word.endswith("n't") for word in said):
            return None
        found = [match for match in WORD.finditer(text) if match[0] in verbs]
        if len(found) != 1 or not WORD.match(text[found[0].end() :].lstrip()):
            return None
        if not 0 < len(text[: found[0].start()].split()) <= _LONGEST_SUBJECT:
            return None
        return f"{text[: found[0].start()]}{verbs[found[0][0]]}{text[found[0].end() :]}"

    return Change("negate", apply)


def append(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Put one of the given sentences after the text, which then ends with a full stop; or an address, an emoticon."""
    added = words.named(argument, where)

    def apply(text: str, chance: random.Random) -> str | None:
        body = text.rstrip()
        if body.endswith((":", ",", "-", "–", "(", "…")) or body.endswith("..."):  # it goes on somewhere else
            return None
        if not words.own(added):
            return None
        more = chance.choice(words.own(added))
        stop = "." if more[0].isupper() and body[-1].isalnum() and not _ENDS.search(body) else ""
        return f"{body}{stop} {more}"

    return Change("append", apply, "last")


def prepend(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Put one of the given sentences, or names of users, before the text."""
    added = words.named(argument, where)

    def apply(text: str, chance: random.Random) -> str | None:
        return f"{chance.choice(words.own(added))} {text.lstrip()}" if words.own(added) else None

    return Change("prepend", apply, "first")
