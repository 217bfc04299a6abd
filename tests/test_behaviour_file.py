"""Suites as people write them, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copydesk.behaviour.load import Suite, load_suite
from copydesk.errors import RecipeError
from copydesk.recipe import Recipe, parse_recipe

RECIPE = parse_recipe({"name": "reviews"})
SIGNALS = parse_recipe({"name": "news", "task": "signals", "categories": {"crime": ["theft"], "sports": ["football"]}})


def _suite(folder: Path, text: str, recipe: Recipe = RECIPE) -> Suite:
    path = folder / "suite.yaml"
    path.write_text(text, "utf-8")
    return load_suite(path, recipe)


def _texts(suite: Suite) -> list[str]:
    return [case.text for case in suite.behaviours[0].asked([], 0).cases]


def test_templates_are_filled_from_slots_and_lists(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        "lists: {dish: [soup, omelette]}\n"
        "behaviours:\n"
        "  praise: {templates: ['{Dish} and {a:dish}, {{really}} {good}.'], slots: {good: [great]}, expect: liked}\n",
    )
    assert set(_texts(suite)) == {"Soup and a soup, {really} great.", "Omelette and an omelette, {really} great."}


def test_two_slots_of_one_list_hold_different_words(tmp_path: Path) -> None:
    suite = _suite(tmp_path, "behaviours: {b: {templates: '{n1} or {n2}', slots: {n: [a, b, c]}, expect: x}}\n")
    assert sorted(_texts(suite)) == ["a or b", "a or c", "b or a", "b or c", "c or a", "c or b"]


def test_cases_are_drawn_evenly_from_templates_up_to_a_limit(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        "behaviours: {b: {templates: ['one {n}', 'two {n}'], slots: {n: "
        + str([str(number) for number in range(200)])
        + "}, expect: x, cases: 60}}\n",
    )
    texts = _texts(suite)
    assert len(set(texts)) == 60
    assert sum(text.startswith("one") for text in texts) == 30
    assert texts != [case.text for case in suite.behaviours[0].asked([], 1).cases]
    assert texts == [case.text for case in suite.behaviours[0].asked([], 0).cases]


def test_columns_of_a_text_are_named(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "papers", "text": ["title", "abstract"]})
    suite = _suite(tmp_path, "behaviours: {b: {texts: [{abstract: A}, Only a title], expect: x}}\n", recipe)
    assert sorted(_texts(suite)) == ["\x1fA", "Only a title\x1f"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("behaviors: {}", "unknown key 'behaviors'. Did you mean 'behaviours'"),
        (
            "lists: {a: &a [x], b: *a}\nbehaviours: {b: {texts: [x], expect: a}}",
            "a reference (*name) is not expected here",
        ),
        ("x: " + "[" * 5000, "nested too deeply"),
        ("[1]", "holds list, not a mapping"),
        ("language: en", "holds no behaviours"),
        (
            "behaviours: {b: {texts: [x], expect: a, requierd: 1}}",
            "behaviours.b: unknown key 'requierd'. Did you mean 'r",
        ),
        ("behaviours: {b: {texts: [x], expect: a}, b: {texts: [y], expect: a}}", "the key 'b' stands twice"),
        ("behaviours: {b: {expect: a}}", "behaviours.b: it has no texts: give templates, texts, pairs, or data: true"),
        ("behaviours: {b: {texts: [x]}}", "nothing is asked: give `expect`, or a `change`"),
        ("behaviours: {b: {texts: [x], expect: {has: []}}}", "nothing is expected"),
        ("behaviours: {b: {data: true, expect: a}}", "`expect` goes with templates and texts alone"),
        ("behaviours: {b: {texts: [x], pairs: [[a, b]]}}", "`pairs` stand alone"),
        ("behaviours: {b: {texts: [x], slots: {n: [a]}, expect: a}}", "`slots` go with templates"),
        (
            "behaviours: {b: {texts: [x], change: typo, moves: {score_of: a, to: sideways}}}",
            "moves.to: 'sideways' is not",
        ),
        (
            "behaviours: {b: {texts: [x], change: typo, moves: {score_of: a, to: up, tolerance: 0.1, at_least: 0.2}}}",
            "`tolerance` lets a score go the wrong way",
        ),
        ("behaviours: {b: {texts: [x], change: typos}}", "behaviours.b: 'typos' is no change. Did you mean 'typo'"),
        (
            "behaviours: {b: {templates: ['{dishh}'], slots: {dish: [a]}, expect: a}}",
            "no list is named 'dishh'. Known: dish",
        ),
        ("behaviours: {b: {templates: ['{x'], expect: a}}", "is no template"),
        ("behaviours: {b: {texts: [{titel: x}], expect: a}}", "'titel' is none of the recipe's text columns: text"),
        ("behaviours: {b: {texts: [x], expect: {has: [{category: a, sign: positive}]}}}", "are for task 'signals'"),
        ("behaviours: {b: {texts: [x], expect: a, required: 90}}", "required: 90 is not valid"),
        ("protect: [{a: b}]\nbehaviours: {b: {texts: [x], expect: a}}", "protect"),
    ],
)
def test_what_is_wrong_with_a_suite_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as raised:
        _suite(tmp_path, text)
    assert message in str(raised.value) and "suite.yaml" in str(raised.value)


def test_a_suite_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"Behaviours file '.*none.yaml' cannot be read: No such file"):
        load_suite(tmp_path / "none.yaml", RECIPE)


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("sport", "'sport' is not one of the task's: crime, sports. Did you mean 'sports'"),
        ("crime/thefts", "'thefts' is not one of the task's: theft"),
        ("{has: [{category: crime, sign: bad}]}", "sign"),
    ],
)
def test_categories_and_tags_are_the_recipes(tmp_path: Path, expect: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        _suite(tmp_path, f"behaviours: {{b: {{texts: [x], expect: {expect}}}}}\n", SIGNALS)


FUNCTIONS = """
from copydesk.behaviour.function import behaviour_function, expect, moves, same

