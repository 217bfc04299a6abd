"""What users said of served answers: the server's file of corrections, held against what the model answers.

Users correct what is wrong far more often than they confirm what is right, so a share of right answers from corrections
alone is too low; a team that samples answers and sends every one back, right or wrong, gets an honest one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from copydesk.checks.subject import Subject
from copydesk.data.labels import LABELS
from copydesk.errors import Undecided
from copydesk.monitor.corrections import Line, read_lines
from copydesk.runtime.engine import Classifier
from copydesk.runtime.versions import version_of
from copydesk.types import Label, Signal, Text

LEAST = 50


@dataclass(frozen=True)
class Told:
    """A served text, the label that a user gave it, and whether the model answers so."""

    text: Text
    label: Label
    right: bool


def told_answers(subject: Subject) -> list[Told]:
    """Return what users said of this version. Raises `Undecided` where that is too little to measure anything."""
    path = subject.feedback
    if not path.is_file():
        raise Undecided(f"there is no feedback at '{path}': collect it at POST /v1/feedback, and give --feedback FILE")
    version = version_of(subject.classifier, subject.bundle.path).version
    written = path.read_text("utf-8", "replace")
    lines = read_lines(written)
    said: dict[str, Line] = {}
    for line in lines:  # the last word on an answer counts, and its text may stand in an earlier one
        said[line["id"]] = {**said.get(line["id"], {}), **line}
    texts, labels = [], []
    others = Counter({"not readable": sum(bool(line.strip()) for line in written.split("\n")) - len(lines)})
    for line in said.values():
        text, label, reason = _read(line, version, subject.classifier)
        if reason or text is None or label is None:
            others[reason] += 1
            continue
        texts.append(text)
        labels.append(label)
    if len(texts) < LEAST:
        left = "".join(f"; {count} {reason}" for reason, count in others.items() if count)
        raise Undecided(f"{len(texts)} answers of this version came back with text and label, {LEAST} are needed{left}")
    task = subject.classifier.task
    flags = task.right(task.encode(labels), subject.classifier.scores(texts))
    return [Told(*one) for one in zip(texts, labels, flags.tolist(), strict=True)]


def _read(line: Line, version: str, classifier: Classifier) -> tuple[Text | None, Label | None, str]:
    """Return a line's text and label, or why it does not count."""
    value = line.get(classifier.task.field)
    if value is None:
        return None, None, "of another task"
    if str(line["id"]).rpartition(".")[0] != version:
        return None, None, "of another version"
    if not line.get("text"):
        return None, None, "without their text"
    label: Label = value
    if isinstance(value, list):
        signals = [one for one in value if isinstance(one, dict)]
        label = tuple(Signal(**one) for one in signals) if signals else tuple(sorted(map(str, value)))
    names = LABELS[classifier.task.name].known(label)
    if not set(names) <= set(classifier.labels):
        return None, None, "with a label the model has not"
    return line["text"], label, ""
