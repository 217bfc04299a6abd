"""The mean of the weights over most of a training, beside which the last weights are one noisy draw.

Stochastic weight averaging (Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization"),
over every update and under the usual falling learning rate. It changes nothing in the training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import get_swa_multi_avg_fn
from transformers import TrainerCallback

AVERAGE_FILE = "average.safetensors"
_UPDATES = "updates"
_FIRST_SHARE = 0.25
"""The mean begins after this share of the planned updates: what comes before is too far from where training ends."""


class Averaging(TrainerCallback):  # type: ignore[misc]
    """The running mean of a network's trained weights."""

    def __init__(self, network: torch.nn.Module) -> None:
        self._weights = {name: array for name, array in network.named_parameters() if array.requires_grad}
        self._mean: dict[str, torch.Tensor] = {}
        self._add = get_swa_multi_avg_fn()  # type: ignore[no-untyped-call]
        self.updates = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        """Take the weights in, once the first quarter is over."""
        if state.global_step > state.max_steps * _FIRST_SHARE:
            self.add()

    def add(self) -> None:
        """Take the network's present weights into the mean."""
        weights = [array.detach() for array in self._weights.values()]
        if self._mean:
            self._add(list(self._mean.values()), weights, self.updates)
        else:
            self._mean = dict(zip(self._weights, [array.clone() for array in weights], strict=True))
        self.updates += 1

    def swap(self) -> None:
        """Exchange the network's weights and the mean; a second call undoes it."""
        with torch.no_grad():
            for name, mean in self._mean.items():
                weights = self._weights[name]
                before = weights.clone()
                weights.copy_(mean)
                mean.copy_(before)

    def save(self, folder: Path) -> None:
        """Write the mean, so that a training that goes on from this checkpoint ends with the same."""
        save_file({**self._mean, _UPDATES: torch.tensor(self.updates)}, folder / AVERAGE_FILE)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        arrays = load_file(folder / AVERAGE_FILE)
        self.updates = int(arrays.pop(_UPDATES))
        self._mean = {name: arrays[name].to(array.device) for name, array in self._weights.items() if name in arrays}
