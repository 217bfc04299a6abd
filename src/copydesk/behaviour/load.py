"""Suites from files and from bundles.

A suite is one YAML file, which may name Python files beside it. Training copies the YAML file into the bundle; Python
is read where the user names the suite, and never from a bundle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from copydesk.behaviour.file import SuiteFile, read_suite_file
from copydesk.behaviour.function import BehaviourFunction, read_functions
from copydesk.behaviour.words import Words
from copydesk.behaviour.written import WrittenBehaviour
from copydesk.bundle import Bundle
from copydesk.errors import RecipeError
from copydesk.labelling.negation import known_negations
from copydesk.manifest import read_bounded
from copydesk.recipe import Recipe


@dataclass(frozen=True)
class Suite:
    """Behaviours in the order of their files. `notes` are what a reader of the results must know."""

    behaviours: list[WrittenBehaviour | BehaviourFunction]
    notes: list[str] = field(default_factory=list)


def load_suite(path: str | Path, recipe: Recipe) -> Suite:
    """Read a suite for the recipe's task and text columns, with the Python files that it names.

    Raises `RecipeError` naming the file and the place that is wrong.
    """
    said, written = read_written(path, recipe)
    functions = [one for file in said.python for one in read_functions(Path(path).parent / file)]
    behaviours: list[WrittenBehaviour | BehaviourFunction] = [*written, *functions]
    names = [one.name for one in behaviours]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(f"Behaviours file '{path}': two behaviours are named {twice[0]!r}. Rename one of them.")
    return Suite(behaviours)


def suite_of(bundle: Bundle) -> Suite | None:
    """Return the suite that travels in a bundle, without Python; None if it has none.

    Raises `RecipeError` for what is wrong in it, `BundleError` if it is larger than anything that people write.
    """
    path = bundle.layout.behaviours
    if not path.is_file():
        return None
    read_bounded(path)
    said, written = read_written(path, bundle.recipe)
    left_out = f"The behaviours in {', '.join(said.python)} are not run: code is not read from a bundle."
    return Suite([*written], [left_out] if said.python else [])


def read_written(path: str | Path, recipe: Recipe) -> tuple[SuiteFile, list[WrittenBehaviour]]:
    """Read a suite's file and no Python, whoever wrote it. Raises `RecipeError`."""
    said, behaviours = read_suite_file(path)
    words = words_of(said, f"Behaviours file '{path}'")
    return said, [WrittenBehaviour.read(name, one, words, recipe, str(path)) for name, one in behaviours.items()]


def words_of(said: SuiteFile, where: str) -> Words:
    """Return a suite's words: its lists, its language's negations, and what mistakes leave alone."""
    lists = {str(name): [str(word) for word in words] for name, words in said.lists.items()}
    plain = Words(said.language, lists)
    protected = plain.named(list(said.protect), f"{where}, protect") if said.protect else []
    known = known_negations().get(said.language)
    negations = {*said.negations, *(known.before if known else ()), *(known.after if known else ())}
    return Words(
        said.language,
        lists,
        frozenset(word.casefold() for phrase in protected for word in [phrase, *phrase.split()]),
        frozenset(word.casefold() for word in negations),
    )
