"""What texts are written in: their languages, and the words that are most typical of each label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copydesk.describe.facts import LanguageFacts, Word, WordFacts
from copydesk.describe.table import Indices, Labels, Table
from copydesk.languages import UNSURE, languages_of
from copydesk.progress import Progress

_READ_TEXTS = 20_000
_READ_CHARACTERS = 8_000_000
_WORD_TEXTS = 100_000
_WORD_CHARACTERS = 20_000_000
_EXAMPLES = 3
LABELS_WITH_WORDS = 40
_WORDS = 12
_VOCABULARY = 30_000
_LEAST_TEXTS = 5
_PRIOR_WORDS = 500.0
"""How many words the prior is worth: that of Monroe et al., who had the length of a day's speeches."""
_SURE = 1.96
_RUN = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+|[^\W_]+(?:['’.-][^\W_]+)*")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True)
class Read:
    """Some texts (their places in the table), each with its language."""

    places: Indices
    texts: list[str]
    languages: list[str]


def read_some(table: Table, seed: int, progress: Progress) -> Read:
    """Choose the texts that are looked at one by one, and tell their languages."""
    places = table.some(_READ_TEXTS, _READ_CHARACTERS, seed)
    progress.say(f"telling the languages of {len(places):,} texts")
    texts = table.texts.gather(places).to_list()
    return Read(places, texts, languages_of(texts))


def languages_in(read: Read) -> LanguageFacts:
    """Count languages, with examples of those that are not the commonest."""
    counts = dict(Counter(read.languages).most_common())
    commonest = next((code for code in counts if code != UNSURE), UNSURE)
    examples: dict[str, list[str]] = {code: [] for code in counts if code != commonest}
    for code, text in zip(read.languages, read.texts, strict=True):
        if code in examples and len(examples[code]) < _EXAMPLES:
            examples[code].append(text)
    return LanguageFacts(len(read.texts), counts, examples)


def typical_words(table: Table, labels: Labels, seed: int, progress: Progress) -> WordFacts:
    """Return the words that speak most for each of the commonest labels against all other texts.

    The log-odds ratio with an informative Dirichlet prior, as a z-score (Monroe, Colaresi & Quinn 2008, Fightin'
    Words, Political Analysis 16, eq. 16 and 20-22), of words counted once per text.
    """
    chosen = table.some(_WORD_TEXTS, _WORD_CHARACTERS, seed)
    progress.say(f"comparing the words of {len(chosen):,} texts")
    own = labels.of(chosen)
    labelled = own.whole >= 0
    vocabulary, text, word = _words_by_text(table.texts.gather(chosen).to_list())
    kept = labelled[text]
    text, word = text[kept], word[kept]
    every = np.bincount(word, minlength=len(vocabulary))
    found = {}
    for number, name in enumerate(labels.names[:LABELS_WITH_WORDS]):
        inside = np.zeros(len(chosen), np.bool_)
        inside[own.text[own.name == number]] = True
        here = np.bincount(word[inside[text]], minlength=len(vocabulary))
        texts = (int(inside.sum()), int((labelled & ~inside).sum()))
        found[name] = _most_typical(vocabulary, here, every - here, texts)
    return WordFacts(int(labelled.sum()), found)


def _most_typical(vocabulary: Sequence[str], here: Indices, elsewhere: Indices, texts: tuple[int, int]) -> list[Word]:
    if not all(texts):
        return []
    z = log_odds(here, elsewhere)
    best = [place for place in np.argsort(-z, kind="stable")[:_WORDS].tolist() if z[place] > _SURE and here[place] > 1]
    return [
        Word(vocabulary[place], here[place] / texts[0], elsewhere[place] / texts[1], float(z[place])) for place in best
    ]


def log_odds(here: Indices, elsewhere: Indices) -> NDArray[np.float64]:
    """Return each word's log-odds ratio between two sets of texts over its standard deviation."""
    both = here + elsewhere
    prior = _PRIOR_WORDS * both / max(both.sum(), 1)
    strength = prior.sum()

    def odds(counts: Indices) -> NDArray[np.float64]:
        rest = counts.sum() + strength - counts - prior
        result: NDArray[np.float64] = np.log((counts + prior) / np.maximum(rest, 1e-9))
        return result

    with np.errstate(divide="ignore", invalid="ignore"):
        z = (odds(here) - odds(elsewhere)) / np.sqrt(1 / (here + prior) + 1 / (elsewhere + prior))
    return np.where(both > 0, z, 0.0)


def _words_by_text(texts: Sequence[str]) -> tuple[list[str], Indices, Indices]:
    """Return the vocabulary, and each different word of each text as the text and the word's number."""
    places: dict[str, int] = {}
    text: list[int] = []
    word: list[int] = []
    for number, one in enumerate(texts):
        of_text = {places.setdefault(found, len(places)) for found in _words(one)}
        word.extend(of_text)
        text.extend([number] * len(of_text))
    owner, code = np.array(text, np.int64), np.array(word, np.int64)
    counts = np.bincount(code, minlength=len(places))
    common = np.argsort(-counts, kind="stable")[:_VOCABULARY]
    common = common[counts[common] >= min(_LEAST_TEXTS, max(2, len(texts) // 100))]
    renamed = np.full(len(places), -1, np.int64)
    renamed[common] = np.arange(len(common))
    kept = renamed[code] >= 0
    names = list(places)
    return [names[place] for place in common.tolist()], owner[kept], renamed[code[kept]]


def _words(text: str) -> Iterator[str]:
    """Yield a text's words in lower case; of scripts without spaces every two neighbouring characters."""
    for run in _RUN.findall(text.lower()):
        if _UNSPACED.match(run) and len(run) > 2:
            yield from (run[place : place + 2] for place in range(len(run) - 1))
        else:
            yield run
