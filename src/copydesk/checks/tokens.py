"""Which single words decide: how words and labels go together in texts, and what a model loses without a word.

A word is a run of letters, digits and apostrophes, case ignored; a text counts once for each of its words. It looks at
one word at a time: two words that only together give the label away are not seen.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from copydesk.data.labels import LABELS
from copydesk.runtime.engine import Classifier
from copydesk.types import Label

_WORD = re.compile(r"[\w'’]+")


@dataclass(frozen=True)
class Telling:
    """A word, the label that most of its texts have, how many texts it stands in, and the share with that label.

    `reach` is the share of the label's texts with the word; `gain` orders words by how much they tell.
    """

    word: str
    label: str
    texts: int
    share: float
    reach: float
    gain: float


def telling_words(texts: Sequence[str], labels: Sequence[Label], task: str, *, most: int) -> list[Telling]:
    """Return the words that tell most of a label, the most telling first.

    The gain is how many more of a word's texts have the label than would by chance, as a share of all texts.
    """
    kind = LABELS[task]
    names = [sorted(kind.present(label)) for label in labels]
    totals = Counter(name for row in names for name in row)
    pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    stands = Counter[str]()
    for text, row in zip(texts, names, strict=True):
        for word in words_of(text):
            stands[word] += 1
            pairs[word].update(row)
    found = []
    for word, counts in pairs.items():
        label, together = max(counts.items(), key=lambda item: (item[1] - stands[word] * totals[item[0]], item[0]))
        gain = (together - stands[word] * totals[label] / len(texts)) / len(texts)
        found.append(
            Telling(word, label, stands[word], together / stands[word], together / max(totals[label], 1), gain)
        )
    return sorted(found, key=lambda one: (-one.gain, one.word))[:most]


def words_of(text: str) -> set[str]:
    """Return the different words of a text, lower case."""
    return {word.lower() for word in _WORD.findall(text)}


def without_word(text: str, word: str) -> str:
    """Return a text without a word, wherever it stands."""
    return _WORD.sub(lambda found: "" if found[0].lower() == word else found[0], text)


def lost_without(classifier: Classifier, texts: Sequence[str], labels: Sequence[Label], word: str) -> float:
    """Return by how much the share of right answers falls when a word is taken out of every text; below 0 it rises."""
    task, targets = classifier.task, classifier.task.encode(labels)
    holding = [place for place, text in enumerate(texts) if word in words_of(text)]
    if not holding:
        return 0.0
    chosen = [texts[place] for place in holding]
    before = task.right(targets[holding], classifier.scores(chosen))
    after = task.right(targets[holding], classifier.scores([without_word(text, word) for text in chosen]))
    return float((before.astype(np.int64) - after.astype(np.int64)).sum() / len(texts))


def chance_quality(labels: Sequence[Label]) -> float:
    """Return the share of right answers of whoever always gives the most frequent answer."""
    return max(Counter(map(repr, labels)).values()) / len(labels) if labels else 0.0
