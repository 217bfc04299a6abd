from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from copydesk.models.averaging import Averaging


def _network() -> torch.nn.Linear:
    network = torch.nn.Linear(2, 1)
    network.bias.requires_grad_(False)
    return network


def _set(network: torch.nn.Linear, value: float) -> None:
    with torch.no_grad():
        network.weight.fill_(value)


def _change(network: torch.nn.Module) -> None:
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for array in network.parameters():
            array.add_(torch.rand(array.shape, generator=chance))


def test_it_is_the_mean_of_the_weights_taken_in() -> None:
    network = _network()
    averaging = Averaging(network)
    for value in (1.0, 2.0, 6.0):
        _set(network, value)
        averaging.add()
    averaging.swap()
    assert network.weight.tolist() == [[pytest.approx(3.0), pytest.approx(3.0)]]
    assert averaging.updates == 3


def test_swapping_twice_changes_nothing() -> None:
    network = _network()
    averaging = Averaging(network)
    for value in (1.0, 5.0):
        _set(network, value)
        averaging.add()
    bias = network.bias.clone()
    averaging.swap()
    averaging.swap()
    assert network.weight.tolist() == [[5.0, 5.0]]
    assert torch.equal(network.bias, bias)


def test_a_mean_that_was_saved_goes_on_as_if_it_never_stopped(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    whole, first = Averaging(network), Averaging(network)
    for _ in range(2):
        _change(network)
        whole.add()
        first.add()
    first.save(tmp_path)
    second = Averaging(network)
    second.load(tmp_path)
    _change(network)
    whole.add()
    second.add()
    whole.swap()
    expected = [array.clone() for array in network.parameters()]
    whole.swap()
    second.swap()
    assert all(map(torch.equal, network.parameters(), expected))


def test_a_mean_can_be_saved_before_it_begins(tmp_path: Path) -> None:
    network = _network()
    Averaging(network).save(tmp_path)
    again = Averaging(network)
    again.load(tmp_path)
    again.swap()
    assert again.updates == 0


def test_the_first_quarter_of_the_updates_is_left_out() -> None:
    network = _network()
    averaging = Averaging(network)
    for step in range(1, 9):
        averaging.on_step_end(None, SimpleNamespace(global_step=step, max_steps=8), None)
    assert averaging.updates == 6


def test_a_single_update_is_its_own_mean() -> None:
    averaging = Averaging(_network())
    averaging.on_step_end(None, SimpleNamespace(global_step=1, max_steps=1), None)
    assert averaging.updates == 1
