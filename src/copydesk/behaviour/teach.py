"""Repair: training rows that would teach a model the behaviours it failed.

None of them is ever asked about: templates are filled with other words, changes are made of other texts, so that a
model which passes afterwards has learnt and not remembered. They are balanced over labels, for rows of one label alone
would teach the form of a template as a sign of that label. It does not know whether they help: train, and ask again.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from copydesk.behaviour.chance import in_order
from copydesk.behaviour.load import Suite
from copydesk.behaviour.run import real_texts
from copydesk.behaviour.written import Lesson, WrittenBehaviour
from copydesk.data.labels import LABELS
from copydesk.files import write_text
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import Recipe
from copydesk.types import BehaviourResult, Label

MOST_LESSONS = 600
_MOST_OF_ONE = 200
_COUNTERWEIGHT = "counterweight"


@dataclass(frozen=True)
class Suggestion:
    """Training rows, and a line for every failed behaviour that none can be made for."""

    lessons: list[Lesson] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def by_behaviour(self) -> dict[str, int]:
        """How many rows there are for each behaviour."""
        return dict(Counter(lesson.behaviour for lesson in self.lessons))


def suggest(
    suite: Suite,
    results: Sequence[BehaviourResult],
    *,
    texts: Sequence[str] = (),
    labels: Sequence[Label] = (),
    most: int = MOST_LESSONS,
    seed: int = 0,
) -> Suggestion:
    """Return training rows for the behaviours that do not hold, at most so many.

    `texts` and `labels` are of the training part, never of the test part: changed texts are made of them.
    """
    failed = {result.name for result in results if not result.holds}
    written = [behaviour for behaviour in suite.behaviours if isinstance(behaviour, WrittenBehaviour)]
    real = real_texts(texts, labels)
    share = min(_MOST_OF_ONE, most // max(len(failed), 1))
    lessons: list[Lesson] = []
    notes = [f"'{name}' is written in Python: nothing is suggested." for name in _not_written(suite, failed)]
    for behaviour in written:
        if behaviour.name in failed:
            found = _evenly(islice(behaviour.lessons(real, seed), 20 * share), share, seed)
            lessons += found
            notes += [] if found else [f"'{behaviour.name}': {_why_none(behaviour, real)}"]
    about = {result.capability for result in results if not result.holds and result.capability}
    near = [behaviour for behaviour in written if behaviour.said.capability in about]
    others: list[list[Lesson]] = [
        [lesson for behaviour in some for lesson in islice(behaviour.lessons(real, seed), share)]
        for some in (near, written)
    ]
    balanced = _balanced(_without_contradictions(lessons), others, seed)
    return Suggestion(balanced[:most], notes)


def _not_written(suite: Suite, failed: set[str]) -> list[str]:
    return [one.name for one in suite.behaviours if one.name in failed and not isinstance(one, WrittenBehaviour)]


def _why_none(behaviour: WrittenBehaviour, real: Sequence[object]) -> str:
    if behaviour.said.data and not real:
        return "it changes real texts, and no training texts were given."
    if behaviour.templates and behaviour.label is None and behaviour.said.expect is None:
        return "the label of its texts is not known; say it in `teach`."
    return "nothing can be made for it that is not asked about; longer lists, or `teach`, would help."


def _evenly(lessons: Iterable[Lesson], most: int, seed: int) -> list[Lesson]:
    """Return up to so many lessons, as many of each label as there are."""
    by_label: dict[Label, list[Lesson]] = defaultdict(list)
    for lesson in {lesson.text: lesson for lesson in lessons}.values():
        by_label[lesson.label].append(lesson)
    least = min(map(len, by_label.values()), default=0)
    each = max(min(least, most // len(by_label)), 1) if len(by_label) > 1 else most
    return [lesson for found in by_label.values() for lesson in _drawn(found, each, seed)][:most]


def _drawn(lessons: Sequence[Lesson], count: int, seed: int) -> list[Lesson]:
    by_text = {lesson.text: lesson for lesson in lessons}
    return [by_text[text] for text in in_order(by_text, seed)[:count]]


def _without_contradictions(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Return each text once, and none that two behaviours give different labels."""
    labels: dict[str, set[Label]] = defaultdict(set)
    for lesson in lessons:
        labels[lesson.text].add(lesson.label)
    return list({lesson.text: lesson for lesson in lessons if len(labels[lesson.text]) == 1}.values())


def _balanced(lessons: Sequence[Lesson], others: Sequence[Sequence[Lesson]], seed: int) -> list[Lesson]:
    """Return the lessons with rows of the suite's other behaviours for labels that have fewer.

    `others` are in the order of preference: those of the same capability first, so that what says *not* is on both
    sides.
    """
    counts = Counter(lesson.label for lesson in lessons)
    chosen = {lesson.text: lesson for lesson in lessons}
    most = max(counts.values(), default=0)
    for spare in others:
        by_label: dict[Label, list[Lesson]] = defaultdict(list)
        for lesson in spare:
            if lesson.text not in chosen:
                by_label[lesson.label].append(lesson)
        for label, found in by_label.items():
            for one in _drawn(found, most - counts[label], seed):
                chosen[one.text] = Lesson(one.text, one.label, _COUNTERWEIGHT)
                counts[label] += 1
    return [chosen[text] for text in in_order(chosen, seed)]


def write_lessons(path: Path, suggestion: Suggestion, recipe: Recipe) -> None:
    """Write the rows as JSON Lines in the recipe's columns, as `copydesk train` reads them, and `behaviour`."""
    kind = LABELS[recipe.task]
    lines = []
    for lesson in suggestion.lessons:
        columns = dict(zip(recipe.text, lesson.text.split(COLUMN_SEPARATOR), strict=True))
        row = {**columns, recipe.label: kind.stored(lesson.label), "behaviour": lesson.behaviour}
        lines.append(json.dumps(row, ensure_ascii=False))
    write_text(path, "".join(f"{line}\n" for line in lines))
