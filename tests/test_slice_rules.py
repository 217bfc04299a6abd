"""The slices that a recipe names: words, expressions, labelling functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from copydesk.errors import RecipeError
from copydesk.labelling.slice_rules import slice_functions, slice_rules
from copydesk.recipe import Recipe, load_recipe, parse_recipe
from fakes import Listener

TEXTS = ["17 things", "Rates do not rise", "It isn't over", "Storm ahead"]


def _recipe(**evaluate: object) -> Recipe:
    return parse_recipe({"name": "toy", "evaluate": evaluate})


def _picked(rules: list) -> dict[str, list[int]]:  # type: ignore[type-arg]
    found = {name: inside for asked in rules for name, inside in asked(TEXTS).items()}
    return {name: inside.nonzero()[0].tolist() for name, inside in found.items()}


def test_words_and_expressions_pick_texts_out() -> None:
    recipe = _recipe(slices={"number": {"regex": r"\d"}, "weather": {"words": ["storm", "rain"]}})
    assert _picked(slice_rules(recipe)) == {"number": [0], "weather": [3]}


@pytest.mark.parametrize("rule", [{}, {"words": ["a"], "regex": ["b"]}])
def test_a_slice_has_one_kind_of_evidence(rule: dict[str, list[str]]) -> None:
    with pytest.raises(RecipeError, match="either words or regex"):
        _recipe(slices={"odd": rule})


def test_where_a_labelling_function_votes_is_a_slice(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text('functions:\n  negated: {label: any, regex: "not|n\'t"}\n', "utf-8")
    (tmp_path / "code.py").write_text(
        "from copydesk import labelling_function\n\n@labelling_function\ndef is_short(example):\n"
        "    if example.text.startswith('Rates'):\n        raise ValueError('a text it did not expect')\n"
        "    return len(example.text) < 10\n",
        "utf-8",
    )
    (tmp_path / "toy.yaml").write_text("name: toy\nevaluate: {functions: [rules.yaml, code.py]}\n", "utf-8")
    listener = Listener()
    rules = slice_functions(load_recipe(tmp_path / "toy.yaml"), listener)
    assert _picked(rules) == {"negated": [1, 2], "is_short": [0]}
    assert listener.warned == [
        "The slice 'is_short' lacks 1 texts on which it failed: ValueError: a text it did not expect on "
        "'Rates do not rise'."
    ]


def test_a_function_that_looks_at_a_column_cannot_be_a_slice(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("functions:\n  site: {label: any, regex: news, column: url}\n", "utf-8")
    with pytest.raises(RecipeError, match="site look at the column 'url'"):
        slice_functions(_recipe(functions=str(tmp_path / "rules.yaml")), Listener())


def test_a_recipe_without_slices_has_none() -> None:
    assert slice_rules(_recipe()) == [] == slice_functions(_recipe(), Listener())
