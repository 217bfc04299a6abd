"""What a bundle keeps so that drift can be told: texts of its time, its answers to them, and what those were worth.

The texts are the test part's; or recent traffic, where the recipe names some (`train.traffic`): a model that was
trained anew because texts had changed is made for those of today. What confidence is worth is learnt from the test part
in either case, since nobody labelled the traffic.
"""

from __future__ import annotations

from collections.abc import Sequence

from copydesk.bundle import Layout
from copydesk.data.clean import joined_texts
from copydesk.data.sources import read_sources
from copydesk.evaluate import Answered
from copydesk.languages import languages_of
from copydesk.models.word_table import word_table_in
from copydesk.monitor.detectors import NO_LABEL
from copydesk.monitor.promise import Promise, promise_of
from copydesk.monitor.reference import LEAST_TEXTS, MOST_TEXTS, Answers, evenly, reference_of
from copydesk.recipe import Recipe
from copydesk.runtime import engine
from copydesk.runtime.engine import Classifier
from copydesk.tasks import Task
from copydesk.types import Prediction

_LANGUAGE_TEXTS = 1_000
"""Telling a language takes longer than all the rest that is measured of a text."""


def write_reference(
    recipe: Recipe, classifier: Classifier, answered: Answered, training_texts: Sequence[str], layout: Layout
) -> None:
    """Write the reference of a model that is saved already; nothing where there are too few texts.

    Raises `SourceError` or `DataError` for traffic that cannot be read.
    """
    if len(answered.texts) < LEAST_TEXTS:
        return
    tested = classifier.decoded(answered.scores, [])
    answers = engine.Answers(list(answered.texts), answered.scores, list(answered.stages), tested)
    traffic = [*dict.fromkeys(traffic_of(recipe))]  # windows of today, too, count a text once
    if len(traffic) >= LEAST_TEXTS:
        answers = classifier.answers(evenly(traffic, MOST_TEXTS))
    table, promise = word_table_in(layout.model), _promise(classifier.task, answered, tested)
    reference_of(_as_logged(classifier.task, answers), training_texts, promise, table=table).save(layout.reference)


def traffic_of(recipe: Recipe) -> list[str]:
    """Return the texts of the files that `train.traffic` names, their columns joined.

    Raises `SourceError` or `DataError` for what cannot be read.
    """
    if not recipe.train.traffic:
        return []
    return joined_texts(read_sources(recipe.train.traffic).frame, recipe.text)


def _as_logged(task: Task, answers: engine.Answers) -> Answers:
    """Return what was answered, in the form of the prediction log."""
    given = [[label for label, _ in one.given] or [NO_LABEL] for one in answers.predictions]
    kinds = {
        "labels": [label for labels in given for label in labels],
        "languages": languages_of(evenly(answers.texts, _LANGUAGE_TEXTS)),
    }
    if tags := [tag for one in answers.predictions for tag in one.tagged]:
        kinds["tags"] = tags
    if answers.stages:
        kinds["stages"] = answers.stages
    return Answers(answers.texts, task.confidence(answers.outputs), kinds)


def _promise(task: Task, answered: Answered, tested: Sequence[Prediction]) -> Promise:
    """Return what confidence was worth where an answer was given; by label where each answer is one."""
    confidence, right = task.confidence(answered.scores), task.right(answered.targets, answered.scores)
    places = [place for place, one in enumerate(tested) if one.label is not None]
    if not places:
        return promise_of(confidence, right)
    truth = [task.describe(answered.targets[place]) for place in places]
    return promise_of(confidence[places], right[places], [str(tested[place].label) for place in places], truth)
