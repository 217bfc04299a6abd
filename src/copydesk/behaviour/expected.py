"""What suites expect, and teach, in the words of the recipe's task."""

from __future__ import annotations

from typing import Any

import polars as pl

from copydesk.behaviour.file import Behaviour, Expect, WantedSignal
from copydesk.data.label_kinds import Relation
from copydesk.data.labels import LABELS
from copydesk.errors import DataError, RecipeError
from copydesk.models.keyword_file import require_known
from copydesk.recipe import Recipe
from copydesk.tasks import Wanted
from copydesk.types import Label

_TAUGHT_SCORE = 0.6
"""How strong an impact is that a suite only gives a sign."""


def wanted_of(expect: Expect | None, recipe: Recipe, where: str) -> tuple[Wanted, ...]:
    """Return what an answer must say. Raises `RecipeError` for a category or tag that the recipe does not have."""
    if expect is None:
        return ()
    wanted = [_wanted(entry) for entry in expect.has] + [Wanted(label, given=False) for label in expect.lacks]
    for one in wanted if recipe.categories else ():
        require_known(one.label, list(recipe.categories), where)
        if one.tag:
            require_known(one.tag, recipe.categories[one.label], where)
    if not recipe.categories and any(one.sign or one.tag for one in wanted):
        raise RecipeError(f"{where}: `sign` and `tag` are for task 'signals'; this recipe's is {recipe.task!r}.")
    return tuple(wanted)


def _wanted(entry: str | WantedSignal) -> Wanted:
    if isinstance(entry, str):
        category, _, tag = entry.partition("/")
        return Wanted(category, tag=tag)
    sign = {"positive": 1, "negative": -1, None: 0}[entry.sign]
    return Wanted(entry.category, sign=sign, tag=entry.tag)


def lessons_label(said: Behaviour, recipe: Recipe, where: str) -> Label | None:
    """Return the label of training rows that teach a behaviour: `teach`, or all that is expected; None: unknown.

    Raises `RecipeError` for what is no label of the task.
    """
    kind = LABELS[recipe.task]
    value = _expected_label(said.expect, kind.relation) if said.teach is None else said.teach
    if value is None:
        return None
    try:
        cells = pl.Series("teach", [value], strict=False)
        label: Label | None = kind.read(cells, recipe, lambda _: f"{where}, teach", ()).values[0]
    except (DataError, TypeError) as error:
        raise RecipeError(f"{where}, teach: {value!r} is no label of task {recipe.task!r}: {error}") from None
    return label


def _expected_label(expect: Expect | None, relation: Relation) -> Any:  # noqa: ANN401 (a cell of the label column)
    has = [_wanted(entry) for entry in expect.has] if expect else []
    if not has:
        return None
    if relation == "exclusive":
        return has[0].label if len(has) == 1 else None
    if relation == "independent":
        return [one.label for one in has]
    if not all(one.sign for one in has):  # a row without a sign would teach a neutral score
        return None
    return [{"category": one.label, "score": one.sign * _TAUGHT_SCORE, "tag": one.tag} for one in has]
