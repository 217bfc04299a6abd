"""Training losses over a task's heads, in torch.

The mean over known targets of each head, summed by the heads' weights: cross-entropy for a softmax, binary
cross-entropy for sigmoids, squared error for a tanh. Focal loss (Lin et al. 2017) and asymmetric loss (Ridnik et al.
2021) are for sigmoids. A target that is a probability p gives every one of them its expected value: p of a text with
the label, 1 - p of one without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from copydesk.tasks import Head, Targets

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
_FOCUS = 2.0
_NEGATIVE_FOCUS, _NEGATIVE_MARGIN = 4.0, 0.05
_MOST_WEIGHT = 20.0


def make_loss(heads: Sequence[Head], kind: str, weights: NDArray[np.float32] | None = None) -> Loss:
    """Return the loss of logits, shape (n, outputs), and targets as the task encodes them.

    `kind` is `cross_entropy`, `focal` or `asymmetric`; `weights`, one per output, make labels weigh more or less.
    """
    scale = None if weights is None else torch.from_numpy(weights)

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        columns = targets.reshape(len(targets), -1)
        total = logits.new_zeros(())
        for head in heads:
            own = None if scale is None else scale[head.start : head.stop].to(logits.device)
            total = total + head.weight * _head_loss(head, logits[:, head.start : head.stop], columns, kind, own)
        return total

    return loss


def balanced_weights(heads: Sequence[Head], targets: Targets) -> NDArray[np.float32]:
    """Return a weight per output: as if every label had as many training texts as the others.

    A softmax label weighs texts / (labels x its texts); a sigmoid label's positives weigh negatives / positives, at
    most 20.
    """
    columns = targets.reshape(len(targets), -1)
    weights = np.ones(max(head.stop for head in heads), np.float32)
    for head in heads:
        if head.kind == "softmax":
            counts = head.counts(columns)
            weights[head.start : head.stop] = len(columns) / (head.size * np.maximum(counts, 1))
        elif head.kind == "sigmoid":
            positive = head.counts(columns)
            weights[head.start : head.stop] = np.clip(
                (len(columns) - positive) / np.maximum(positive, 1), 1, _MOST_WEIGHT
            )
    return weights


def _head_loss(
    head: Head, logits: torch.Tensor, columns: torch.Tensor, kind: str, weights: torch.Tensor | None
) -> torch.Tensor:
    if head.kind == "sigmoid":
        return _SIGMOID_LOSSES[kind](logits, columns[:, head.columns].to(logits.dtype), weights)
    if head.soft:
        return _soft_cross_entropy(logits, columns[:, head.columns].to(logits.dtype), weights)
    wanted = columns[:, head.target]
    known = ~torch.isnan(wanted) if wanted.is_floating_point() else torch.ones_like(wanted, dtype=torch.bool)
    if not known.any():
        return logits.sum() * 0
    if head.kind == "tanh":
        return functional.mse_loss(torch.tanh(logits[known, 0]), wanted[known].to(logits.dtype))
    return functional.cross_entropy(logits[known], wanted[known].long(), weight=weights)


def _soft_cross_entropy(logits: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Return the cross-entropy with distributions, a weighted mean (torch's own divides by the number of texts)."""
    weighed = wanted if weights is None else wanted * weights
    return -(weighed * functional.log_softmax(logits, dim=1)).sum() / weighed.sum()


def _binary(logits: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weights)


def _focal(logits: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    def each(truth: torch.Tensor) -> torch.Tensor:
        missed = torch.sigmoid(logits * (1 - 2 * truth))  # the probability of the wrong answer
        return missed**_FOCUS * functional.binary_cross_entropy_with_logits(
            logits, truth, pos_weight=weights, reduction="none"
        )

    present, absent = torch.ones_like(wanted), torch.zeros_like(wanted)
    return (wanted * each(present) + (1 - wanted) * each(absent)).mean()


def _asymmetric(logits: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    chance = torch.sigmoid(logits)
    shifted = (chance - _NEGATIVE_MARGIN).clamp(min=0)
    positive = wanted * functional.logsigmoid(logits)
    negative = (1 - wanted) * shifted**_NEGATIVE_FOCUS * torch.log((1 - shifted).clamp(min=1e-8))
    return -((positive if weights is None else positive * weights) + negative).mean()


_SIGMOID_LOSSES = {"cross_entropy": _binary, "focal": _focal, "asymmetric": _asymmetric}
