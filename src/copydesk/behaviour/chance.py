"""Chance that depends on nothing but a seed and the text at hand: not on the order of texts, nor on other texts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from hashlib import blake2b

_TAUGHT_SHARE = 1 / 3


def chance_for(*parts: object) -> random.Random:
    """Return random numbers for a seed and whatever else they shall depend on."""
    return random.Random("\x1e".join(map(str, parts)))


def in_order(texts: Iterable[str], *parts: object) -> list[str]:
    """Return the different texts in an order that depends on the seed, and not on theirs."""
    return sorted(dict.fromkeys(texts), key=lambda text: (_digest(*parts, text), text))


def is_taught(value: str) -> bool:
    """Tell whether a text, or the word in a slot, is for teaching: a third of all. The others are asked about.

    What stands in a case never stands in a training text that repairs it, so that passing afterwards is no memory.
    """
    return _digest("taught", value.casefold()) < _TAUGHT_SHARE * 2**64


def _digest(*parts: object) -> int:
    return int.from_bytes(blake2b("\x1e".join(map(str, parts)).encode("utf-8", "replace"), digest_size=8).digest())
