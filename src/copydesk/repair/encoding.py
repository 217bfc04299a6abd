"""Vectors of texts by a pretrained encoder, as it is: nothing is trained. Only who asks for them imports this."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from copydesk.models import distributed
from copydesk.models.encoder import EncoderModel
from copydesk.models.reader import Reading
from copydesk.models.weights import find_encoder
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.repair.neighbours import Vectors, unit

_CHUNK_TEXTS = 1_000


def encoder_vectors(texts: Sequence[str], recipe: Recipe, progress: Progress) -> Vectors:
    """Return the mean token vectors of the recipe's encoder, scaled to length 1. Raises `EncoderError`."""
    files = find_encoder(recipe.model.encoder, recipe.model.revision)
    progress.say(f"encoder {recipe.model.encoder} from {files.origin}")
    reading = Reading(recipe.model.max_tokens, recipe.model.long_texts)
    model = EncoderModel.pretrained(files.folder, outputs=1, reading=reading)
    model.network.to(distributed.device())
    parts = []
    with progress.track("encoding texts", len(texts), "texts") as advance:
        for begin in range(0, len(texts), _CHUNK_TEXTS):
            chunk = texts[begin : begin + _CHUNK_TEXTS]
            tokens = model.encode(chunk)
            parts.append(tokens.by_text(model.vectors_of(tokens, np.arange(len(tokens)))))
            advance(len(chunk))
    return unit(np.concatenate(parts))
