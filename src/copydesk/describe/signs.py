"""Signs on a text's surface that a model might go by instead of what is said: a digit in front, a question mark."""

from __future__ import annotations

import numpy as np

from copydesk.describe.facts import Sign
from copydesk.describe.table import Labels, Table

_BEGIN = r"^[\s\"'“”‘’«„(\[]*"
_END = r"[\s\"'”’»)\]]*$"
_CAPITALISED = r"\p{Lu}[\p{L}\p{M}'’]*"
_SIGNS = {
    "begin with a digit": _BEGIN + r"\d",
    "have a digit": r"\d",
    "have a question mark": r"[?？]",
    "have an exclamation mark": r"[!！]",
    "end with a full stop": r"[.。]" + _END,
    "have quotation marks": r"[\"“”«»„「『]",
    "have an address (URL)": r"https?://|www\.",
    "name a user (@…)": r"(?:^|\s)@\w",
    "have a hashtag": r"(?:^|\s)#\w",
    "have an emoji": r"[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}]",
    "have a word in capitals": r"\b\p{Lu}{4,}\b",
    "have every word capitalised": rf"^[^\p{{L}}]*(?:{_CAPITALISED}[^\p{{L}}]+){{3,}}{_CAPITALISED}[^\p{{L}}]*$",
    "are in lower case throughout": r"^[^\p{Lu}]*\p{Ll}[^\p{Lu}]*$",
}
_LEAST_SHARE = 0.005


def signs_of(table: Table, labels: Labels | None) -> list[Sign]:
    """Return the signs that occur, with each label's share of texts that have them."""
    found = []
    for name, pattern in _SIGNS.items():
        has = table.texts.str.contains(pattern).to_numpy()
        share = float(has.mean())
        if share >= _LEAST_SHARE:
            found.append(Sign(name, share, _by_label(labels, has) if labels else {}))
    return found


def _by_label(labels: Labels, has: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> dict[str, float]:
    counts = labels.counts()
    with_sign = np.bincount(labels.name[has[labels.text]], minlength=len(labels.names))
    return {name: float(with_sign[place] / counts[place]) for place, name in enumerate(labels.names)}
