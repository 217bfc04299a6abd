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

Indices = NDArray[np.int64]
_TEXTS_AT_ONCE = 1_000
_ANY = 1_000_000


@dataclass(frozen=True)
class TokenCounts:
    """Of each text the number of tokens, of those that are not special, and of those the vocabulary lacks.

    `limit` is what the encoder reads at once, special tokens included, `most` what it could at best.
    """

    lengths: Indices
    pieces: Indices
    unknown: Indices
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
            config = AutoConfig.from_pretrained(encoder, local_files_only=True, trust_remote_code=False)  # nosec B615 # a local cache
            tokenizer = AutoTokenizer.from_pretrained(encoder, local_files_only=True, trust_remote_code=False)  # nosec B615 # a local cache
        except (OSError, ValueError) as error:
            raise EncoderError(f"'{encoder}' holds no tokenizer that can be read: {error}.") from error
    rows = np.empty((len(texts), 3), np.int64)
    with progress.track("counting tokens", len(texts), "texts") as advance:
        for begin in range(0, len(texts), _TEXTS_AT_ONCE):
            chunk = texts[begin : begin + _TEXTS_AT_ONCE]
            for place, (text, ids) in enumerate(zip(chunk, _encoded(tokenizer, chunk), strict=True), begin):
                special = tokenizer.num_special_tokens_to_add(pair=COLUMN_SEPARATOR in text)
                rows[place] = len(ids), len(ids) - special, ids.count(tokenizer.unk_token_id)
            advance(len(chunk))
    most = token_limit(tokenizer, config, _ANY)
    return TokenCounts(rows[:, 0], rows[:, 1], rows[:, 2], min(most, max_tokens), most)


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
