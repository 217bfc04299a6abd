"""The slices that a recipe names: its own rules, and labelling functions.

A labelling rule and an evaluation slice are one thing, a named function of a text: where it votes, whatever it votes
for, is its slice (Ratner et al. 2017; Chen et al. 2019). Here texts come without their rows, so that a function which
looks at another column cannot be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from copydesk.errors import RecipeError
from copydesk.labelling.function import LabellingFunction
from copydesk.labelling.load import load_functions
from copydesk.labelling.patterns import PatternVoter
from copydesk.labelling.python import read_python
from copydesk.labelling.voters import Batch, Vote, Voter
from copydesk.labelling.words import Word, WordFunction, WordVoter
from copydesk.metrics.base import Flags
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.progress import Progress
from copydesk.recipe import Recipe, SliceRule, override
from copydesk.slices import Rules
from copydesk.types import Example


def slice_rules(recipe: Recipe) -> list[Rules]:
    """Return the recipe's own rules: words and expressions, never code. Raises `RecipeError`."""
    return [_asked(_voter(name, rule)) for name, rule in recipe.evaluate.slices.items()]


def slice_functions(recipe: Recipe, progress: Progress) -> list[Rules]:
    """Return the labelling functions in the files of `evaluate.functions`; Python files are run.

    `progress` is warned of texts on which a function failed. Raises `RecipeError`.
    """
    files = recipe.evaluate.functions
    code = [function for path in files if path.endswith(".py") for function in read_python(path)]
    rules = [path for path in files if not path.endswith(".py")]
    voters = load_functions(override(recipe, {"weak.functions": rules})).voters if rules else []
    return [*map(_asked, voters), *(_called(function, progress) for function in code)]


def _voter(name: str, rule: SliceRule) -> Voter:
    if rule.regex:
        return PatternVoter(Vote(0, name, name), rule.regex)
    return WordVoter([WordFunction(name, name, [Word(phrase) for phrase in rule.words])], {})


def _asked(voter: Voter) -> Rules:
    """Return the slices of a voter's functions. Raises `RecipeError` if one looks at a column."""
    if voter.columns:
        raise RecipeError(
            f"evaluate.functions: {', '.join(voter.names)} look at the column {sorted(voter.columns)[0]!r}, but slices "
            "are made of texts alone. Leave `column` out there."
        )

    def tell(texts: Sequence[str]) -> Mapping[str, Flags]:
        inside = {name: np.zeros(len(texts), np.bool_) for name in voter.names}
        for vote in voter.votes(Batch(texts, pl.DataFrame())):
            inside[vote.function][vote.text] = True
        return inside

    return tell


def _called(function: LabellingFunction, progress: Progress) -> Rules:
    def tell(texts: Sequence[str]) -> Mapping[str, Flags]:
        inside, failures = np.zeros(len(texts), np.bool_), list[str]()
        for place, text in enumerate(texts):
            try:
                said = function(Example(text.replace(COLUMN_SEPARATOR, "\n")))
            except Exception as error:  # one text that a function did not expect must not end the run
                failures.append(f"{type(error).__name__}: {error} on {text[:60]!r}")
                continue
            inside[place] = said is not None and said is not False
        if failures:
            progress.warn(
                f"The slice '{function.name}' lacks {len(failures):,} texts on which it failed: {failures[0]}."
            )
        return {function.name: inside}

    return tell
