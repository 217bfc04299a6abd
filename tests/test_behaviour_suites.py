"""The suites that come with the recipes: they can be read, give cases enough, and can be asked of a model."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from copydesk.behaviour.chance import is_taught
from copydesk.behaviour.file import read_suite_file
from copydesk.behaviour.load import Suite, load_suite
from copydesk.behaviour.run import real_texts, run_suite
from copydesk.behaviour.teach import suggest
from copydesk.bundle import Settings
from copydesk.models.linear import LinearModel
from copydesk.recipe import Recipe, load_recipe
from copydesk.runtime.engine import Classifier
from copydesk.tasks import make_task
from copydesk.types import Label, Signal

ROOT = Path(__file__).parent.parent / "recipes"
NAMES = ["arxiv", "clickbait", "restaurant", "signals", "tweets"]
LABELS = {"clickbait": ["clickbait", "news"], "restaurant": ["0", "1"], "tweets": ["negative", "neutral", "positive"]}
LABELS["arxiv"] = ["cs.CL", "cs.CR", "cs.CV", "cs.IR", "cs.RO", "cs.SD"]
_REAL = [
    "17 People From {0} Say That The Weather Isn't Great",
    "Rescuers freed {1} tourists near {0} on Tuesday.",
    "The burger place in {0} is good",
    "I don't like the terrible service there, but the results improve",
    "We propose a method and present results on various images",
    "It was a wonderful evening with friends.",
]


def _suite(name: str) -> tuple[Recipe, Suite]:
    recipe = load_recipe(ROOT / f"{name}.yaml")
    assert recipe.behaviours is not None
    return recipe, load_suite(recipe.behaviours, recipe)


def _texts(recipe: Recipe) -> tuple[list[str], list[Label]]:
    """Return texts that a model can be asked about, labelled by chance."""
    chance = random.Random(5)
    towns = ["Norway", "Lima", "Boston", "Lund", "Peru", "Chicago"]
    texts = {
        text.format(chance.choice(towns), chance.randint(11, 99)) + " Indeed" * place
        for text in _REAL
        for place in range(9)
    }
    chosen = sorted(texts)
    return ["\x1f".join([text, *[text] * (len(recipe.text) - 1)]) for text in chosen], [
        _label(recipe, chance) for _ in chosen
    ]


def _label(recipe: Recipe, chance: random.Random) -> Label:
    if recipe.categories:
        category = chance.choice(list(recipe.categories))
        return (Signal(category, chance.choice([-0.7, 0.7]), chance.choice(recipe.categories[category])),)
    label = chance.choice(LABELS[recipe.name])
    return (label,) if recipe.task == "multi" else label


def _model(recipe: Recipe) -> Classifier:
    """Return a linear model of texts labelled by chance: it knows the labels, and little else."""
    labels = list(recipe.categories) or LABELS[recipe.name]
    task = make_task(recipe.task, labels, categories=recipe.categories)
    texts, known = _texts(recipe)
    model = LinearModel.fit(texts, task.encode(known), task)
    tags = {category: tuple(tags) for category, tags in recipe.categories.items()}
    return Classifier(model, Settings(recipe.task, task.labels, "linear", tuple(recipe.text), (), categories=tags))


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_has_a_suite_of_all_three_kinds(name: str) -> None:
    recipe, suite = _suite(name)
    real = real_texts(*_texts(recipe))
    asked = [behaviour.asked(real, 0) for behaviour in suite.behaviours]
    assert {one.kind for one in asked} == {"MFT", "INV", "DIR"}
    assert any(one.capability == "fairness" for one in asked)
    assert all(one.capability for one in asked)


@pytest.mark.parametrize("name", NAMES)
def test_templates_give_enough_different_cases(name: str) -> None:
    recipe, suite = _suite(name)
    _, said = read_suite_file(recipe.behaviours or "")
    for behaviour in suite.behaviours:
        cases = behaviour.asked([], 0).cases
        if said[behaviour.name].templates:
            assert len({(case.text, case.changed) for case in cases}) == len(cases) >= 14, behaviour.name
            assert not any("{" in case.text or "  " in case.text for case in cases), behaviour.name


@pytest.mark.parametrize("name", NAMES)
def test_a_model_can_be_asked_and_taught(name: str) -> None:
    recipe, suite = _suite(name)
    texts, labels = _texts(recipe)
    results = run_suite(suite, _model(recipe), texts=texts, labels=labels)
    assert len(results) == len(suite.behaviours) >= 12
    assert sum(result.n > 0 for result in results) >= len(results) - 2
    assert not all(result.holds for result in results)  # it was trained on noise
    suggestion = suggest(suite, results, texts=texts, labels=labels)
    asked = {
        text
        for behaviour in suite.behaviours
        for case in behaviour.asked(real_texts(texts, labels), 0).cases
        for text in (case.text, case.changed)
    }
    assert suggestion.lessons and not asked & {lesson.text for lesson in suggestion.lessons}


def test_words_are_divided_into_those_asked_and_those_taught() -> None:
    words = [f"word {number}" for number in range(3_000)]
    assert 0.3 < sum(map(is_taught, words)) / len(words) < 0.37
    assert is_taught("Word 7") == is_taught("word 7")
