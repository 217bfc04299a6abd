"""A fine-tuned Hugging Face encoder with a classification head.

Any encoder that `AutoModel` knows will do. The head is linear on the mean of the token vectors: with half the
layers frozen it did better on headlines than a head on the first token with none frozen (docs/LOG.md). The folder
holds an ordinary transformers model and `head.safetensors`. Training is in `finetune.py`.
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
HEAD_FILE = "head.safetensors"
PREDICT_BATCH_TOKENS = 4_096
_CHARACTERS_PER_TOKEN = 100
"""Text beyond this many characters per allowed token is not tokenised: no token is that long in practice."""

TokenIds = list[list[int]]


class PooledClassifier(torch.nn.Module):
    """An encoder's last hidden states, averaged over the text's tokens, to logits."""

    def __init__(self, body: Any, labels: int) -> None:  # noqa: ANN401 (any transformers encoder)
        super().__init__()
        body.pooler = None  # a head on the first token, where the architecture has one; not used
        self.body = body
        self.head = torch.nn.Linear(body.config.hidden_size, labels)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, labels: torch.Tensor | None = None, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return `logits`, shape (texts, labels), and with label indices the mean cross-entropy as `loss`."""
        hidden = self.body(**inputs).last_hidden_state
        mask = inputs.get("attention_mask")
        if mask is None:
            mean = hidden.mean(dim=1)
        else:
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        logits = self.head(mean)
        if labels is None:
            return {"logits": logits}
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


class EncoderModel:
    """A network, its tokenizer, and how many tokens of a text it reads."""

    kind = "encoder"

    def __init__(self, network: PooledClassifier, tokenizer: Any, max_tokens: int) -> None:  # noqa: ANN401
        self.network = network
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    def encode(self, texts: Sequence[str]) -> list[dict[str, list[int]]]:
        """Return each text's token ids (and segment ids, if the network takes them), cut to `max_tokens`.

        The first text column is the first segment, the others, joined by spaces, are the second. Special tokens that
        a user writes, such as `[SEP]`, are read as plain text.
        """
        rows: list[dict[str, list[int]]] = [{} for _ in texts]
        for paired in (False, True):
            places = [place for place, text in enumerate(texts) if (COLUMN_SEPARATOR in text) == paired]
            for place, row in zip(places, self._encode_alike([texts[place] for place in places], paired), strict=True):
                rows[place] = row
        return rows

    def _encode_alike(self, texts: list[str], paired: bool) -> Iterator[dict[str, list[int]]]:
        if not texts:
            return iter(())
        limit = self.max_tokens * _CHARACTERS_PER_TOKEN
        columns = [text.split(COLUMN_SEPARATOR) for text in texts]
        encoded = self.tokenizer(
            [parts[0][:limit] for parts in columns],
            [" ".join(parts[1:])[:limit] for parts in columns] if paired else None,
            truncation=True,
            max_length=self.max_tokens,
            split_special_tokens=True,
            return_attention_mask=False,
        )
        keys = list(encoded.keys())
        return (dict(zip(keys, row, strict=True)) for row in zip(*encoded.values(), strict=True))

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Pad encoded texts to the longest among them; no attention mask where nothing is padded."""
        lengths = [len(row["input_ids"]) for row in rows]
        longest = max(lengths)
        fill = {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": 0}
        batch: dict[str, Any] = {
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
        result = np.empty((len(rows), self.network.head.out_features), np.float32)
        device = next(self.network.parameters()).device
        self.network.eval()
        with torch.inference_mode():
            for batch in budget_batches(lengths, PREDICT_BATCH_TOKENS):
                inputs = {
                    key: value.to(device) for key, value in self.collate([rows[place] for place in batch]).items()
                }
                result[batch] = self.network(**inputs)["logits"].float().cpu().numpy()
        return result

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), configuration and tokenizer."""
        from safetensors.torch import save_file

        with quiet_transformers():
            self.network.body.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        save_file(
            {name: array.contiguous().cpu() for name, array in self.network.head.state_dict().items()},
            folder / HEAD_FILE,
        )
        write_json(folder / SETTINGS_FILE, {"max_tokens": self.max_tokens})

    @classmethod
    def load(cls, folder: Path) -> EncoderModel:
        """Read what `save` wrote; onto the GPU if there is one."""
        from safetensors.torch import load_file

        settings = json.loads((folder / SETTINGS_FILE).read_text("utf-8"))
        head = load_file(folder / HEAD_FILE)
        model = cls.pretrained(folder, labels=len(head["bias"]), max_tokens=settings["max_tokens"])
        model.network.head.load_state_dict(head)
        model.network.to("cuda" if torch.cuda.is_available() else "cpu")
        return model

    @classmethod
    def pretrained(cls, folder: Path, *, labels: int, max_tokens: int) -> EncoderModel:
        """Load an encoder with its tokenizer and a new head, all zeros; `max_tokens` is lowered to what fits."""
        from transformers import AutoModel, AutoTokenizer

        with quiet_transformers():
            body = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(PooledClassifier(body, labels), tokenizer, token_limit(tokenizer, body.config, max_tokens))


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
