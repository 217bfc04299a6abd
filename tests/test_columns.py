"""Answers as columns are the answers that `decode` gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from copydesk.score.answers import array_of
from copydesk.tasks import Scores, Task, make_task
from copydesk.types import Decision

LABELS = ["a", "b", "c"]
TAGS = {"fire": ("smoke", "blaze"), "sport": (), "votes": ("smoke",)}
TASKS = {
    "single": make_task("single", LABELS),
    "single that abstains": make_task("single", LABELS, decision=Decision(abstain_below=0.5)),
    "multi": make_task("multi", LABELS),
    "multi with one label at least": make_task("multi", LABELS, decision=Decision(min_labels=1)),
    "multi that abstains": make_task("multi", LABELS, decision=Decision(abstain_below=0.7)),
    "signals": make_task("signals", list(TAGS), categories=TAGS),
}


def _scores(task: Task, texts: int) -> Scores:
    return task.scores(np.random.default_rng(3).normal(0, 1.5, (texts, task.outputs)).astype(np.float32))


def _by_columns(task: Task, scores: Scores, *, all_scores: bool) -> list[dict[str, Any]]:
    columns = {name: array_of(column) for name, column in task.columns(scores, all_scores=all_scores).items()}
    rows = zip(*(column.to_pylist() for column in columns.values()), strict=True)
    return [{key: value for key, value in zip(columns, row, strict=True) if value is not False} for row in rows]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("all_scores", [False, True])
@pytest.mark.parametrize("texts", [0, 1, 500])
def test_they_equal_the_decoded_answers_to_the_last_bit(task: Task, all_scores: bool, texts: int) -> None:
    scores = _scores(task, texts)
    expected = [answer.to_json() for answer in task.decode(scores, all_scores=all_scores)]
    assert _by_columns(task, scores, all_scores=all_scores) == expected


def test_labels_of_equal_scores_stand_in_the_same_order() -> None:
    task, scores = TASKS["multi"], np.array([[0.7, 0.9, 0.7], [0.6, 0.6, 0.6]])
    assert array_of(task.columns(scores)["labels"]).to_pylist() == [answer.labels for answer in task.decode(scores)]


def test_intensities_change_at_the_same_strengths() -> None:
    task = make_task("signals", ["x"], categories={"x": ()})
    strengths = [0.0, 0.33, np.nextafter(0.33, 0), 0.66, np.nextafter(0.66, 0), -0.66, -1.0]
    scores = np.array([[strength, 1.0] for strength in strengths])
    found = [row[0]["intensity"] for row in array_of(task.columns(scores)["signals"]).to_pylist()]
    assert found == [answer.signals[0].intensity for answer in task.decode(scores) if answer.signals]


def test_a_text_without_an_answer_has_null_whatever_the_column_is() -> None:
    for task in TASKS.values():
        for column in task.columns(_scores(task, 2), all_scores=True).values():
            assert array_of(column).take(pa.array([1, None, 0])).to_pylist()[1] is None
