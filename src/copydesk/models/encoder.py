"""A fine-tuned Hugging Face encoder with a classification head.

Any encoder that `AutoModel` knows will do. The head is linear on the mean of the token vectors: with half the
layers frozen it did better on headlines than a head on the first token with none frozen (docs/LOG.md). The folder
holds an ordinary transformers model and `head.safetensors`. Training is in `finetune.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import EncoderError, MissingExtra
from copydesk.models.batches import budget_batches
from copydesk.models.reader import Marks, Reader, Reading
from copydesk.models.tokens import Tokens

try:
    import torch
except ImportError:  # pragma: no cover - shown in an environment without the extra
    raise MissingExtra("The encoder", "train", "torch") from None

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HEAD_FILE = "head.safetensors"
PREDICT_BATCH_TOKENS = 4_096

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


class EncoderModel:
    """A network, its tokenizer, and how it reads texts."""

    kind = "encoder"

    def __init__(self, network: PooledClassifier, tokenizer: Any, reading: Reading) -> None:  # noqa: ANN401
        self.network = network
        self.tokenizer = tokenizer
        self.reader = Reader(_fast(tokenizer), reading, marks_of(tokenizer))

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Return the texts' token ids; see `Reader.encode`."""
        return self.reader.encode(texts)

    def batch(self, tokens: Tokens, rows: Sequence[int] | NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Return these rows as the network takes them."""
        padded = tokens.padded(rows, self.reader.marks.padding)
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
        self.reader.save(folder)

    @classmethod
    def load(cls, folder: Path) -> EncoderModel:
        """Read what `save` wrote; onto the GPU if there is one."""
        from safetensors.torch import load_file

        head = load_file(folder / HEAD_FILE)
        model = cls.pretrained(folder, outputs=len(head["bias"]), reading=Reader.load(folder).reading)
        model.network.head.load_state_dict(head)
        model.network.to("cuda" if torch.cuda.is_available() else "cpu")
        return model

    @classmethod
    def pretrained(cls, folder: Path, *, outputs: int, reading: Reading) -> EncoderModel:
        """Load an encoder with its tokenizer and a new head, all zeros; `max_tokens` is lowered to what fits."""
        from transformers import AutoModel, AutoTokenizer

        with quiet_transformers():
            body = AutoModel.from_pretrained(  # nosec B615 # a local folder, never the Hub
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)  # nosec B615 # a local folder
        limit = token_limit(tokenizer, body.config, reading.max_tokens)
        return cls(PooledClassifier(body, outputs), tokenizer, Reading(limit, reading.long_texts))


def marks_of(tokenizer: Any) -> Marks:  # noqa: ANN401 (any transformers tokenizer)
    """Return what the encoder is given beside token ids; where no token is for padding, 0 stands in, masked."""
    return Marks(padding=tokenizer.pad_token_id or 0, segments="token_type_ids" in tokenizer.model_input_names)


def _fast(tokenizer: Any) -> Tokenizer:  # noqa: ANN401 (any transformers tokenizer)
    """Return what is inside a fast tokenizer. Raises `EncoderError` for one that is written in Python."""
    inside: Tokenizer | None = getattr(tokenizer, "backend_tokenizer", None)
    if inside is None:
        raise EncoderError(
            f"The encoder's tokenizer ({type(tokenizer).__name__}) has no tokenizer.json, so it could not be served "
            "without torch. Take an encoder with a fast tokenizer."
        )
    return inside


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
