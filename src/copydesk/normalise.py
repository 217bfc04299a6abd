"""Text normalisation: the steps that prepare applies, a bundle stores, and prediction repeats exactly.

A step is a pure function of one text, named in `STEPS`; a bundle stores the names, so an old bundle keeps its own
steps when the default list grows. It does not know about languages and never lower-cases: what a model ignores is
the model's business.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Sequence

from copydesk.errors import RecipeError

COLUMN_SEPARATOR = "\x1f"
"""Stands between text columns. `characters` removes it from users' texts, so none can forge a column."""

_CLEAN = re.compile(r"[A-Za-z0-9$\"'(@-](?:(?<![($]) (?=[A-Za-z0-9$\"(@-])(?![nN]')|[A-Za-z0-9$\"'()@.,:;!?%/+*=_-])*")
"""A plain ASCII text that no step changes: single spaces, each before a character that can open a word."""
_PASSES = 4

_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SPACE_ESCAPE = re.compile(r"\\[nrt](?![a-z])")
_QUOTE_ESCAPE = re.compile(r"""(?<!\\)\\++(?=["'$])""")
_BACKSLASHES = re.compile(r"\\+")
_HUGE_REFERENCE = re.compile(r"&#[0-9]{1000,};?")
"""A character's number that Python refuses to read (above 4,300 digits), and that is none."""
_LOST_AMPERSAND = re.compile(r"(?<![&\w])#(\d{2,4});")
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|center|code|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|s|small|span|strong|sub|sup|table|td|th"
    r"|tr|tt|u|ul)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPLIT_DECIMAL = re.compile(r"(?<=\d) \. ?(?=\d)")
_SPLIT_THOUSANDS = re.compile(r"(?<!\d)(\d{1,3}) , ?(?=\d{3}(?!\d))")
_WRONG_SPACE = re.compile(
    r" +(?:(?=[,!?…%)\]}、。」』，：；！？）])"
    r"|(?=[;:](?:\s|$))"  # a colon that opens an emoticon keeps its space
    r"|(?=\.(?:\s|$|[\"')\]]))"
    r"|(?<=\w )(?=(?:['’](?:s|t|re|ve|ll|d|m)|n['’]t)\b(?!['’]))"  # it 's, do n't
    r"|(?<=(?<![:;=-])[(\[{「『（] )"  # after an opening bracket, not after an emoticon
    r"|(?<=[$£€¥] )(?=\d))",
    re.IGNORECASE,
)
_CJK_SPACE = re.compile(r"(?<=[、。」』，：；！？）]) +| +(?=[「『（])")


def nfc(text: str) -> str:
    """Compose characters: `e` + combining acute becomes `é` (Unicode Normalization Form C)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def escapes(text: str) -> str:
    r"""Resolve literal `\u2019` escapes; a backslash before a quote or `$` goes, any other becomes a space."""
    if "\\" not in text:
        return text
    text = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # joins pairs of surrogates
    return _BACKSLASHES.sub(" ", _QUOTE_ESCAPE.sub("", _SPACE_ESCAPE.sub(" ", text)))


def entities(text: str) -> str:
    """Resolve HTML entities, twice-escaped ones and those that lost their ampersand (`#39;`) included; drop tags."""
    if "#" in text:
        text = _LOST_AMPERSAND.sub(lambda match: f"&#{match[1]};", text)
    if "&" in text:
        text = html.unescape(_HUGE_REFERENCE.sub("\ufffd", text))
    return _TAG.sub(" ", text) if "<" in text else text


def characters(text: str) -> str:
    """Replace what no reader sees (controls, zero-width, byte-order marks, lone surrogates) by a space or U+FFFD."""
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    return _UNSEEN.sub(" ", text)


def punctuation(text: str) -> str:
    """Undo tokenised punctuation: `war , from` → `war, from`, `$1 . 776B` → `$1.776B`, `it 's` → `it's`."""
    if " " not in text:
        return text
    if " ." in text or " ," in text:
        text = _SPLIT_THOUSANDS.sub(r"\1,", _SPLIT_DECIMAL.sub(".", text))
    text = _WRONG_SPACE.sub("", text)
    return text if text.isascii() else _CJK_SPACE.sub("", text)


def spaces(text: str) -> str:
    """Turn every run of white space into one space and strip the ends."""
    return " ".join(text.split())


STEPS: dict[str, Callable[[str], str]] = {
    "escapes": escapes,
    "entities": entities,
    "characters": characters,
    "nfc": nfc,
    "spaces": spaces,
    "punctuation": punctuation,
}

PRESETS: dict[str, tuple[str, ...]] = {
    "web": ("escapes", "entities", "characters", "nfc", "spaces", "punctuation"),
    "none": ("characters",),
}
"""`none` still removes unseen characters: a lone surrogate can be neither stored nor tokenised."""


def steps_of(setting: str | Sequence[str]) -> tuple[str, ...]:
    """Return the step names that a recipe's `prepare.normalise` stands for: a preset or a list of steps."""
    if isinstance(setting, str):
        if setting not in PRESETS:
            raise RecipeError(
                f"prepare.normalise: {setting!r} is not one of: {', '.join(PRESETS)}, or a list of steps."
            )
        return PRESETS[setting]
    unknown = [step for step in setting if step not in STEPS]
    if unknown:
        raise RecipeError(f"prepare.normalise: {unknown[0]!r} is not one of: {', '.join(STEPS)}.")
    return tuple(setting)


def normalise(text: str, steps: Sequence[str]) -> str:
    """Apply the named steps to one text, in order, until nothing changes: normalising twice is normalising once.

    Text columns joined by COLUMN_SEPARATOR stay apart.
    """
    if _CLEAN.fullmatch(text):
        return text
    if COLUMN_SEPARATOR in text:
        return COLUMN_SEPARATOR.join(normalise(column, steps) for column in text.split(COLUMN_SEPARATOR))
    for _ in range(_PASSES):
        before = text
        for step in steps:
            text = STEPS[step](text)
        if text == before:
            break
    return text


def text_id(text: str) -> str:
    """Return the name of a normalised text, from its content alone; a repeated one gets `-2`, `-3`, … in a Dataset.

    The prediction log knows a text by it too, so that the two can be joined.
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
