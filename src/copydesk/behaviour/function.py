"""Behaviours written in Python: the decorator, and how their cases are made.

    from copydesk.behaviour.function import behaviour_function, expect, moves, same

    @behaviour_function(capability="negation", required=0.8)
    def not_bad(texts):
        yield expect("The soup was not bad.", "liked")
        for text in texts:
            yield same(text, text.replace("restaurant", "place"))

`texts` are the real texts that were handed in. All cases of one function are of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from copydesk.behaviour.cases import DEFAULT_TOLERANCE, Asked, Base, Case, Move
from copydesk.behaviour.chance import is_taught
from copydesk.errors import RecipeError
from copydesk.labelling.python import module_at, told
from copydesk.tasks import Wanted

Cases = Callable[[Sequence[str]], Iterable[Case]]


@dataclass(frozen=True)
class BehaviourFunction:
    """A function of real texts that yields cases; it can still be called like any function."""

    name: str
    function: Cases
    capability: str = ""
    required: float = 0.9
    most: int = 200

    def __call__(self, texts: Sequence[str]) -> Iterable[Case]:
        """Return the function's cases."""
        return self.function(texts)

    def asked(self, real: Sequence[Base], seed: int) -> Asked:
        """Return its cases. Raises `RecipeError` if it fails, or yields what is no case or of several kinds."""
        where = f"Behaviour function '{self.name}'"
        try:
            cases = list(islice(self.function([base.text for base in real if not is_taught(base.text)]), self.most))
        except Exception as error:  # whatever a user's function does wrong
            raise RecipeError(f"{where} failed: {told(error)}.") from error
        wrong = [case for case in cases if not isinstance(case, Case)]
        if wrong:
            raise RecipeError(f"{where} yielded {wrong[0]!r}; make cases with expect, same and moves.")
        kinds = sorted({case.kind for case in cases})
        if len(kinds) > 1:
            raise RecipeError(
                f"{where} yielded cases of several kinds ({', '.join(kinds)}). Write a function for each."
            )
        return Asked(self.name, kinds[0] if kinds else "MFT", self.capability, self.required, cases)


def behaviour_function(
    function: Cases | None = None, *, capability: str = "", required: float = 0.9, most: int = 200
) -> BehaviourFunction | Callable[[Cases], BehaviourFunction]:
    """Mark a function of real texts as a behaviour; its name is the function's."""

    def marked(made: Cases) -> BehaviourFunction:
        return BehaviourFunction(made.__name__, made, capability, required, most)

    return marked if function is None else marked(function)


def expect(text: str, *labels: str, lacks: Sequence[str] = ()) -> Case:
    """Return a case whose answer must have these labels (`signals`: categories, or `category/tag`), and lack others."""
    has = [Wanted(category, tag=tag) for category, _, tag in (label.partition("/") for label in labels)]
    return Case(text, wanted=(*has, *(Wanted(label, given=False) for label in lacks)))


def same(text: str, changed: str) -> Case:
    """Return a case whose two texts must get the same answer."""
    return Case(text, changed)


def moves(
    text: str, changed: str, *, score_of: str, to: Literal["up", "down"], tolerance: float = DEFAULT_TOLERANCE
) -> Case:
    """Return a case in which a label's score must not go the wrong way by more than the tolerance."""
    return Case(text, changed, move=Move(score_of, 1 if to == "up" else -1, -tolerance))


def read_functions(path: str | Path) -> list[BehaviourFunction]:
    """Run a Python file and return the behaviours in it, in its order. Raises `RecipeError`."""
    module = module_at(str(path), "Behaviours file")
    found = [value for value in vars(module).values() if isinstance(value, BehaviourFunction)]
    if not found:
        raise RecipeError(f"Behaviours file '{path}' holds no behaviour. Put @behaviour_function above each function.")
    return found
