import numpy as np
import pytest
import torch

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
