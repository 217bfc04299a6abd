from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from copydesk.models.losses import balanced_weights, make_loss
from copydesk.tasks import Task, heads_loss, make_task
from copydesk.types import Signal

SINGLE = make_task("single", ["a", "b", "c"])
MULTI = make_task("multi", ["a", "b", "c"])
SIGNALS = make_task("signals", ["crime", "sports"], categories={"crime": ["theft"], "sports": ["game", "goal"]})
LABELS = {
    "single": ["a", "b", "c", "a"],
    "multi": [("a",), ("a", "c"), ("b",), ("c",)],
    "signals": [
        (Signal("crime", -0.5, "theft"),),
        (Signal("sports", 0.9, "goal"), Signal("crime", 0.0)),
        (Signal("sports", 0.2),),
        (),
    ],
}


def _outputs(task: Task) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 2, (4, task.outputs)).astype(np.float32)


@pytest.mark.parametrize("task", [SINGLE, MULTI, SIGNALS], ids=lambda task: task.name)
def test_training_minimises_what_evaluation_reports(task: Task) -> None:
    outputs, targets = _outputs(task), task.encode(LABELS[task.name])
    found = make_loss(task.heads, "cross_entropy")(torch.from_numpy(outputs), torch.from_numpy(targets))
    assert found.item() == pytest.approx(heads_loss(task.heads, outputs, targets), rel=1e-5)


def test_what_a_text_does_not_know_has_no_gradient() -> None:
    outputs = torch.from_numpy(_outputs(SIGNALS)).requires_grad_()
    make_loss(SIGNALS.heads, "cross_entropy")(outputs, torch.from_numpy(SIGNALS.encode(LABELS["signals"]))).backward()
    assert outputs.grad is not None
    assert outputs.grad[3].abs().sum() == 0 and outputs.grad[0, 1] == 0 and outputs.grad[0, 0] != 0


def test_a_batch_without_any_known_label_is_no_nan() -> None:
    outputs = torch.from_numpy(_outputs(SIGNALS)).requires_grad_()
    loss = make_loss(SIGNALS.heads, "cross_entropy")(outputs, torch.from_numpy(SIGNALS.encode([()] * 4)))
    loss.backward()
    assert loss.item() == 0.0 and torch.isfinite(outputs.grad).all()


@pytest.mark.parametrize("kind", ["focal", "asymmetric"])
def test_easy_decisions_weigh_less_than_in_cross_entropy(kind: str) -> None:
    targets = torch.tensor([[0.0, 0.0, 0.0]])
    easy, hard = torch.full((1, 3), -2.0), torch.full((1, 3), 2.0)
    plain, focused = make_loss(MULTI.heads, "cross_entropy"), make_loss(MULTI.heads, kind)
    assert focused(hard, targets) / focused(easy, targets) > 5 * plain(hard, targets) / plain(easy, targets)


def test_balanced_weights_make_rare_labels_count_as_much() -> None:
    targets = SINGLE.encode(["a"] * 6 + ["b"] * 2 + ["c"])
    assert balanced_weights(SINGLE.heads, targets) == pytest.approx([0.5, 1.5, 3.0])
    many = MULTI.encode([("a",)] * 98 + [("b", "c")] * 2)
    assert balanced_weights(MULTI.heads, many) == pytest.approx([1.0, 20.0, 20.0])


SOFT = [replace(SINGLE.heads[0], soft=True)]


@pytest.mark.parametrize("weights", [None, np.array([0.5, 1.5, 3.0], np.float32)])
def test_a_certain_distribution_has_the_loss_of_its_label(weights: np.ndarray | None) -> None:
    outputs, places = torch.from_numpy(_outputs(SINGLE)), torch.tensor([0, 1, 2, 0])
    hard = make_loss(SINGLE.heads, "cross_entropy", weights)(outputs, places)
    soft = make_loss(SOFT, "cross_entropy", weights)(outputs, functional.one_hot(places).float())
    assert soft.item() == pytest.approx(hard.item(), rel=1e-6)


def test_the_loss_of_a_distribution_is_least_where_the_scores_equal_it() -> None:
    wanted = torch.tensor([[0.6, 0.3, 0.1]])
    outputs = wanted.log().requires_grad_()
    make_loss(SOFT, "cross_entropy")(outputs, wanted).backward()
    assert outputs.grad is not None and outputs.grad.abs().max() < 1e-6


@pytest.mark.parametrize("kind", ["cross_entropy", "focal", "asymmetric"])
@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0, 5.0], np.float32)])
def test_every_loss_of_a_probable_label_is_the_expected_one(kind: str, weights: np.ndarray | None) -> None:
    outputs = torch.from_numpy(_outputs(MULTI))
    loss = make_loss(MULTI.heads, kind, weights)
    present, absent = loss(outputs, torch.ones(4, 3)).item(), loss(outputs, torch.zeros(4, 3)).item()
    assert loss(outputs, torch.full((4, 3), 0.3)).item() == pytest.approx(0.3 * present + 0.7 * absent, rel=1e-5)


def test_focal_loss_of_certain_labels_is_that_of_the_paper_to_the_last_bit() -> None:
    outputs, targets = torch.from_numpy(_outputs(MULTI)), torch.from_numpy(MULTI.encode(LABELS["multi"]))
    each = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
    wanted = (torch.sigmoid(outputs * (1 - 2 * targets)) ** 2 * each).mean()
    assert torch.equal(make_loss(MULTI.heads, "focal")(outputs, targets), wanted)


def test_balanced_weights_count_parts_of_texts() -> None:
    half = np.array([[0.5, 0.5, 0.0]] * 4 + [[0.0, 0.0, 1.0]] * 2, np.float32)
    assert balanced_weights(SOFT, half) == pytest.approx([1.0, 1.0, 1.0])
    assert balanced_weights(MULTI.heads, half) == pytest.approx([2.0, 2.0, 2.0])
