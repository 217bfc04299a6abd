"""Personal data in texts: e-mail addresses and phone numbers, found, counted and masked.

A phone number is known by its form: international (`+46 8 123 456 78`, `0046 …`), national with the leading 0 of most
of Europe, Japan and others (`020 7946 0958`, `06 12 34 56 78`, `090-1234-5678`), North American (`(212) 555-0123`), an
area in brackets (`(11) 91234-5678`), or seven digits and more behind a word such as `call`. Other bare digits are not
taken for one: prices, dates, scores, ISBNs, account numbers and ids look like that.

It misses what is written in words or disguised (`name at example dot com`), and does not know names, addresses or
numbers of identity cards. It cannot tell a shop's number from a person's. No expression goes back over what it has
read, so that no text makes it hang.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["e-mail", "phone"]
KINDS: tuple[Kind, ...] = ("e-mail", "phone")
_SHOWN = 10
_SHOWN_CHARACTERS = 160

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}+@(?:[\w-]{1,63}+\.){1,8}([^\W\d_]{2,24})(?![\w-])")
_FILES = {"gif", "jpeg", "jpg", "pdf", "png", "svg", "webp"}
"""What the name of a file ends in, as in `logo@2x.png`."""
_ADDRESS = re.compile(r"(?:https?://|www\.)\S++", re.IGNORECASE)

_BETWEEN = " .\\-/()\u00a0\u2010-\u2013"
_RUN = re.compile(rf"[+(]{{0,2}}+\d[\d{_BETWEEN}]*+")
"""Digits and what may stand between them, as far as they go."""
_MOST_CHARACTERS = 60
_BORDER = re.compile(r"\.[ ]|[ ][-/\u2013][ ]|[ ]{2}")
"""What parts two numbers of one run."""
_GLUED_BEFORE = re.compile(r"(?:\w|[$€£¥#@&=%*^~]|\d[,:])$")
_GLUED_BEHIND = re.compile(r"[^\WxX]|[$€£¥#@&=%*^~]|[,:]\d")
"""What makes digits a part of something longer; an x may begin an extension."""
_DIGITS = re.compile(r"\d+")
_FORMS = {
    "international": re.compile(r"\+[1-9](?:[ .\-/()]{0,3}+\d++){1,8}+"),
    "international by zeros": re.compile(r"00[ ]?[1-9]\d{0,2}+(?:[ \-/()]{1,3}+\d++){2,7}+"),
    "North American": re.compile(r"(?:\+?1[-. ]?)?\([2-9]\d\d\)[ ]?[2-9]\d\d[-. ]?\d{4}"),
    "North American, no brackets": re.compile(r"(?:1[-. ])?[2-9]\d\d([-. ])[2-9]\d\d\1\d{4}"),
    "area in brackets": re.compile(r"\([1-9]\d{1,4}\)[ ]?\d{3,5}[- ]?\d{3,4}"),
    "pairs": re.compile(r"0[1-9](?:([ .-])\d\d)(?:\1\d\d){3}"),
    "national": re.compile(r"\(?0[1-9]\d{0,4}+\)?[ \-/]{1,3}+\d{2,8}+(?:[ -]\d{2,6}+){0,4}+"),
    "mobile": re.compile(r"07\d{9}"),
}
_MOST_DIGITS, _LEAST_DIGITS = 15, 7
_WORD = re.compile(r"[^ \u00a0]{7,}+(?<=\d)")
_LEAST_INTERNATIONAL, _LEAST_NATIONAL, _MOST_NATIONAL = 8, 9, 12
_YEAR = re.compile(r"(?:19|20)\d\d")
_CUE = re.compile(
    r"(?:\b(?:phone|telephone|tel|call|calling|contact|dial|fax|mobile|cell|cellphone|whatsapp|sms|text|txt|hotline"
    r"|telefon|telefax|handy|mobil|tfn|téléphone|tél|teléfono|móvil|telefono|telefoon)\b|電話|电话|手机|전화)"
    r"(?: (?:us|me|him|her|at|on|or|text|no|nr|number|is|for|info|free|now|today)){0,3}\W{0,3}$",
    re.IGNORECASE,
)
_CUE_CHARACTERS = 40
_SUSPECT = re.compile(r"@|\d(?:\D*+\d){6}")
"""Without an @ or seven digits nothing is found: most texts are passed over by it."""
_NUMBER = re.compile(r"\d(?:[ .\-/]?\d){6,}+")


class Found(NamedTuple):
    """Something personal in a text, from `start` to `stop` (exclusive)."""

    kind: Kind
    start: int
    stop: int


@dataclass(frozen=True)
class PersonalText:
    """A text with something personal in it: its place among the texts, and itself, masked and cut."""

    place: int
    kinds: tuple[Kind, ...]
    text: str


@dataclass(frozen=True)
class PersonalData:
    """What stands in so many `texts`: by kind how often, and in how many texts; and the first of these, masked."""

    texts: int
    found: dict[Kind, int]
    texts_with: dict[Kind, int]
    examples: list[PersonalText]


def find_personal(texts: Sequence[str]) -> PersonalData:
    """Return what is personal in the texts: counts by kind, and of each kind the first few texts."""
    found, texts_with = Counter[Kind](), Counter[Kind]()
    examples = []
    for place, text in enumerate(texts):
        kinds = [one.kind for one in personal_in(text)]
        if any(texts_with[kind] < _SHOWN for kind in kinds):
            examples.append(PersonalText(place, tuple(dict.fromkeys(kinds)), _cut(masked(text))))
        found.update(kinds)
        texts_with.update(set(kinds))
    return PersonalData(len(texts), _by_kind(found), _by_kind(texts_with), examples)


def _by_kind(counts: Counter[Kind]) -> dict[Kind, int]:
    return {kind: counts[kind] for kind in KINDS}


def personal_in(text: str) -> list[Found]:
    """Return the e-mail addresses and phone numbers of a text, in their order."""
    emails = list(_emails(text)) if "@" in text else []
    plain = _without(text, [one[1:] for one in emails])
    return sorted(
        [*emails, *_phones(_ADDRESS.sub(lambda match: "x" * len(match[0]), plain))], key=lambda one: one.start
    )


def masked(text: str) -> str:
    """Return the text with `[e-mail]` and `[phone]` instead of what was found; nothing is found in that again."""
    parts, done = [], 0
    for kind, start, stop in personal_in(text):
        parts += [text[done:start], f"[{kind}]"]
        done = stop
    return "".join([*parts, text[done:]])


def redacted(text: str) -> str:
    """Return the text masked, and with `[number]` for every other number of seven digits or more, dates among them.

    It is what may be kept of texts that nobody will look through first: rather too little than too much.
    """
    return _NUMBER.sub("[number]", masked(text)) if _SUSPECT.search(text) else text


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _emails(text: str) -> Iterator[Found]:
    for match in _EMAIL.finditer(text):
        if match[1].lower() not in _FILES:
            yield Found("e-mail", *match.span())


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text with letters in these places, so that no number is found there."""
    parts, done = [], 0
    for start, stop in spans:
        parts += [text[done:start], "x" * (stop - start)]
        done = stop
    return "".join([*parts, text[done:]])


