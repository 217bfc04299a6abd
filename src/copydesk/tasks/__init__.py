"""What a prediction looks like: one of K (`single`), any subset (`multi`), or a sheet of scores and tags (`signals`).

Nothing else in the code asks which task it is. Everything here is numpy on arrays; it does not know what a text or a
model is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from copydesk.tasks.base import Head, Scores, Targets, Task, Wanted, heads_loss, place_of, preference
from copydesk.tasks.multi import MultiTask
from copydesk.tasks.signals import SignalsTask
from copydesk.tasks.single import SingleTask
from copydesk.types import Decision

__all__ = ["Head", "Scores", "Targets", "Task", "Wanted", "heads_loss", "make_task", "place_of", "preference"]

Maker = Callable[[Sequence[str], Decision, Mapping[str, Sequence[str]]], Task]

TASKS: dict[str, Maker] = {
    "single": lambda labels, decision, tags: SingleTask(tuple(labels), decision),
    "multi": lambda labels, decision, tags: MultiTask(tuple(labels), decision),
    "signals": lambda labels, decision, tags: SignalsTask(
        tuple(labels), tuple(tuple(tags[c]) for c in labels), decision
    ),
}


def make_task(
    name: str,
    labels: Sequence[str],
    *,
    decision: Decision | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
) -> Task:
    """Return the named task over these labels; for `signals` these are categories, each with its tags."""
    return TASKS[name](labels, decision or Decision(), categories or {})
