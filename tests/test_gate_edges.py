from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from copydesk.bundle import Settings
from copydesk.cli import main as cli
from copydesk.errors import BundleError
from copydesk.gate.memory import memory_mb, peak_mb
from copydesk.gate.timing import times_in_turns
from copydesk.runtime.engine import Classifier
from copydesk.tasks import make_task
from copydesk.tasks.wide import tags_of_both, union, widened, widened_scores
from fakes import Clock, FakeModel

TAGS = {"crime": ("theft",), "sports": ("football", "hockey")}


def classifier() -> Classifier:
    return Classifier(FakeModel({}, 2), Settings("single", ("a", "b"), "fake", ("text",), ()))


def test_both_models_are_asked_the_same_texts_in_turns() -> None:
    first, second = classifier(), classifier()
    asked: list[str] = []
    for name, model in (("first", first), ("second", second)):
        model.model = _Noting(asked, name)
    times = times_in_turns([first, second], ["x", "y"], clock=Clock())
    assert [one.shape for one in times] == [times[0].shape] * 2 and times[0].shape[1] == 2
    measured = asked[4:]  # after the warm-up
    assert measured[:8] == ["first", "second", "first", "second", "second", "first", "second", "first"]


def test_a_clock_that_runs_fast_ends_after_five_rounds() -> None:
    assert times_in_turns([classifier()], ["x"], clock=Clock(step_s=10.0))[0].shape == (5, 1)
    assert times_in_turns([classifier()], ["x"], clock=Clock())[0].shape == (25, 1)


def test_without_texts_there_is_no_time() -> None:
    assert times_in_turns([classifier()], [])[0].shape == (1, 1)


class _Noting(FakeModel):
    def __init__(self, asked: list[str], name: str) -> None:
        super().__init__({}, 2)
        self._asked, self._name = asked, name

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self._asked.append(self._name)
        return super().logits(texts)


def test_a_process_knows_the_most_memory_it_held() -> None:
    assert 10 < peak_mb() < 100_000


def test_a_bundle_that_cannot_answer_alone_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="could not answer in a process of its own"):
        memory_mb(tmp_path / "nothing", ["a"])


@pytest.mark.parametrize("task", ["single", "multi"])
def test_scores_are_matched_by_label_and_a_missing_label_is_never_given(task: str) -> None:
    own = make_task(task, ("c", "a"))
    wide = widened(own, union(("a", "b"), own.labels), {})
    scores = widened_scores(own, np.array([[0.9, 0.1], [0.2, 0.8]]), wide)
    assert wide.labels == ("a", "b", "c") and scores.tolist() == [[0.1, 0.0, 0.9], [0.8, 0.0, 0.2]]
    answers = [prediction.label or prediction.labels for prediction in wide.decode(scores)]
    assert answers == (["c", "a"] if task == "single" else [["c"], ["a"]])


def test_thresholds_go_with_their_labels() -> None:
    own = make_task("multi", ("c", "a")).with_thresholds({"c": 0.3, "a": 0.7})
    assert widened(own, ("a", "b", "c"), {}).decision.thresholds == (0.7, 1.0, 0.3)


def test_signals_are_matched_by_category_and_tag_whatever_their_order() -> None:
    own = make_task("signals", ("sports",), categories={"sports": ("hockey",)})
    tags = tags_of_both(TAGS, {"sports": ("hockey",)})
    wide = widened(own, tuple(tags), tags)
    logits = np.zeros((1, own.outputs))
    logits[0] = [2.0, -3.0, 3.0]
    sheet = wide.decode(widened_scores(own, own.scores(logits), wide))[0].signals or []
    assert [(one.category, one.tag, one.present) for one in sheet] == [("crime", "", False), ("sports", "hockey", True)]
    assert sheet[1].score == pytest.approx(np.tanh(2.0))


@pytest.mark.parametrize("options", [["--force"], ["--reason", "because"], ["--force", "--reason", " "]])
def test_force_and_reason_go_together(
    options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["copydesk", "promote", "toy", *options])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 2 and "go together" in capsys.readouterr().err
