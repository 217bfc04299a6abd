"""A recipe's files of labelling functions -> what votes, and the labels there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from copydesk.errors import RecipeError
from copydesk.labelling.cues import CuedVoter, Cues
from copydesk.labelling.file import LabellingFile
from copydesk.labelling.python import PythonVoter, read_python
from copydesk.labelling.voters import Voter
from copydesk.models.keyword_file import Vocabulary
from copydesk.recipe import Recipe


@dataclass(frozen=True)
class Functions:
    """What votes, the functions' names in the order of the files, and what they may vote for."""

    voters: Sequence[Voter]
    names: Sequence[str]
    vocabulary: Vocabulary


def load_functions(recipe: Recipe, *, gold: Iterable[str] = ()) -> Functions:
    """Read the files in `weak.functions`.

    The labels are the recipe's categories, or `weak.labels`, or else those that labelling files name and those in
    `gold`, which people gave. Raises `RecipeError` naming the file and the place that is wrong.
    """
    paths = recipe.weak.functions
    if not paths:
        raise RecipeError(f"Recipe '{recipe.name}' names no labelling functions. List their files in weak.functions.")
    wrong = [path for path in paths if Path(path).suffix not in (".yaml", ".yml", ".py")]
    if wrong:
        raise RecipeError(f"Labelling file '{wrong[0]}' is neither YAML (.yaml) nor Python (.py).")
    files = [LabellingFile.read(path) for path in paths if not path.endswith(".py")]
    vocabulary = _vocabulary(recipe, files, gold)
    voters = _cued([voter for file in files for voter in file.voters(vocabulary, recipe.model)], files, recipe)
    voters += [PythonVoter(read_python(path), vocabulary) for path in paths if path.endswith(".py")]
    names = [name for voter in voters for name in voter.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(f"Two labelling functions are named {twice[0]!r}. Rename one of them.")
    if not names:
        raise RecipeError(f"The labelling files hold no functions: {', '.join(paths)}.")
    written = [name for file in files for name in file.rules]
    return Functions(voters, [*written, *(name for name in names if name not in set(written))], vocabulary)


def _vocabulary(recipe: Recipe, files: Sequence[LabellingFile], gold: Iterable[str]) -> Vocabulary:
    if recipe.categories:
        return Vocabulary(recipe.task, list(recipe.categories), recipe.categories)
    labels = recipe.weak.labels or sorted({*gold, *(label for file in files for label in file.labels())})
    if not labels:
        raise RecipeError("No labels are known: no labelling file names any. List them in weak.labels.")
    return Vocabulary(recipe.task, labels)


def _cued(voters: list[Voter], files: Sequence[LabellingFile], recipe: Recipe) -> list[Voter]:
    words = [word for file in files for word in file.cues()]
    if not words or not voters:
        return voters
    if recipe.task != "signals":
        raise RecipeError(f"`severity` and `polarity` are for task 'signals'; this recipe's is {recipe.task!r}.")
    return [CuedVoter(voters, Cues(words, {key: value for file in files for key, value in file.negations.items()}))]
