"""Answers as columns: what `decode` says of each text, for a whole batch at once and without an object per text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Names:
    """One of a few strings per entry, by its number; -1 is none."""

    numbers: NDArray[np.integer[Any]]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Lists:
    """A list per entry: `values` end to end, `lengths` of them each."""

    lengths: NDArray[np.integer[Any]]
    values: Column


Column = NDArray[Any] | Names | Lists | Mapping[str, "Column"]
"""Numbers or truths, strings, lists, or several columns side by side (an object per entry), all of one length."""
