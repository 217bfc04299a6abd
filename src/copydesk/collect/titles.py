"""GDELT's tokenised titles as they were written: `U . S . prices up 1 . 5 %` → `U.S. prices up 1.5%`.

GDELT parts every mark from its word by spaces and drops most quotation marks and apostrophes. What is gone cannot be
brought back (`treacherous'` arrives as `treacherou`), and a spaced hyphen may be a dash: it is closed only where that
is clear. The rules for hyphens and contractions know English, elision French and Italian; the others are about signs.
"""

from __future__ import annotations

import html
import re

from copydesk.normalise import characters, nfc, punctuation, spaces

_PREFIXES = "anti|co|cross|ex|inter|mid|mini|multi|neo|non|pre|pro|quasi|re|self|semi|sub|super|ultra|un|vice"
_SECOND_PARTS = (
    # participles, other second halves, and what is counted: Iran - backed, high - stakes, 15 - year - old
    "aligned|armed|backed|based|born|bound|breaking|brokered|built|changing|controlled|driven|fashioned|funded|held|hit|"
    "led|linked|made|making|minded|occupied|owned|related|run|running|sized|speaking|sponsored|stricken|torn|wide|winning|"
    "case|class|clock|days|free|friendly|guard|hand|language|level|like|line|long|off|out|over|profile|ramp|range|rich|"
    "scale|sex|speed|stakes|style|tap|tech|term|time|up|"
    "day|degree|foot|hour|inch|kilometre|man|member|metre|mile|minute|month|night|old|page|part|person|point|seat|star|"
    "state|storey|story|way|week|woman|year"
)
_SITE = r"(?:[A-Z][\w.&']*\s?){1,3}(?:$|\|)"
"""What stands behind a dash at the end: `… - Reuters`, `… - North Harbour Post`."""

_ENTITY = re.compile(r"& ?(?:(#) ?)?([0-9]{2,5}|x[0-9a-fA-F]{2,4}|[a-z]{2,6}) ?;")
_RULES: tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...] = (
    # the signs without which the rules have nothing to do; the rules
    (
        (" . ",),
        (
            (r"\b([A-Z]) \. ([A-Z]) \.(?: ([A-Z]) \.)?", r"\1.\2.\3."),  # U . S . and U . S . A .
            (r"(?<=[A-Z]\.[A-Z])\.\.", "."),  # the full stop of a third letter that was not there
            (r"\b([ap]) \. m\b(?: \.)?", r"\1.m."),  # 5 p . m .
            (r"(?<=\w) \. (?=(?:com|org|net|gov|edu|co|io|ai|tv|uk|fm)\b)", "."),  # Booking . com
        ),
    ),
    ((" : ",), ((r"\b(\d{1,2}) : (?=\d{2} ?(?:[ap]\.?m\b|GMT|BST|CET|EST|ET|UTC))", r"\1:"),)),  # 10 : 30 am
    ((" / ",), ((r"(?<=\d) / (?=\d)|(?<=\band) / (?=or\b)", "/"),)),  # 24 / 7
    ((" & ",), ((r"\b([A-Z]{1,2}) & (?=[A-Z]\b)", r"\1&"),)),  # AT & T
    (("# ", "@ "), ((r"(?<!\S)([#@]) (?=\w)", r"\1"),)),  # # metoo
    (("¿ ", "¡ ", "“ ", "„ ", "‘ "), ((r"([¿¡“„‘]) (?=\S)", r"\1"),)),
    ((" ”", " ؟", " ،", " ؛", " ।"), ((r"(?<=\S) (?=[”؟،؛।])", ""),)),
    (
        (" '", "' ", " ’", "’ "),
        (
            (r"(?<=\w) ?(['’]) ?(?=(?:s|t|re|ve|ll|d|m)\b)", r"\1"),  # Iran ' s, don ' t
            (r"(?<!['’])(?<!['’] )\b([A-Za-z]|[Qq]u|[DN]ell|[dn]ell|aujourd) (['’]) (?=\w)", r"\1\2"),  # O ' Brien
            (r"(?<!\S)' ([^']+) '(?!\w)", r"'\1'"),
            (r"^([^'’]*\ws) (?=['’] [^'’]*$)", r"\1"),  # workers ' rights, where no other quotation mark stands
        ),
    ),
    (('" ',), ((r'(?<!\S)" ([^"]+) "(?!\w)', r'"\1"'),)),
    (
        (" - ",),
        (
            (r"(?:(?<=\d)|(?<=\b[A-Z])|(?<=\b[A-Z]{2})|(?<=\bCOVID)) - (?=\d)", "-"),  # 2 - 1, F - 15E
            (rf"\b((?i:{_PREFIXES})|[AE]l) - (?=\w)", r"\1-"),  # pro - European, Al - Aqsa
            (rf"(?<=\w) - (?=(?:{_SECOND_PARTS})\b)", "-"),
            (rf"\b([A-Z]{{2,4}}) - (?!{_SITE})(?=[A-Z])", r"\1-"),  # US - Israel talks
        ),
    ),
)
_COMPILED = [(signs, [(re.compile(pattern), new) for pattern, new in rules]) for signs, rules in _RULES]
_NAMES = re.compile(rf"\b([A-Z]\w*) - (?!{_SITE})(?=[A-Z])")
_CJK = r"[\u3001-\u30ff\u31f0-\u9fff\uff01-\uffef]"
_CJK_SPACES = re.compile(rf" (?=[・％！＝／〜》】])|(?<=[・《【]) |(?<=[％＝／〜]) (?={_CJK})")


def repaired(title: str) -> str:
    """Return the title with its marks where writers put them, entities resolved and single spaces."""
    title = spaces(html.unescape(_ENTITY.sub(r"&\1\2;", characters(nfc(title)))))
    for signs, rules in _COMPILED:
        if any(sign in title for sign in signs):
            for pattern, replacement in rules:
                title = pattern.sub(replacement, title)
    if " - " in title and _is_sentence(title):
        title = _NAMES.sub(r"\1-", title)  # Iran - Iraq border; where every word has a capital it may be a dash
    title = punctuation(title)
    return title if title.isascii() else _CJK_SPACES.sub("", title)


def _is_sentence(title: str) -> bool:
    """Tell whether capitals mark names, unlike in A Title Where Every Word Has One."""
    words = [word for word in title.split() if len(word) > 3 and word.isalpha()]
    return sum(word.islower() for word in words) * 4 >= len(words)