@behaviour_function(capability="negation", required=0.5)
def not_bad(texts):
    yield expect("It was not bad.", "liked", lacks=["hated"])

@behaviour_function
def shouting(texts):
    for text in texts:
        yield same(text, text.upper())

@behaviour_function
def praise(texts):
    yield moves("We came.", "We came. Great!", score_of="liked", to="up")
"""


def test_behaviours_in_python_stand_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(FUNCTIONS, "utf-8")
    suite = _suite(tmp_path, "python: more.py\nbehaviours: {b: {texts: [x], expect: liked}}\n")
    asked = [one.asked([], 0) for one in suite.behaviours]
    assert [one.name for one in asked] == ["b", "not_bad", "shouting", "praise"]
    assert [one.kind for one in asked] == ["MFT", "MFT", "MFT", "DIR"]
    assert asked[1].capability == "negation" and asked[1].required == 0.5


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("yield 1 / 0", "'wrong' failed: ZeroDivisionError: division by zero"),
        ("yield 'a text'", "yielded 'a text'; make cases with expect, same and moves"),
        ("yield same('a', 'b'); yield expect('a', 'b')", "yielded cases of several kinds"),
    ],
)
def test_what_a_function_does_wrong_is_told(tmp_path: Path, code: str, message: str) -> None:
    head = FUNCTIONS.partition("@")[0]
    (tmp_path / "more.py").write_text(f"{head}\n@behaviour_function\ndef wrong(texts):\n    {code}\n", "utf-8")
    suite = _suite(tmp_path, "python: more.py\n")
    with pytest.raises(RecipeError, match=message):
        suite.behaviours[0].asked([], 0)


def test_python_without_a_behaviour_and_names_used_twice_are_told(tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text("x = 1\n", "utf-8")
    with pytest.raises(RecipeError, match=r"more.py' holds no behaviour. Put @behaviour_function"):
        _suite(tmp_path, "python: more.py\n")
    (tmp_path / "again.py").write_text(FUNCTIONS, "utf-8")
    with pytest.raises(RecipeError, match="two behaviours are named 'praise'"):
        _suite(tmp_path, "python: again.py\nbehaviours: {praise: {texts: [x], expect: liked}}\n")


def test_labels_may_be_numbers(tmp_path: Path) -> None:
    suite = _suite(tmp_path, "behaviours: {b: {texts: [x], expect: 1}}\n")
    wanted: Any = suite.behaviours[0].asked([], 0).cases[0].wanted
    assert wanted[0].label == "1"


def test_more_fillings_than_a_range_can_hold_are_drawn_all_the_same(tmp_path: Path) -> None:
    names = [f"word_{letter}" for letter in "abcdefghijklmnop"]
    template, slots = " ".join(f"{{{name}}}" for name in names), dict.fromkeys(names, [f"w{n}" for n in range(60)])
    suite = _suite(tmp_path, f"behaviours: {{b: {{templates: '{template}', slots: {slots}, expect: x, cases: 3}}}}\n")
    assert len(set(_texts(suite))) == 3
