"""Labelling files as people write them, right and wrong, up to what votes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from copydesk.errors import RecipeError
from copydesk.labelling.load import Functions, load_functions
from copydesk.labelling.voters import Batch, Vote
from copydesk.recipe import Recipe, load_recipe, parse_recipe, shipped_recipe

CATEGORIES = {"crime": ["theft"], "sports": ["football"]}


def _recipe(*paths: Path, task: str = "single", **weak: Any) -> Recipe:
    categories = {"categories": CATEGORIES} if task == "signals" else {}
    return parse_recipe(
        {"name": "toy", "task": task, **categories, "weak": {"functions": [str(path) for path in paths], **weak}}
    )


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def call(text: str, name: str = "rules.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return call


def _said(functions: Functions, *texts: str) -> list[tuple[int, str, str, bool]]:
    batch = Batch(texts, pl.DataFrame({"text": texts}))
    votes = [vote for voter in functions.voters for vote in voter.votes(batch)]
    return [(vote.text, vote.function, vote.label, vote.yes) for vote in votes]


def test_a_file_of_words_expressions_and_negation_votes(write: Any) -> None:
    path = write(
        "negation: 3\n"
        "functions:\n"
        "  praise: {label: good, words: [great, loved it], negated: bad}\n"
        "  swedish: {label: good, words: {sv: [bra, gillar], en: nice}}\n"
        "  stars: {label: good, regex: '[45] stars'}\n"
    )
    functions = load_functions(_recipe(path))
    assert functions.names == ["praise", "swedish", "stars"]
    assert functions.vocabulary.labels == ["bad", "good"]
    assert _said(functions, "Loved it, 5 stars", "not great", "inte bra", "nice") == [
        (0, "praise", "good", True),
        (1, "praise", "bad", True),
        (3, "swedish", "good", True),
        (0, "stars", "good", True),
    ]


def test_a_function_may_have_its_own_reach_of_negation(write: Any) -> None:
    path = write("functions: {a: {label: x, words: [good], negation: 1}, b: {label: y, words: [good]}}")
    assert _said(load_functions(_recipe(path)), "not good", "not so good") == [
        (0, "b", "y", True),
        (1, "a", "x", True),
        (1, "b", "y", True),
    ]


def test_a_keyword_file_is_one_function_for_each_label(write: Any) -> None:
    path = write("en: {sport: [goal], money: [bank]}\nsv: {sport: [mål]}", "words.yaml")
    functions = load_functions(_recipe(path))
    assert functions.names == ["words/sport", "words/money"]
    assert _said(functions, "mål", "a bank goal") == [
        (0, "words/sport", "sport", True),
        (1, "words/money", "money", True),
        (1, "words/sport", "sport", True),
    ]


def test_keywords_may_stand_in_a_labelling_file_too(write: Any) -> None:
    path = write("keywords: {en: {sport: [goal]}}\nfunctions: {banks: {label: money, words: bank}}")
    assert load_functions(_recipe(path)).names == ["banks", "rules/sport"]


def test_the_shipped_keywords_and_cues_of_signals_vote() -> None:
    functions = load_functions(load_recipe(shipped_recipe("signals")))
    batch = Batch(["Wildfire forces evacuation, two killed", "Wildfire contained, village spared"], pl.DataFrame())
    found = [vote for voter in functions.voters for vote in voter.votes(batch) if vote.label == "emergencies"]
    assert [vote.tag for vote in found] == ["fire", "fire"]
    assert found[0].score is not None and found[0].score < -0.9
    assert found[1].score is not None and found[1].score > 0


def test_rules_for_signals_have_tags_and_scores(write: Any) -> None:
    path = write("functions: {thieves: {label: crime, tag: theft, score: -0.6, regex: 'stol(e|en)'}}")
    functions = load_functions(_recipe(path, task="signals"))
    votes = functions.voters[0].votes(Batch(["a stolen car"], pl.DataFrame()))
    assert list(votes) == [Vote(0, "thieves", "crime", True, -0.6, "theft")]


def test_functions_can_vote_against_a_label(write: Any) -> None:
    path = write("functions: {no_sport: {label: sport, vote: no, words: [bank]}}")
    assert _said(load_functions(_recipe(path, task="multi")), "bank") == [(0, "no_sport", "sport", False)]


def test_yaml_and_python_files_vote_together(write: Any) -> None:
    yaml = write("functions: {goals: {label: sport, words: [goal]}}")
    python = write(
        "from copydesk import labelling_function\n"
        "@labelling_function\ndef money(example):\n    return 'money' if '$' in example.text else None\n",
        "functions.py",
    )
    functions = load_functions(_recipe(yaml, python, labels=["sport", "money"]))
    assert _said(functions, "$ for a goal") == [(0, "goals", "sport", True), (0, "money", "money", True)]


def test_python_functions_may_vote_for_labels_that_people_gave(write: Any) -> None:
    source = "from copydesk import labelling_function\n@labelling_function\ndef f(example):\n    return 'a'\n"
    path = write(source, "functions.py")
    assert load_functions(_recipe(path), gold=["a", "b"]).vocabulary.labels == ["a", "b"]
    with pytest.raises(RecipeError, match="No labels are known: no labelling file names any. List them in weak.labels"):
        load_functions(_recipe(path))


GOOD = "functions: {goals: {label: sport, words: [goal]}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: it needs `functions` or `keywords`"),
        ("functions: {}", "is empty: it needs `functions` or `keywords`"),
        ("en: {}", "holds no words"),
        ("{", "Labelling file .* is not valid YAML"),
        ("functions: {a: {label: x, words: [y]}, a: {label: z, words: [y]}}", "'a' stands twice, in line 1"),
        ("functons: {a: {label: x, words: [y]}}", "unknown key 'functons'. Did you mean 'functions'"),
        ("goals: {label: sport, words: [goal]}", "unknown key 'goals'. Known here: language, negation, functions"),
        ("functions: {a: {lable: x, words: [y]}}", "(?s)functions.a: .*unknown key 'lable'. Did you mean 'label'"),
        ("functions: {a: {words: [y]}}", "functions.a: 'label' is missing"),
        ("functions: {a: {label: x}}", "exactly one of words, regex and similar; this has none, or an empty one"),
        ("functions: {a: {label: x, words: []}}", "this has none, or an empty one"),
        ("functions: {a: {label: x, words: [y], regex: z}}", "this has words and regex"),
        ("functions: {a: {label: x, regex: y, negated: z}}", "`negated` goes with words"),
        ("functions: {a: {label: x, words: y, threshold: 0.5}}", "`threshold` goes with similar"),
        ("functions: {a: {label: x, similar: y, column: z}}", "`column` goes with words and regex"),
        ("functions: {a: {label: x, words: [no]}}", "YAML needs quotes around words like 'no'"),
        ("functions: {a: {label: x, words: [[y]]}}", r"\['y'\] is a list inside the list of words"),
        ("functions: {a: {label: x, words: y, vote: no}}", "`vote: no` is for the tasks 'multi' and 'signals'"),
        ("functions: {a: {label: x, words: y, negated: no}}", "`negated: no` is for the tasks 'multi' and 'signals'"),
        ("functions: {a: {label: x, words: y, tag: z}}", "`tag` is for task 'signals'"),
        ("functions: {a: {label: x, words: y, score: 1}}", "`score` is for task 'signals'"),
        ("functions: {a: {label: x, words: {xx: [y]}, negation: 2}}", "no negation words are known for language 'xx'"),
        ("keywords: {xx: {x: [y]}}\nnegation: 2", "no negation words are known for language 'xx'"),
        ("functions: {a: {label: x, regex: '('}}", "'a': .* is no regular expression"),
        (f"{GOOD}\nseverity: {{killed: 0.9}}", "`severity` and `polarity` are for task 'signals'"),
        (f"{GOOD}\nseverity: {{killed: 3}}", "severity.killed: the score 3 is not between 0 and 1"),
        (f"{GOOD}\npolarity: {{postive: [good]}}", "unknown key 'polarity.postive'. Did you mean 'positive'"),
        (f"{GOOD}\nnegation: {{windw: 3}}", "unknown key 'negation.windw'. Did you mean 'window'"),
        ("severity: {killed: 0.9}", "The labelling files hold no functions"),
    ],
)
def test_what_is_wrong_in_a_labelling_file_is_told_with_its_place(write: Any, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_functions(_recipe(write(text), labels=["x", "sport", "z"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "functions: {a: {label: sprots, words: y}}",
            "functions.a: 'sprots' is not one .*: crime, sports. Did you mean",
        ),
        ("functions: {a: {label: sports, tag: footbal, words: y}}", "'footbal' is not one .*: football. Did you mean"),
        ("en: {sprots: [goal]}", "sprots: 'sprots' is not one of the task's: crime, sports. Did you mean 'sports'"),
    ],
)
def test_votes_for_unknown_labels_are_refused_with_the_nearest(write: Any, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_functions(_recipe(write(text), task="signals"))


def test_labels_can_be_listed_and_are_then_all_there_are(write: Any) -> None:
    with pytest.raises(RecipeError, match="'sport' is not one of the task's: sports, money. Did you mean 'sports'"):
        load_functions(_recipe(write(GOOD), labels=["sports", "money"]))


def test_own_negation_words_can_be_listed(write: Any) -> None:
    path = write(
        "negation: {window: 2, words: {xx: [nope]}}\nfunctions: {a: {label: x, words: {xx: [good]}, negated: y}}"
    )
    assert _said(load_functions(_recipe(path)), "nope good") == [(0, "a", "y", True)]


def test_no_two_functions_have_one_name(write: Any) -> None:
    with pytest.raises(RecipeError, match="Two labelling functions are named 'goals'"):
        load_functions(_recipe(write(GOOD), write(GOOD, "more.yaml")))


def test_a_recipe_needs_labelling_files_that_exist(write: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"names no labelling functions. List their files in weak\.functions"):
        load_functions(_recipe())
    with pytest.raises(RecipeError, match=r"Labelling file .*none\.yaml' cannot be read: .*No such file"):
        load_functions(_recipe(tmp_path / "none.yaml"))
    with pytest.raises(RecipeError, match=r"rules\.json' is neither YAML \(\.yaml\) nor Python \(\.py\)"):
        load_functions(_recipe(write("{}", "rules.json")))


def test_paths_are_relative_to_the_recipe(write: Any, tmp_path: Path) -> None:
    write(GOOD)
    recipe = load_recipe(write("name: toy\nweak: {functions: rules.yaml}\n", "toy.yaml"))
    assert recipe.weak.functions == [str(tmp_path / "rules.yaml")]


def test_signals_have_their_categories_for_labels(write: Any) -> None:
    with pytest.raises(RecipeError, match=r"weak\.labels is not for task 'signals'"):
        _recipe(write(GOOD), task="signals", labels=["a"])
