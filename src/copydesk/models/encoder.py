"""A fine-tuned Hugging Face encoder with a classification head.

Any encoder that `AutoModel` knows will do. The head is linear on the mean of the token vectors: with half the
layers frozen it did better on headlines than a head on the first token with none frozen (docs/LOG.md). The folder
holds an ordinary transformers model and `head.safetensors`. Training is in `finetune.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import MissingExtra
from copydesk.files import write_json
from copydesk.models.batches import budget_batches
from copydesk.models.tokens import Tokens, join_rows
from copydesk.normalise import COLUMN_SEPARATOR

try:
    import torch
except ImportError:  # pragma: no cover - shown in an environment without the extra
    raise MissingExtra("The encoder", "train", "torch") from None

SETTINGS_FILE = "encoder.json"
HEAD_FILE = "head.safetensors"
PREDICT_BATCH_TOKENS = 4_096
LongTexts = Literal["head", "head_tail", "windows"]
_CHARACTERS_PER_TOKEN = 100
"""Text beyond this many characters per allowed token is not tokenised: no token is that long in practice."""
_TEXTS_AT_ONCE = 2_000
_HEAD_SHARE = 0.25
"""Of a long text a quarter is read from its beginning, the rest from its end (Sun et al. 2019)."""
_OVERLAP = 0.25
_MOST_WINDOWS = 32

Inputs = dict[str, torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class PooledClassifier(torch.nn.Module):
    """An encoder's last hidden states, averaged over the row's tokens, to logits."""

    def __init__(self, body: Any, outputs: int) -> None:  # noqa: ANN401 (any transformers encoder)
        super().__init__()
        body.pooler = None  # a head on the first token, where the architecture has one; not used
        self.body = body
        self.head = torch.nn.Linear(body.config.hidden_size, outputs)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)
        self.loss: Loss | None = None

    def forward(self, labels: torch.Tensor | None = None, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return `logits`, shape (rows, outputs), and with targets the mean `loss` that training has set."""
        logits = self.head(self.vectors(**inputs))
        if labels is None or self.loss is None:
            return {"logits": logits}
        return {"loss": self.loss(logits.float(), labels), "logits": logits}

    def vectors(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the mean of each row's last hidden states, shape (rows, hidden)."""
        hidden: torch.Tensor = self.body(**inputs).last_hidden_state
        mask = inputs.get("attention_mask")
        if mask is None:
            return hidden.mean(dim=1)
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(dim=1) / weight.sum(dim=1)


@dataclass(frozen=True)
class Reading:
    """How much of a text the encoder reads at once, and what it does with a longer one."""

    max_tokens: int
    long_texts: LongTexts = "head"


class EncoderModel:
    """A network, its tokenizer, and how it reads texts."""

    kind = "encoder"

    def __init__(self, network: PooledClassifier, tokenizer: Any, reading: Reading) -> None:  # noqa: ANN401
        self.network = network
        self.tokenizer = tokenizer
        self.reading = reading

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Return the texts' token ids (and segment ids, where there are any).

        The first text column is the first segment, the others, joined by spaces, are the second. Special tokens that
        a user writes, such as `[SEP]`, are read as plain text. A text beyond `max_tokens` is cut after its beginning
        (`head`), in its middle (`head_tail`), or has several overlapping rows (`windows`, at most 32).
        """
        ids: list[list[int]] = []
        segments: list[list[int]] = []
        owner: list[int] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            chunk = texts[start : start + _TEXTS_AT_ONCE]
            rows: list[list[dict[str, list[int]]]] = [[] for _ in chunk]
            for paired in (False, True):
                places = [place for place, text in enumerate(chunk) if (COLUMN_SEPARATOR in text) == paired]
                for place, row in self._encode_alike([chunk[place] for place in places], paired):
                    rows[places[place]].append(row)
            for place, of_text in enumerate(rows):
                for row in of_text[:_MOST_WINDOWS]:
                    ids.append(row["input_ids"])
                    segments.append(row.get("token_type_ids") or [0] * len(row["input_ids"]))
                    owner.append(start + place)
        return join_rows(ids, segments, owner, len(texts))

    def _encode_alike(self, texts: list[str], paired: bool) -> Iterator[tuple[int, dict[str, list[int]]]]:
        """Yield rows with the place of their text, for texts that all have one column or all have several."""
        if not texts:
            return
        limit, windows = self.reading.max_tokens, self.reading.long_texts == "windows"
        columns = [text.split(COLUMN_SEPARATOR) for text in texts]
        first = [parts[0] for parts in columns]
        second = [" ".join(parts[1:]) for parts in columns] if paired else None
        special = self.tokenizer.num_special_tokens_to_add(pair=paired)
        if second is None:
            first = self._fitted(first, limit - special)
        elif self.reading.long_texts == "head":
            first, second = self._fitted(first, limit), self._fitted(second, limit)
        else:  # the first column keeps at most a quarter, so that the second has a known place
            first = self._shortened(first, limit // 4, 1.0)
            second = self._fitted(second, limit - limit // 4 - special)
        more: dict[str, Any] = {"return_overflowing_tokens": True, "stride": int(limit * _OVERLAP)} if windows else {}
        encoded = self.tokenizer(
            first,
            second,
            truncation="only_second" if windows and paired else True,
            max_length=limit,
            split_special_tokens=True,
            return_attention_mask=False,
            **more,
        )
        owner = encoded.pop("overflow_to_sample_mapping") if windows else range(len(texts))
        keys = list(encoded.keys())
        for place, *row in zip(owner, *encoded.values(), strict=True):
            yield int(place), dict(zip(keys, row, strict=True))

    def _fitted(self, texts: list[str], tokens: int) -> list[str]:
        """Return texts of a length that can be tokenised; with `head_tail`, of so many tokens."""
        if self.reading.long_texts == "head_tail":
            return self._shortened(texts, tokens, _HEAD_SHARE)
        most = self.reading.max_tokens * _CHARACTERS_PER_TOKEN
        return [text[: most * (_MOST_WINDOWS if self.reading.long_texts == "windows" else 1)] for text in texts]

    def _shortened(self, texts: list[str], tokens: int, head_share: float) -> list[str]:
        """Return texts of at most so many tokens, cut out of the middle: `head_share` of them from the beginning."""
        most = tokens * _CHARACTERS_PER_TOKEN
        texts = [text if len(text) <= 2 * most else f"{text[:most]} {text[-most:]}" for text in texts]
        found = self.tokenizer(
            texts, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False, verbose=False
        )["offset_mapping"]
        head = int(tokens * head_share)
        tail = tokens - head
        return [
            text
            if len(offsets) <= tokens
            else (text[: offsets[head - 1][1]] if head else "")
            + (" " + text[offsets[len(offsets) - tail][0] :] if tail else "")
            for text, offsets in zip(texts, found, strict=True)
        ]

    def batch(self, tokens: Tokens, rows: Sequence[int] | NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Return these rows as the network takes them."""
        padded = tokens.padded(rows, self.tokenizer.pad_token_id)
        return {key: torch.from_numpy(array) for key, array in padded.items()}

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return raw outputs, shape (n, outputs), in the order of the texts, computed in order of length."""
        return self.logits_of(self.encode(texts))

    def logits_of(self, tokens: Tokens) -> NDArray[np.float32]:
        """Return raw outputs of already encoded texts, the mean of a text's rows."""
        rows = np.arange(len(tokens))
        outputs = self._run(
            tokens, rows, self.network.head.out_features, lambda inputs: self.network(**inputs)["logits"]
        )
        return tokens.by_text(outputs)

    def vectors_of(self, tokens: Tokens, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the mean of the last hidden states of some rows, shape (len(rows), hidden)."""
        network = self.network
        return self._run(tokens, rows, network.head.in_features, lambda inputs: network.vectors(**inputs))

    def _run(
        self, tokens: Tokens, rows: NDArray[np.int64], columns: int, compute: Callable[[Inputs], torch.Tensor]
    ) -> NDArray[np.float32]:
        result = np.empty((len(rows), columns), np.float32)
        device = next(self.network.parameters()).device
        self.network.eval()
        with torch.inference_mode():
            for batch in budget_batches(tokens.lengths[rows], PREDICT_BATCH_TOKENS):
                inputs = {key: array.to(device) for key, array in self.batch(tokens, rows[batch]).items()}
                result[batch] = compute(inputs).float().cpu().numpy()
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
        write_json(
            folder / SETTINGS_FILE, {"max_tokens": self.reading.max_tokens, "long_texts": self.reading.long_texts}
        )

    @classmethod
    def load(cls, folder: Path) -> EncoderModel:
        """Read what `save` wrote; onto the GPU if there is one."""
        from safetensors.torch import load_file

        reading = Reading(**json.loads((folder / SETTINGS_FILE).read_text("utf-8")))
        head = load_file(folder / HEAD_FILE)
        model = cls.pretrained(folder, outputs=len(head["bias"]), reading=reading)
        model.network.head.load_state_dict(head)
        model.network.to("cuda" if torch.cuda.is_available() else "cpu")
        return model

    @classmethod
    def pretrained(cls, folder: Path, *, outputs: int, reading: Reading) -> EncoderModel:
        """Load an encoder with its tokenizer and a new head, all zeros; `max_tokens` is lowered to what fits."""
        from transformers import AutoModel, AutoTokenizer

        with quiet_transformers():
            body = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        limit = token_limit(tokenizer, body.config, reading.max_tokens)
        return cls(PooledClassifier(body, outputs), tokenizer, Reading(limit, reading.long_texts))


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
