"""A fine-tuned Hugging Face encoder with a classification head.

Any architecture that `AutoModelForSequenceClassification` knows will do. The folder it saves is an ordinary
transformers model. Training is in `finetune.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import MissingExtra
from copydesk.files import write_json
from copydesk.models.batches import budget_batches
from copydesk.normalise import COLUMN_SEPARATOR

try:
    import torch
except ImportError:  # pragma: no cover - shown in an environment without the extra
    raise MissingExtra("The encoder", "train", "torch") from None

SETTINGS_FILE = "encoder.json"
PREDICT_BATCH_TOKENS = 4_096
_CHARACTERS_PER_TOKEN = 100
"""Text beyond this many characters per allowed token is not tokenised: no token is that long in practice."""

TokenIds = list[list[int]]


class EncoderModel:
    """A network, its tokenizer, and how many tokens of a text it reads."""

    kind = "encoder"

    def __init__(self, network: Any, tokenizer: Any, max_tokens: int) -> None:  # noqa: ANN401 (transformers' own)
        self.network = network
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    def encode(self, texts: Sequence[str]) -> list[dict[str, list[int]]]:
        """Return each text's token ids (and segment ids, if the network takes them), cut to `max_tokens`.

        The first text column is the first segment, the others, joined by spaces, are the second. Special tokens that
        a user writes, such as `[SEP]`, are read as plain text.
        """
        if not texts:
            return []
        limit = self.max_tokens * _CHARACTERS_PER_TOKEN
        columns = [text.split(COLUMN_SEPARATOR) for text in texts]
        first = [parts[0][:limit] for parts in columns]
        pairs = max(len(parts) for parts in columns) > 1
        second = [" ".join(parts[1:])[:limit] for parts in columns] if pairs else None
        encoded = self.tokenizer(
            first, second, truncation=True, max_length=self.max_tokens, split_special_tokens=True, return_attention_mask=False
        )
        return [dict(zip(encoded.keys(), row, strict=True)) for row in zip(*encoded.values(), strict=True)]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Pad encoded texts to the longest among them; no attention mask where nothing is padded."""
        lengths = [len(row["input_ids"]) for row in rows]
        longest = max(lengths)
        fill = {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": 0}
        batch = {
            key: torch.tensor([row[key] + [fill[key]] * (longest - len(row[key])) for row in rows])
            for key in ("input_ids", "token_type_ids")
            if key in rows[0]
        }
        if min(lengths) < longest:
            batch["attention_mask"] = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return raw outputs, shape (n, labels), in the order of the texts, computed in order of length."""
        rows = self.encode(texts)
        lengths = np.fromiter((len(row["input_ids"]) for row in rows), np.int64, len(rows))
        result = np.empty((len(rows), self.network.config.num_labels), np.float32)
        device = next(self.network.parameters()).device
        self.network.eval()
        with torch.inference_mode():
            for batch in budget_batches(lengths, PREDICT_BATCH_TOKENS):
                inputs = {key: value.to(device) for key, value in self.collate([rows[place] for place in batch]).items()}
                result[batch] = self.network(**inputs).logits.float().cpu().numpy()
        return result

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), configuration and tokenizer."""
        with quiet_transformers():
            self.network.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        write_json(folder / SETTINGS_FILE, {"max_tokens": self.max_tokens})

    @classmethod
    def load(cls, folder: Path) -> EncoderModel:
        """Read what `save` wrote; onto the GPU if there is one."""
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        settings = json.loads((folder / SETTINGS_FILE).read_text("utf-8"))
        with quiet_transformers():
            network = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(network.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, settings["max_tokens"])


def token_limit(tokenizer: Any, config: Any, wanted: int) -> int:  # noqa: ANN401 (transformers' own)
    """Return how many tokens fit: the recipe's wish, the tokenizer's limit, and the network's positions."""
    positions = getattr(config, "max_position_embeddings", None) or wanted
    if getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        positions -= 2  # these architectures start counting positions after the padding index
    return int(min(wanted, tokenizer.model_max_length, positions))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' remarks about the new head and its bars; its errors stay."""
    from transformers import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
