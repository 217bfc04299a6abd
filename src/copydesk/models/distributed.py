"""Training in several processes, as torchrun or accelerate starts them: who am I, and agreeing with the others.

Every process sees the same batches and takes its share of each, so that their number changes nothing but the time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def rank() -> int:
    """Return this process's number, 0 for the only or the leading one."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_leader() -> bool:
    """Tell whether this process is the one that writes and speaks."""
    return rank() == 0


def device() -> str:
    """Return this process's GPU, or the CPU."""
    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def wait_for_all() -> None:
    """Return when every process has come here; at once if there is only one."""
    if world_size() > 1:
        _joined().barrier()


def from_leader(decide: Callable[[], str]) -> str:
    """Return what the leading process decides, in every process."""
    if world_size() == 1:
        return decide()
    decided = [decide() if is_leader() else ""]
    _joined().broadcast_object_list(decided, src=0)
    return decided[0]


def most_urgent(wish: int) -> int:
    """Return the highest of all processes' wishes, so that they act together."""
    if world_size() == 1:
        return wish
    import torch

    wishes = torch.tensor([wish], device="cuda" if torch.cuda.is_available() else "cpu")
    group = _joined()
    group.all_reduce(wishes, op=group.ReduceOp.MAX)
    return int(wishes.item())


def _joined() -> Any:  # noqa: ANN401 (torch.distributed, loaded only where there are several processes)
    """Join the other processes if that is still to do."""
    import torch
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    return distributed
