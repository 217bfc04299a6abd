"""How long texts are: in characters, in words, and in tokens of the recipe's encoder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from copydesk.describe.facts import LengthFacts, Measure, TokenFacts, Vocabulary
from copydesk.describe.speech import Read
from copydesk.describe.table import Indices, Table
from copydesk.errors import EncoderError, MissingExtra
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.progress import Progress
from copydesk.recipe import Recipe

if TYPE_CHECKING:
    from copydesk.models.token_counts import TokenCounts

_BINS = 40
_QUANTILES = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "99 %": 0.99, "longest": 1.0}
_TAIL = 0.995
"""The histogram's last bin begins where this share of the texts has ended: one long text must not flatten the rest."""
_LIMITS = (32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192)


def lengths_of(table: Table, words: Indices, read: Read, recipe: Recipe, progress: Progress) -> LengthFacts:
    """Measure every text in characters and words, and those read in tokens, where the tokenizer is to be had.

    `words` has each text's number of words.
    """
    characters = table.texts.str.len_chars().to_numpy()
    tokens, reason = None, ""
    try:
        tokens = _tokens(read, recipe, words[read.places], progress)
    except (EncoderError, MissingExtra) as error:
        reason = str(error)
    return LengthFacts(measured(characters, "characters"), measured(words, "words"), tokens, reason)


def word_counts(texts: pl.Series) -> Indices:
    """Return the number of words, parted by white space, of each text."""
    counts = texts.str.replace_all(COLUMN_SEPARATOR, " ", literal=True).str.count_matches(r"\S+")
    return counts.cast(pl.Int64).to_numpy()


def measured(lengths: Indices, unit: str) -> Measure:
    """Return quantiles and a histogram of whole bins."""
    end = int(np.quantile(lengths, _TAIL, method="higher")) + 1
    width = max(1, -(-end // _BINS))
    edges = np.arange(0, end + width, width)
    counts = np.bincount(np.minimum(lengths // width, len(edges) - 2), minlength=len(edges) - 1)
    quantiles = {name: float(np.quantile(lengths, share, method="nearest")) for name, share in _QUANTILES.items()}
    return Measure(unit, len(lengths), float(lengths.mean()), quantiles, edges.astype(float).tolist(), counts.tolist())


def _tokens(read: Read, recipe: Recipe, words: Indices, progress: Progress) -> TokenFacts:
    """Count tokens. Raises `EncoderError` or `MissingExtra` where there is no tokenizer to be had."""
    from copydesk.models.token_counts import count_tokens
    from copydesk.models.weights import find_encoder

    model = recipe.model
    found = find_encoder(model.encoder, model.revision)
    counts = count_tokens(read.texts, found.folder, model.max_tokens, progress)
    lengths = counts.lengths
    return TokenFacts(
        encoder=model.encoder,
        limit=counts.limit,
        most=counts.most,
        long_texts=model.long_texts,
        length=measured(lengths, "tokens"),
        beyond=float((lengths > counts.limit).mean()),
        lost=float(np.maximum(lengths - counts.limit, 0).sum()) / max(int(lengths.sum()), 1),
        fits={limit: float((lengths <= limit).mean()) for limit in _LIMITS if limit <= counts.most},
        vocabulary=_vocabulary(counts, words, read.languages),
    )


def _vocabulary(counts: TokenCounts, words: Indices, languages: Sequence[str]) -> dict[str, Vocabulary]:
    """Return how the vocabulary fits each language, the commonest first."""
    codes = np.array(languages)
    found = {}
    for code, texts in Counter(languages).most_common():
        own = codes == code
        pieces = int(counts.pieces[own].sum())
        unknown = int(counts.unknown[own].sum()) / max(pieces, 1)
        found[code] = Vocabulary(texts, pieces / max(int(words[own].sum()), 1), unknown)
    return found
