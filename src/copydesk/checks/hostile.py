"""Texts that break what reads texts: controls, surrogates, accents without end, markup, other scripts, nothing at all.

Some are fixed, the others drawn from a seed over all of Unicode.
"""

from __future__ import annotations

import random

from copydesk.normalise import COLUMN_SEPARATOR

FIXED = (
    "",
    " \t\u2003 \n",
    "a",
    "x" * 20_000,
    "\\" * 2_000,
    "e" + "\u0301" * 2_000,
    "half a pair \ud83d and \udc00",
    "\x00" * 20 + "two\x00words",
    "مرحبا بالعالم \u202e backwards \u202c",
    "👩‍👩‍👧‍👦🏳️‍🌈" * 20,
    "ѫѯѱ ѵѷ ҂",
    "&amp;lt;b&amp;gt;twice&amp;lt;/b&amp;gt; &#39;escaped&#39; #39; \\u2019 \\ud83d\\ude00",
    "<script>alert(1)</script><b>bold</b><br/>",
    f"a forged{COLUMN_SEPARATOR}column{COLUMN_SEPARATOR}",
    "[CLS] [SEP] [PAD] <s> </s> <|endoftext|>",
    "war , from $1 . 776B and it 's 12 , 000 do n't",
    "很好吃，服务也不错。 とても美味しい",
    "١٢٣ ４５６ Ⅷ ½ ²",
    "\ufeff\u200bzero\u2060width\ufffe",
    "'; DROP TABLE models; -- {{7*7}} ${jndi:ldap://x} ../../etc/passwd",
)
_BLOCKS = ((0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x400, 0x600), (0x2000, 0x2100), (0xD7F0, 0xE010))
_WIDE = (0x1F300, 0x1FA00)


def hostile_texts(count: int, *, seed: int = 0) -> list[str]:
    """Return the fixed texts and so many drawn ones; the same seed gives the same texts."""
    chance = random.Random(seed)
    drawn = []
    for _ in range(count):
        blocks = chance.choices((*_BLOCKS, _WIDE), k=chance.randint(1, 60))
        drawn.append("".join(chr(chance.randrange(*block)) for block in blocks))
    return [*FIXED, *drawn]
