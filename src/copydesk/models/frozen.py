"""Frozen lower layers, run once instead of in every epoch.

What a frozen layer makes of a text never changes. So the highest frozen layer's output is computed once for all
training rows, kept in a file as float16, and replayed: in an epoch only the trained layers run. It does not know what
the layers are, only that each maps hidden states to hidden states.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from copydesk.models.batches import budget_batches
from copydesk.models.encoder import PREDICT_BATCH_TOKENS, EncoderModel, PooledClassifier
from copydesk.models.tokens import Tokens

_MOST_BYTES = 4 << 30
_FREE_SHARE = 0.5
"""The file may take this much of the free disk."""


class _Reached(Exception):
    """The wanted layer was passed; what is above it need not run."""


class Replay:
    """The outputs of a network's frozen layers for every training row.

    While `given` is set the layers stand aside and the highest gives that; else they run as ever.
    """

    def __init__(self, network: PooledClassifier, layers: Sequence[torch.nn.Module]) -> None:
        self.given: torch.Tensor | None = None
        self._network = network
        self._in_tuple = self._recording = False
        self._recorded: torch.Tensor | None = None
        self._outputs: NDArray[np.float16] | None = None
        for layer in layers:  # the instance's method, so that the modules keep their names
            layer.forward = self._standing_aside(layer.forward, last=layer is layers[-1])

    def _standing_aside(self, forward: Callable[..., Any], *, last: bool) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:  # noqa: ANN401 (the layer's own)
            if self.given is not None:
                return (self.given,) if self._in_tuple else self.given
            result = forward(*args, **options)
            if last and self._recording:
                self._in_tuple = isinstance(result, tuple)
                self._recorded = result[0] if self._in_tuple else result
                raise _Reached
            return result

        return run

    def record(self, model: EncoderModel, tokens: Tokens, file: Path) -> None:
        """Run the frozen layers once over all rows and keep what they give."""
        shape = (int(tokens.starts[-1]), self._network.head.in_features)
        outputs = np.memmap(file, np.float16, "w+", shape=shape)
        self._network.eval()
        self._recording = True
        with torch.inference_mode():
            for rows in budget_batches(tokens.lengths, PREDICT_BATCH_TOKENS):
                try:
                    self._network(**model.batch(tokens, rows))
                except _Reached:
                    pass
                assert self._recorded is not None
                real = np.arange(self._recorded.shape[1]) < tokens.lengths[rows][:, None]
                places = (tokens.starts[rows][:, None] + np.arange(self._recorded.shape[1]))[real]
                outputs[places] = self._recorded.numpy()[real].astype(np.float16)
        self._recording, self._recorded = False, None
        self._outputs = outputs

    def of(self, tokens: Tokens, rows: Sequence[int] | NDArray[np.int64]) -> torch.Tensor:
        """Return what was recorded for these rows, shape (rows, longest, hidden), padded with a row's own first."""
        assert self._outputs is not None
        begin, lengths = tokens.starts[rows], tokens.lengths[rows]
        places = np.arange(int(lengths.max()))
        index = np.where(places < lengths[:, None], begin[:, None] + places, begin[:, None])
        return torch.from_numpy(self._outputs[index].astype(np.float32))


def fits(tokens: Tokens, hidden: int, folder: Path) -> bool:
    """Tell whether the recorded outputs find room on the disk that holds `folder`."""
    needed = int(tokens.starts[-1]) * hidden * np.dtype(np.float16).itemsize
    return needed <= min(_MOST_BYTES, shutil.disk_usage(folder).free * _FREE_SHARE)
