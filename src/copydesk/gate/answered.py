"""A model's answers to the test texts, in labels that it shares with its rival, and which texts it has seen before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from copydesk.bundle import Bundle
from copydesk.data.labelled import Labelled
from copydesk.data.trained_on import Leaks, find_leaks
from copydesk.errors import UsageError
from copydesk.gate.evidence import SeenTexts
from copydesk.metrics.base import Flags
from copydesk.metrics.tally import Tallies
from copydesk.runtime.engine import Classifier
from copydesk.tasks import Scores, Targets, Task
from copydesk.tasks.wide import tags_of_both, union, widened, widened_scores

_NAMED = 10


@dataclass(frozen=True)
class Contender:
    """A model that is measured: how commands call it, its bundle, and the score of its attached checks, if any."""

    name: str
    bundle: Bundle
    ml_test_score: float | None = None


@dataclass(frozen=True)
class Answered:
    """One model's answers to all test texts. `leaks` is None where its bundle does not tell what it saw."""

    contender: Contender
    classifier: Classifier
    task: Task
    targets: Targets
    scores: Scores
    leaks: Leaks | None

    @property
    def unseen(self) -> Flags:
        """Which texts it was neither trained nor tuned on, as far as it tells."""
        unseen = np.ones(len(self.scores), np.bool_)
        unseen[[leak.place for leak in self.leaks.found] if self.leaks else []] = False
        return unseen

    def tallies(self, chosen: Flags) -> Tallies:
        """Return what its answers to some of the texts add to each metric."""
        return self.task.tallies(self.targets[chosen], self.scores[chosen])

    def right(self, chosen: Flags) -> Flags:
        """Tell which of some answers are wholly right."""
        return self.task.right(self.targets[chosen], self.scores[chosen])

    def seen(self, test: Labelled) -> SeenTexts | None:
        """Return how many of the texts it was trained on."""
        if self.leaks is None:
            return None
        places = [*self.leaks.exact, *self.leaks.near]
        example = test.texts[places[0]] if places else ""
        return SeenTexts(len(test.texts), len(self.leaks.exact), len(self.leaks.near), example)


def all_answered(contenders: Sequence[Contender], test: Labelled) -> list[Answered]:
    """Load the models and ask them every test text. Raises `UsageError` if they cannot be compared."""
    classifiers = [Classifier.of(one.bundle) for one in contenders]
    first, last = contenders[0].bundle.settings, contenders[-1].bundle.settings
    _require_comparable(contenders[0].bundle, contenders[-1].bundle)
    labels, tags = union(first.labels, last.labels), tags_of_both(first.categories, last.categories)
    found = []
    for contender, classifier in zip(contenders, classifiers, strict=True):
        wide = widened(classifier.task, labels, tags)
        scores = widened_scores(classifier.task, classifier.scores(test.texts), wide)
        found.append(
            Answered(contender, classifier, wide, wide.encode(test.labels), scores, _leaks(contender.bundle, test))
        )
    return found


def cautions(answered: Sequence[Answered], test: Labelled) -> Iterator[str]:
    """Yield what somebody who believes the comparison must know."""
    if test.weak:
        yield (
            f"{test.weak:,} of the {len(test.texts):,} test labels come from labelling functions, not from people: the "
            "gate then decides by who agrees with these functions."
        )
    for one in answered:
        hidden = len(one.unseen) - int(one.unseen.sum())
        if hidden:
            yield (
                f"{hidden:,} of the {len(test.texts):,} test texts, or near copies, are among those that "
                f"{one.contender.name} was trained or tuned on: they are left out of the comparison, for both models."
            )
        if one.leaks is not None and one.leaks.sketched < 1:
            yield f"Of what {one.contender.name} was trained on, {one.leaks.sketched:.0%} was searched for near copies."
    if len(answered) == 2:
        yield from _differences(*answered)


def _differences(candidate: Answered, champion: Answered) -> Iterator[str]:
    mine, its = candidate.contender.bundle.settings, champion.contender.bundle.settings
    if champion.leaks is None:
        yield (
            f"{champion.contender.name} does not say what it was trained on. If test texts are among it, the "
            "comparison flatters it."
        )
    for one, other, who in ((mine, its, "candidate"), (its, mine, "model in production")):
        only = [label for label in one.labels if label not in other.labels]
        if only:
            named = ", ".join(only[:_NAMED]) + (" …" if len(only) > _NAMED else "")
            yield f"{len(only)} labels are known to the {who} alone, and the other never gives them: {named}."
    if mine.normalise != its.normalise:
        yield "The two models normalise texts differently; both got the texts as they were prepared for the candidate."


def _leaks(bundle: Bundle, test: Labelled) -> Leaks | None:
    if not bundle.layout.training_texts.is_file():
        return None
    return find_leaks(bundle.layout.training_texts, test.texts)


def _require_comparable(candidate: Bundle, champion: Bundle) -> None:
    mine, its = candidate.settings, champion.settings
    elsewhere = "Register it under another name, where it has no rival."
    if mine.task != its.task:
        raise UsageError(f"The candidate's task is {mine.task!r}, that of production {its.task!r}. {elsewhere}")
    if mine.text != its.text:
        columns = f"the columns {', '.join(mine.text)}, the model in production {', '.join(its.text)}"
        raise UsageError(f"The candidate reads {columns}: they cannot be asked the same texts. {elsewhere}")
    if not set(mine.labels) & set(its.labels):
        named = f"({', '.join(mine.labels[:_NAMED])}) and those of production ({', '.join(its.labels[:_NAMED])})"
        raise UsageError(f"The candidate's labels {named} have none in common. {elsewhere}")
