"""Every number in a bundle's model files: how many there are, and how many are no number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def weights_of(folder: Path) -> tuple[int, int]:
    """Return how many weights the files hold, and how many of them are NaN or infinite.

    Reads safetensors and ONNX; whole-number tensors are counted and cannot be broken.
    """
    counted = broken = 0
    for path in sorted(folder.rglob("*")):
        for array in _arrays(path):
            counted += array.size
            if np.issubdtype(array.dtype, np.floating):
                broken += int((~np.isfinite(array)).sum())
    return counted, broken


def _arrays(path: Path) -> Iterator[NDArray[Any]]:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(str(path), framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 (it is no mapping)
                yield file.get_tensor(name)
    elif path.suffix == ".onnx":
        import onnx
        from onnx import numpy_helper

        for tensor in onnx.load(str(path)).graph.initializer:
            yield numpy_helper.to_array(tensor)
