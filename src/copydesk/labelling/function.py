r"""Labelling functions written in Python: the decorator that marks them.

    from copydesk import labelling_function

    @labelling_function
    def has_a_score(example):
        return "sport" if re.search(r"\d-\d", example.text) else None

Importing it loads nothing heavy: `copydesk` exports it. How such functions are read and run is in `python.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from copydesk.types import Example


@dataclass(frozen=True)
class LabellingFunction:
    """A function of an example that returns a label, or None to abstain; it can still be called like any function."""

    name: str
    function: Callable[[Example], Any]

    def __call__(self, example: Example) -> Any:  # noqa: ANN401 (what users return is checked where it is counted)
        """Return what the function says of the example."""
        return self.function(example)


def labelling_function(function: Callable[[Example], Any]) -> LabellingFunction:
    """Mark a function of an `Example` as a labelling function; its name is the function's."""
    return LabellingFunction(function.__name__, function)
