"""How many tokens texts have for an encoder: its tokenizer alone, without its network.

It counts what `EncoderModel.encode` would read if nothing were cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import EncoderError, MissingExtra
from copydesk.models.encoder import quiet_transformers, token_limit
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.progress import Progress

_TEXTS_AT_ONCE = 1_000
_ANY = 1_000_000


@dataclass(frozen=True)
class TokenCounts:
    """The number of each text's tokens, special ones included.

    `pieces` is how many are not special, `unknown` the share of these that the vocabulary lacks. `limit` is what the
    encoder reads at once, `most` what it could at best.
    """

    lengths: NDArray[np.int64]
    pieces: int
    unknown: float
    limit: int
    most: int


def count_tokens(texts: Sequence[str], encoder: Path, max_tokens: int, progress: Progress) -> TokenCounts:
    """Count tokens with the tokenizer in the folder. Raises `EncoderError` if there is none, or `MissingExtra`."""
    try:
        from transformers import AutoConfig, AutoTokenizer
    except ImportError:
        raise MissingExtra("Counting tokens", "train", "transformers") from None
    with quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(encoder, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(encoder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise EncoderError(f"'{encoder}' holds no tokenizer that can be read: {error}.") from error
    lengths, unknown = [np.empty(0, np.int64)], 0
    with progress.track("counting tokens", len(texts), "texts") as advance:
        for begin in range(0, len(texts), _TEXTS_AT_ONCE):
            chunk = texts[begin : begin + _TEXTS_AT_ONCE]
            rows = _encoded(tokenizer, chunk)
            lengths.append(np.array([len(row) for row in rows], np.int64))
            unknown += sum(row.count(tokenizer.unk_token_id) for row in rows)
            advance(len(chunk))
    counted = np.concatenate(lengths)
    paired = sum(COLUMN_SEPARATOR in text for text in texts)
    special = [tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True)]
    pieces = int(counted.sum()) - special[0] * (len(texts) - paired) - special[1] * paired
    most = token_limit(tokenizer, config, _ANY)
    return TokenCounts(counted, pieces, unknown / max(pieces, 1), min(most, max_tokens), most)


def _encoded(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:  # noqa: ANN401 (any tokenizer)
    """Return the texts' ids; with several columns the first is one segment and the others are the other."""
    rows: list[list[int]] = [[] for _ in texts]
    for paired in (False, True):
        places = [place for place, text in enumerate(texts) if (COLUMN_SEPARATOR in text) == paired]
        if not places:
            continue
        columns = [texts[place].split(COLUMN_SEPARATOR) for place in places]
        found = tokenizer(
            [parts[0] for parts in columns],
            [" ".join(parts[1:]) for parts in columns] if paired else None,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        for place, ids in zip(places, found, strict=True):
            rows[place] = ids
    return rows
