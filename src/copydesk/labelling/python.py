"""Labelling functions from a Python file, and what they may return.

A function that raises on some texts abstains there, and is counted. One that returns what cannot be a vote is a mistake
in its file and ends the run. It cannot stop a function that never returns.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from copydesk.data.label_kinds import name_of
from copydesk.errors import RecipeError
from copydesk.labelling.function import LabellingFunction
from copydesk.labelling.voters import Batch, Faults, Vote
from copydesk.models.keyword_file import Vocabulary, require_known
from copydesk.types import Example, Signal

_EXPECTED = {
    "single": "a label or None",
    "multi": "a label, a list of labels, {label: True or False} or None",
    "signals": "a category, 'category/tag', a Signal, a list of these or None",
}


def read_python(path: str) -> list[LabellingFunction]:
    """Run a Python file and return the labelling functions in it, in its order.

    Raises `RecipeError` if it cannot be run, or holds none.
    """
    module = module_at(path, "Labelling file")
    found = [value for value in vars(module).values() if isinstance(value, LabellingFunction)]
    if not found:
        raise RecipeError(
            f"Labelling file '{path}' holds no labelling function. Put @labelling_function (from copydesk) above each."
        )
    return found


def module_at(path: str, what: str) -> ModuleType:
    """Run a Python file and return it as a module. Raises `RecipeError` that calls the file `what`."""
    spec = importlib.util.spec_from_file_location(f"copydesk_file_{Path(path).stem}", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise RecipeError(f"{what} '{path}' does not exist.")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a user's file does wrong
        where = f" in line {line}" if (line := _line_of(error, path)) else ""
        raise RecipeError(f"{what} '{path}' cannot be run: {told(error)}{where}.") from error
    return module


class PythonVoter:
    """Labelling functions that are called text by text."""

    def __init__(self, functions: Sequence[LabellingFunction], vocabulary: Vocabulary) -> None:
        """`vocabulary` is what they may vote for."""
        self._functions, self._vocabulary = functions, vocabulary
        self.names = [function.name for function in functions]
        self.columns: set[str] = set()
        self.faults = {name: Faults() for name in self.names}

    def votes(self, batch: Batch) -> Iterator[Vote]:
        """Yield the functions' votes. Raises `RecipeError` naming a function that returns what cannot be a vote."""
        for place, (text, row) in enumerate(zip(batch.lines, batch.rows.iter_rows(named=True), strict=True)):
            example = Example(text, row)
            for function in self._functions:
                try:
                    said = function(example)
                except Exception as error:  # one text that a function did not expect must not end the run
                    faults = self.faults[function.name]
                    faults.failures += 1
                    faults.first = faults.first or f"{told(error)} on {text[:60]!r}"
                    continue
                if said is not None:
                    yield from self._votes(place, function.name, said)

    def _votes(self, place: int, function: str, said: object) -> Iterator[Vote]:
        where = f"Labelling function '{function}' returned {said!r}"
        given = list(_entries(said, self._vocabulary.task, where))
        if len({label for label, *_ in given}) < len(given):
            raise RecipeError(f"{where}, which names a label twice.")
        for label, yes, score, tag in given:
            require_known(label, self._vocabulary.labels or (), where)
            if tag:
                require_known(tag, (self._vocabulary.tags or {}).get(label, ()), where)
            yield Vote(place, function, label, yes, score, tag)


_Entry = tuple[str, bool, float | None, str]


def _entries(said: object, task: str, where: str) -> Iterator[_Entry]:
    """Yield label, whether it is there, score and tag of everything a function returned."""
    if task == "multi" and isinstance(said, Mapping) and all(isinstance(yes, bool) for yes in said.values()):
        yield from ((name_of(label), yes, None, "") for label, yes in said.items())
        return
    items = said if isinstance(said, list | tuple | set) and task != "single" else [said]
    for item in items:
        if task == "signals" and isinstance(item, Signal):
            yield item.category, bool(item.score or item.tag), item.score, item.tag
        elif task == "signals" and isinstance(item, str):
            category, _, tag = item.partition("/")
            yield category, True, None, tag
        elif task != "signals" and isinstance(item, str | int) and not isinstance(item, bool):
            yield name_of(item), True, None, ""
        else:
            raise RecipeError(f"{where}; expected {_EXPECTED[task]}.")


def told(error: BaseException) -> str:
    """Return an error's name and the first line of its message."""
    message = str(error).strip()
    return f"{type(error).__name__}: {message.splitlines()[0]}" if message else type(error).__name__


def _line_of(error: BaseException, path: str) -> int | None:
    """Return the last line of the file that the error came from."""
    if isinstance(error, SyntaxError):
        return error.lineno
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
