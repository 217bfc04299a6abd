"""What every model can do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Model(Protocol):
    """A trained model over already normalised texts; it knows columns, not label names."""

    kind: str

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return raw outputs, shape (len(texts), labels), in the order of the texts.

        Each text's row depends on that text alone, up to rounding, whatever else is in the list.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder: safetensors and JSON, never a pickle."""
        ...
