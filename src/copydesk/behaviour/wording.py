"""Changes of single words: names, synonyms, contractions, intensifiers, and whatever a suite lists."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from copydesk.behaviour.change import WORD, Change, in_the_case_of, is_title_case, no_argument
from copydesk.behaviour.words import Words
from copydesk.errors import RecipeError

_VOWELS = "aeiou"


def names(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (whatever YAML holds)
    """Put a name for another one of the same list, wherever it stands in the text.

    Only names of the lists that are given, and none that is part of a longer one: what stands beside it has no capital
    (Paris, but not Paris Hilton), so that famous people, brands and headlines in title case stay as they are.
    """
    lists = [words.named(name, where) for name in _listed(argument, where)]

    def apply(text: str, chance: random.Random) -> str | None:
        found = [(name, group) for group in lists for name in group if _stands_alone(name, text)]
        for name, group in chance.sample(found, len(found)):
            others = [other for other in words.own(group) if other != name and other not in text]
            if others:
                return _whole(name).sub(chance.choice(others), text)
        return None

    return Change("names", apply)


def _stands_alone(name: str, text: str) -> bool:
    places = [match.span() for match in _whole(name).finditer(text)]
    if not places or is_title_case(text):
        return False
    return not any(_has_capital_beside(text, start, stop) for start, stop in places)


def _has_capital_beside(text: str, start: int, stop: int) -> bool:
    before, after = re.search(r"(\S+)\s+$", text[:start]), re.match(r"(?:['’]s)?\s+(\S+)", text[stop:])
    begins = before is not None and before[1][0].isupper() and bool(re.search(r"\S+\s+\S+\s+$", text[:start]))
    begins = begins and not re.search(r"[.!?:]\s+\S+\s+$", text[:start])
    hyphened = text[stop : stop + 1] in "-–" and stop < len(text) or (start > 0 and text[start - 1] in "-–@#")
    return begins or hyphened or (after is not None and after[1][0].isupper())


def synonyms(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Put a whole word for another one of its group; groups are lists, or {words: [...], as: verb, noun or adjective}.

    A word with a capital inside a sentence is taken for a name, and one beside a hyphen for part of another. With `as`
    the word before must show that part of speech.
    """
    groups = [_group(entry, words, where) for entry in _listed(argument, where)]

    def apply(text: str, chance: random.Random) -> str | None:
        found = [
            (match, word, group)
            for group, signs in groups
            for word in group
            for match in _whole(word, any_case=True).finditer(text)
            if _is_plain_word(text, match) and (signs is None or _word_before(text, match.start()) in signs)
        ]
        for match, word, group in chance.sample(found, len(found)):
            others = [other for other in group if other != word and _same_article(text, match.start(), word, other)]
            if others:
                return text[: match.start()] + in_the_case_of(chance.choice(others), match[0]) + text[match.end() :]
        return None

    return Change("synonyms", apply)


def _group(entry: Any, words: Words, where: str) -> tuple[list[str], set[str] | None]:  # noqa: ANN401 (whatever YAML holds)
    signs = None
    if isinstance(entry, Mapping):
        known = words.known("parts_of_speech", where)
        if set(entry) != {"words", "as"} or entry["as"] not in known:
            raise RecipeError(f"{where}: {dict(entry)!r} is not {{words: [...], as: {' or '.join(known)}}}.")
        entry, signs = entry["words"], set(known[entry["as"]])
    group = words.named(entry, where)
    if len(group) < 2:
        raise RecipeError(f"{where}: {group!r} is no group of synonyms; it needs at least two words.")
    return group, signs