def _phones(text: str) -> Iterator[Found]:
    for run in _RUN.finditer(text):
        if len(run[0]) < _LEAST_DIGITS or _glued(text, *run.span()):
            continue
        for piece, place in _pieces(run[0], run.start()):
            said = bool(_CUE.search(text[max(place - _CUE_CHARACTERS, 0) : place]))
            for start, stop in _numbers_in(piece, said=said):
                yield Found("phone", place + start, place + stop)


def _glued(text: str, start: int, stop: int) -> bool:
    """Tell whether a run of digits is a part of something longer: a word, a price, a time, an account."""
    stop = start + len(text[start:stop].rstrip(" .-/()\u00a0\u2010\u2011\u2012\u2013"))
    return bool(_GLUED_BEFORE.search(text[max(start - 2, 0) : start]) or _GLUED_BEHIND.match(text[stop : stop + 2]))


def _pieces(run: str, place: int) -> Iterator[tuple[str, int]]:
    """Yield what may be one number each, with its place."""
    begin = 0
    for border in _BORDER.finditer(run):
        yield run[begin : border.start()], place + begin
        begin = border.end()
    yield run[begin:], place + begin


def _numbers_in(piece: str, *, said: bool) -> Iterator[tuple[int, int]]:
    """Yield where phone numbers stand: one that is the piece, but for a number before or behind it, or single words."""
    if len(piece) <= _MOST_CHARACTERS:
        for start, stop in _cuts(piece):
            if _is_phone(piece[start:stop], said=said and not _DIGITS.search(piece[:start])):
                yield start, stop
                return
    for word in _WORD.finditer(piece):
        if _is_phone(word[0], said=False):
            yield word.span()


def _cuts(piece: str) -> Iterator[tuple[int, int]]:
    """Yield all of a piece, then what is left without its first or last group of digits, if a space parts it."""
    groups = [match.span() for match in _DIGITS.finditer(piece)]
    if not groups:
        return
    first, last = groups[0], groups[-1]
    starts = [place for place in range(first[0] + 1) if piece[place] in "+(" or place == first[0]]
    starts += [first[1] + 1] if piece[first[1] : first[1] + 1] == " " else []
    stops = [last[1]]
    stops += [groups[-2][1]] if len(groups) > 1 and piece[last[0] - 1] == " " else []
    yield from ((start, stop) for start in starts for stop in stops)


def _is_phone(number: str, *, said: bool) -> bool:
    """Tell whether a number has the form of a phone number; where words said that it is one, any form will do."""
    groups = _DIGITS.findall(number)
    digits = sum(map(len, groups))
    if digits > _MOST_DIGITS or (number.startswith("(") and ")" not in number):
        return False
    if said and digits >= _LEAST_DIGITS:
        return not all(_YEAR.fullmatch(group) for group in groups)
    form = next((name for name, pattern in _FORMS.items() if pattern.fullmatch(number)), None)
    if form == "international":
        return digits >= _LEAST_INTERNATIONAL
    if form == "international by zeros":
        return digits > _LEAST_NATIONAL
    if form == "area in brackets":
        return digits >= _LEAST_NATIONAL and not _YEAR.fullmatch(groups[0])
    if form == "national":
        is_date = [len(group) for group in groups[:3]] == [2, 2, 4]
        return _LEAST_NATIONAL <= digits <= _MOST_NATIONAL and max(map(len, groups)) > 2 and not is_date
    return form is not None
