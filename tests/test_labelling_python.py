from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from copydesk import Example, Signal, labelling_function
from copydesk.errors import RecipeError
from copydesk.labelling.python import PythonVoter, read_python
from copydesk.labelling.voters import Batch, Vote
from copydesk.models.keyword_file import Vocabulary

SINGLE = Vocabulary("single", ["news", "sport"])
MULTI = Vocabulary("multi", ["cs.CL", "cs.LG"])
SIGNALS = Vocabulary("signals", ["crime", "sports"], {"crime": ["theft"], "sports": ["football"]})


def _votes(returned: Any, vocabulary: Vocabulary) -> list[Vote]:
    @labelling_function
    def given(example: Example) -> Any:
        return returned

    return list(PythonVoter([given], vocabulary).votes(Batch(["a text"], pl.DataFrame({"text": ["a text"]}))))


@pytest.mark.parametrize(
    ("returned", "vocabulary", "said"),
    [
        (None, SINGLE, []),
        ("sport", SINGLE, [("sport", True)]),
        (1, Vocabulary("single", ["0", "1"]), [("1", True)]),
        (["cs.LG", "cs.CL"], MULTI, [("cs.LG", True), ("cs.CL", True)]),
        ({"cs.LG": True, "cs.CL": False}, MULTI, [("cs.LG", True), ("cs.CL", False)]),
        ([], MULTI, []),
        ("crime", SIGNALS, [("crime", True)]),
    ],
)
def test_a_function_returns_a_label_labels_or_none(returned: Any, vocabulary: Vocabulary, said: list[Any]) -> None:
    assert [(vote.label, vote.yes) for vote in _votes(returned, vocabulary)] == said


def test_a_function_can_return_signals() -> None:
    found = _votes([Signal("crime", -0.7, "theft"), Signal("sports", 0.0)], SIGNALS)
    assert found == [Vote(0, "given", "crime", True, -0.7, "theft"), Vote(0, "given", "sports", False, 0.0, "")]
    assert _votes("sports/football", SIGNALS) == [Vote(0, "given", "sports", True, None, "football")]


@pytest.mark.parametrize(
    ("returned", "vocabulary", "message"),
    [
        ("sprot", SINGLE, "'given' returned 'sprot': 'sprot' is not one of the task's: news, sport. Did you mean"),
        ("sports/chess", SIGNALS, "'given' returned 'sports/chess': 'chess' is not one of the task's: football"),
        (["sport"], SINGLE, r"'given' returned \['sport'\]; expected a label or None"),
        (True, SINGLE, "returned True; expected a label or None"),
        (0.5, MULTI, "returned 0.5; expected a label, a list of labels, {label: True or False} or None"),
        (["cs.LG", "cs.LG"], MULTI, "names a label twice"),
    ],
)
def test_a_function_that_returns_what_cannot_be_a_vote_is_named(
    returned: Any, vocabulary: Vocabulary, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        _votes(returned, vocabulary)


def test_an_example_has_the_text_and_the_rows_columns() -> None:
    seen: list[Example] = []

    @labelling_function
    def look(example: Example) -> None:
        seen.append(example)

    list(PythonVoter([look], SINGLE).votes(Batch(["a\x1fb"], pl.DataFrame({"title": ["A"], "views": [3]}))))
    assert seen[0].text == "a\nb" and seen[0]["views"] == 3
    with pytest.raises(KeyError, match="'domain' is no column of this row; it has: title, views"):
        seen[0]["domain"]
    assert look(Example("by hand")) is None and seen[1].columns == {}


def test_a_function_that_raises_on_some_texts_is_counted_and_abstains_there() -> None:
    @labelling_function
    def fragile(example: Example) -> str:
        return {"a": "sport"}[example.text]

    voter = PythonVoter([fragile], SINGLE)
    votes = voter.votes(Batch(["b", "a", "c"], pl.DataFrame({"text": ["b", "a", "c"]})))
    assert [vote.text for vote in votes] == [1]
    assert voter.faults["fragile"].failures == 2
    assert voter.faults["fragile"].first == "KeyError: 'b' on 'b'"


def test_a_file_gives_its_functions_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "functions.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from copydesk import Example, labelling_function\n"
        "@dataclass\nclass Helper:\n    word: str\n"
        "@labelling_function\ndef second(example: Example):\n    return None\n"
        "@labelling_function\ndef first(example: Example):\n    return Helper('sport').word\n"
    )
    functions = read_python(str(path))
    assert [function.name for function in functions] == ["second", "first"]
    assert functions[1](Example("x")) == "sport"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "x = 1\nimport no_such_module\n",
            "cannot be run: ModuleNotFoundError: No module named 'no_such_module' in line 2",
        ),
        ("def f(:\n", "cannot be run: SyntaxError: .* in line 1"),
        ("import sys\nsys.exit(3)\n", "cannot be run: SystemExit: 3 in line 2"),
        ("def f(example): return None\n", "holds no labelling function. Put @labelling_function"),
    ],
)
def test_what_is_wrong_with_a_python_file_is_told(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "functions.py"
    path.write_text(source)
    with pytest.raises(RecipeError, match=message):
        read_python(str(path))


def test_a_python_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.py' does not exist"):
        read_python(str(tmp_path / "none.py"))