def replace(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Put for a phrase what the suite says: {PHRASE: [OTHER, ...]}; whole words, in the case in which they stand."""
    if not isinstance(argument, Mapping) or not argument:
        raise RecipeError(f"{where} needs phrases and what replaces them: {{replace: {{PHRASE: [OTHER]}}}}.")
    pairs = {str(old): words.named(new, where) for old, new in argument.items()}

    def apply(text: str, chance: random.Random) -> str | None:
        found = [(match, new) for old, new in pairs.items() if (match := _whole(old, any_case=True).search(text))]
        if not found:
            return None
        match, new = chance.choice(found)
        return text[: match.start()] + in_the_case_of(chance.choice(words.own(new)), match[0]) + text[match.end() :]

    return Change("replace", apply)


def intensify(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Put an intensifier before one of the given words: {words: [good, LIST], by: [very]}.

    Not where the word before is one already, or a negation, and not before a word with a capital.
    """
    if not isinstance(argument, Mapping) or set(argument) != {"words", "by"}:
        raise RecipeError(f"{where} needs {{words: [...], by: [...]}}.")
    stressed, by = words.named(argument["words"], where), words.named(argument["by"], where)
    taken = {*words.known("intensifiers", where), *words.negations}

    def apply(text: str, chance: random.Random) -> str | None:
        found = [
            match
            for word in stressed
            for match in _whole(word).finditer(text)
            if _is_plain_word(text, match) and _word_before(text, match.start()) not in taken
        ]
        fitting = [(m, word) for m in found for word in words.own(by) if _same_article(text, m.start(), m[0], word)]
        if not fitting:
            return None
        match, word = chance.choice(fitting)
        return f"{text[: match.start()]}{word} {text[match.start() :]}"

    return Change("intensify", apply)


def contractions(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Write `do not` as `don't`, or `don't` as `do not`; not in questions, nor where these differ in meaning."""
    no_argument(argument, where)
    short = dict(words.known("contractions", where))
    kept, pronouns = set(words.known("not_contracted_before", where)), set(words.known("pronouns", where))

    def apply(text: str, chance: random.Random) -> str | None:
        if "?" in text:
            return None
        for old, new in [*short.items(), *((new, old) for old, new in short.items())]:
            for match in _whole(old, any_case=True).finditer(text.replace("’", "'")):
                following = WORD.match(text[match.end() :].lstrip())
                after = following[0].casefold() if following else ""
                if after and after not in kept and after not in pronouns:
                    written = new.title().replace("'T", "'t") if is_title_case(text) else in_the_case_of(new, match[0])
                    return text[: match.start()] + written + text[match.end() :]
        return None

    return Change("contractions", apply, "all")


def _listed(argument: Any, where: str) -> list[Any]:  # noqa: ANN401 (whatever YAML holds)
    if not argument:
        raise RecipeError(f"{where} needs lists: their names, or the words themselves.")
    return argument if isinstance(argument, list) else [argument]


def _whole(phrase: str, *, any_case: bool = False) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w@#]){re.escape(phrase)}(?!\w)", re.IGNORECASE if any_case else re.NOFLAG)


def _is_plain_word(text: str, match: re.Match[str]) -> bool:
    """Tell whether a found word is no name and no part of a hyphenated one."""
    beside = text[max(match.start() - 1, 0) : match.start()] + text[match.end() : match.end() + 1]
    starts = match.start() == 0 or bool(re.search(r"[.!?:\"“]\s*$", text[: match.start()]))
    capital = match[0][0].isupper() and not starts and not is_title_case(text)
    return not capital and not any(sign in beside for sign in "-–'’/_")


def _word_before(text: str, start: int) -> str:
    found: Sequence[str] = WORD.findall(text[:start])
    joined = bool(re.search(r"[\w'’]\s+$", text[:start]))
    return found[-1].casefold().replace("’", "'") if found and joined else ""


def _same_article(text: str, start: int, old: str, new: str) -> bool:
    """Tell whether an article before the word fits the new one too."""
    if _word_before(text, start) not in ("a", "an"):
        return True
    return (old[:1].casefold() in _VOWELS) == (new[:1].casefold() in _VOWELS)
