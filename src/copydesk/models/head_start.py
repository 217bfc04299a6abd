"""A head that begins where the pretrained encoder already is: each label's weights point at the mean of its texts.

With many labels a head of zeros spends most of a short training finding these directions (docs/LOG.md). A text that
only probably has a label counts in the label's mean by that probability.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from copydesk.models.encoder import EncoderModel
from copydesk.models.tokens import Tokens
from copydesk.tasks import Head, Targets

_SCALE = 2.0
"""A weight vector's mean length times the mean distance of a label's texts from the centre of all."""
_TEXTS_PER_LABEL, _FEWEST, _MOST = 50, 1_000, 8_000

Floats = NDArray[np.float32]


def start_head(
    model: EncoderModel, tokens: Tokens, targets: Targets, heads: tuple[Head, ...], rng: np.random.Generator
) -> None:
    """Set the head's weights from the mean vectors of a sample of the training texts' rows; a tanh stays at zero."""
    columns = targets.reshape(len(targets), -1)
    outputs = max(head.stop for head in heads)
    wanted = min(max(_TEXTS_PER_LABEL * outputs, _FEWEST), _MOST, len(tokens))
    rows = np.sort(rng.choice(len(tokens), wanted, replace=False))
    vectors = model.vectors_of(tokens, rows)
    labels = columns[tokens.owner[rows]].astype(np.float32)
    weights = np.zeros((outputs, vectors.shape[1]), np.float32)
    bias = np.zeros(outputs, np.float32)
    for head in heads:
        if head.kind != "tanh":
            weights[head.start : head.stop], bias[head.start : head.stop] = _start(head, vectors, labels)
    with torch.no_grad():
        linear = model.network.head
        linear.weight.copy_(torch.from_numpy(weights))
        linear.bias.copy_(torch.from_numpy(bias))


def _start(head: Head, vectors: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """Return weights towards each label's mean, and biases that make the centre of all texts undecided."""
    shares = head.shares(labels)
    known = ~np.isnan(shares[:, 0])
    member, vectors = shares[known], vectors[known]
    if not len(vectors):
        return np.zeros((head.size, vectors.shape[1]), np.float32), np.zeros(head.size, np.float32)
    centre = vectors.mean(axis=0)
    counts = member.sum(axis=0)
    means = (member.T @ vectors) / np.where(counts > 0, counts, 1)[:, None] - centre
    means[counts == 0] = 0
    distance = np.linalg.norm(means[counts > 0], axis=1).mean() if counts.any() else 0.0
    weights = means * np.float32(_SCALE / max(distance, 1e-6))
    bias = -weights @ centre
    if head.kind == "sigmoid":  # a rare label is improbable until something speaks for it
        share = (counts + 1) / (len(vectors) + 2)
        bias += np.log(share / (1 - share))
    return weights.astype(np.float32), bias.astype(np.float32)
