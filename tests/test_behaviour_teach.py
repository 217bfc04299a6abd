"""Training rows that repair a behaviour: other words, other texts, balanced; and what training makes of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from copydesk.behaviour.load import Suite, load_suite
from copydesk.behaviour.run import run_suite
from copydesk.behaviour.teach import Suggestion, suggest, write_lessons
from copydesk.behaviour.written import Lesson
from copydesk.recipe import Recipe, parse_recipe
from copydesk.types import BehaviourResult, Label, Signal

RECIPE = parse_recipe({"name": "reviews", "text": ["Review"], "label": "Liked"})
WORDS = [f"dish{number}" for number in range(40)]


def _suite(folder: Path, text: str, recipe: Recipe = RECIPE) -> Suite:
    path = folder / "suite.yaml"
    path.write_text(f"lists: {{dish: {WORDS}}}\n{text}", "utf-8")
    return load_suite(path, recipe)


def _results(suite: Suite, *held: str) -> list[BehaviourResult]:
    """Return results by which all behaviours failed but those that are named."""
    return [
        BehaviourResult(one.name, "MFT", 10, 10 if one.name in held else 0, (0, 1), 0.9) for one in suite.behaviours
    ]


def _asked(suite: Suite, texts: Sequence[str] = ()) -> set[str]:
    from copydesk.behaviour.run import real_texts

    real = real_texts(texts, [])
    cases = [case for one in suite.behaviours for seed in range(5) for case in one.asked(real, seed).cases]
    return {text for case in cases for text in (case.text, case.changed)}


PLAIN = """
behaviours:
  praise: {templates: ['The {dish} was {word}.'], slots: {word: [great, fine]}, expect: "1"}
  blame: {templates: ['The {dish} was {word}.'], slots: {word: [awful, bad]}, expect: "0"}
"""


def test_lessons_hold_words_that_are_never_asked_about(tmp_path: Path) -> None:
    suite = _suite(tmp_path, PLAIN)
    lessons = suggest(suite, _results(suite)).lessons
    asked = " ".join(_asked(suite)).split()
    assert len(lessons) > 20
    for lesson in lessons:
        assert lesson.text.split()[1] not in asked


def test_lessons_are_of_failed_behaviours_and_balanced_by_others(tmp_path: Path) -> None:
    suite = _suite(tmp_path, PLAIN)
    suggestion = suggest(suite, _results(suite, "blame"))
    assert set(suggestion.by_behaviour) == {"praise", "counterweight"}
    assert len(set(Counter(lesson.label for lesson in suggestion.lessons).values())) == 1
    assert suggest(suite, _results(suite, "praise", "blame")) == Suggestion()


def test_lessons_are_capped_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    suite = _suite(tmp_path, PLAIN)
    some = suggest(suite, _results(suite), most=10)
    assert len(some.lessons) == 10
    assert some == suggest(suite, _results(suite), most=10) != suggest(suite, _results(suite), most=10, seed=1)


CHANGES = """
behaviours:
  typos: {data: true, change: typo}
  blame helps nobody:
    data: true
    change: {append: [Awful., Bad., Never again., Terrible., Sad.]}
    moves: {score_of: "1", to: down}
  negation: {data: ["1"], change: negate, moves: {score_of: "1", to: down}, teach: "0"}
"""


def test_changed_texts_are_other_texts_than_those_asked_about_and_keep_their_label(tmp_path: Path) -> None:
    suite = _suite(tmp_path, CHANGES)
    texts = [f"The evening {number} was wonderful." for number in range(60)]
    labels: list[Label] = ["1", "0"] * 30
    lessons = suggest(suite, _results(suite), texts=texts, labels=labels, most=1000).lessons
    assert not {lesson.text for lesson in lessons} & _asked(suite, texts)
    given = dict(zip(texts, labels, strict=True))
    for lesson in lessons:
        if lesson.behaviour == "blame helps nobody":
            assert lesson.label == "0"  # a liked text with blame may be either
        if lesson.behaviour == "negation":
            assert lesson.label == "0" and given[lesson.text.replace("was not", "was")] == "1"
    assert {lesson.behaviour for lesson in lessons} >= {"typos", "blame helps nobody", "negation"}
    assert {lesson.label for lesson in lessons if lesson.behaviour == "typos"} == {"0", "1"}


def test_what_cannot_be_taught_is_said(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        """
behaviours:
  real texts: {data: true, change: typo}
  no label: {templates: ['The {dish} was great.'], change: typo}
  only texts: {texts: [It was great.], expect: "1"}
""",
    )
    notes = suggest(suite, _results(suite)).notes
    assert notes[0] == "'real texts': it changes real texts, and no training texts were given."
    assert notes[1] == "'no label': the label of its texts is not known; say it in `teach`."
    assert notes[2].startswith("'only texts': nothing can be made for it that is not asked about")


def test_one_text_is_not_taught_under_two_labels(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        """
behaviours:
  yes: {templates: ['The {dish}.'], expect: "1"}
  no: {templates: ['The {dish}.'], expect: "0"}
""".replace("yes:", "'yes':").replace("no:", "'no':"),
    )
    assert suggest(suite, _results(suite)).lessons == []


def test_lessons_are_written_in_the_recipes_columns(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "papers", "task": "multi", "text": ["title", "abstract"], "label": "codes"})
    write_lessons(tmp_path / "a.jsonl", Suggestion([Lesson("A\x1fB", ("cs.CL", "cs.LG"), "b")]), recipe)
    assert json.loads((tmp_path / "a.jsonl").read_text("utf-8")) == {
        "title": "A",
        "abstract": "B",
        "codes": ["cs.CL", "cs.LG"],
        "behaviour": "b",
    }


@pytest.mark.parametrize(
    ("task", "said", "label"),
    [
        ("multi", "expect: [b, a]", ("a", "b")),
        ("multi", "expect: {lacks: a}", None),
        ("multi", "expect: {lacks: a}, teach: [b]", ("b",)),
        ("signals", "expect: {has: [{category: a, sign: negative, tag: t}]}", (Signal("a", -0.6, "t"),)),
        ("signals", "expect: a/t", None),
        ("signals", "expect: a/t, teach: [{category: a, score: 0.2, tag: t}]", (Signal("a", 0.2, "t"),)),
    ],
)
def test_the_label_of_a_lesson_is_what_is_expected_or_taught(
    tmp_path: Path, task: str, said: str, label: Label | None
) -> None:
    values = {"name": "x", "task": task} | ({"categories": {"a": ["t"]}} if task == "signals" else {})
    suite = _suite(tmp_path, f"behaviours: {{b: {{templates: '{{dish}} came', {said}}}}}\n", parse_recipe(values))
    lessons = suggest(suite, _results(suite)).lessons
    assert {lesson.label for lesson in lessons} == ({label} if label else set())


def test_training_with_lessons_repairs_a_behaviour_on_fresh_cases(tmp_path: Path) -> None:
    """The model takes `not great` for praise; it has seen no negation."""
    from copydesk.data.dataset import load_dataset
    from copydesk.data.prepare import prepare_dataset
    from copydesk.recipe import override
    from copydesk.runtime.engine import Classifier
    from copydesk.training import train_bundle
    from fakes import write_csv

    praise, blame = ["great", "lovely", "fine", "superb"], ["awful", "bad", "nasty", "poor"]
    rows = [
        (f"{dish} {word} {more}", label)
        for dish in WORDS
        for label, words in (("1", praise), ("0", blame))
        for word, more in zip(words, words[1:] + words[:1], strict=True)
    ]
    settings = {"name": "toy", "text": ["Review"], "label": "Liked", "model": {"kind": "linear"}}
    recipe = parse_recipe({**settings, "prepare": {"dedupe": "exact", "split": {"by": "row"}}})
    prepare_dataset(recipe, write_csv(tmp_path / "rows.csv", rows, ("Review", "Liked"))).save(tmp_path / "data")
    suite = _suite(
        tmp_path,
        f"behaviours:\n  negated: {{templates: ['{{dish}} not {{word}}'], slots: {{word: {praise}}}, expect: '0'}}\n"
        f"  plain: {{templates: ['{{dish}} so {{word}}'], slots: {{word: {praise}}}, expect: '1'}}\n",
        recipe,
    )
    before = Classifier.of(train_bundle(recipe, data=tmp_path / "data", out=tmp_path / "before"))
    results = run_suite(suite, before)
    assert not results[0].holds and results[1].holds
    write_lessons(tmp_path / "lessons.jsonl", suggest(suite, results), recipe)
    taught = override(recipe, {"prepare.lessons": str(tmp_path / "lessons.jsonl")})
    after = Classifier.of(train_bundle(taught, data=tmp_path / "data", out=tmp_path / "after"))
    assert [result.holds for result in run_suite(suite, after, seed=1)] == [True, True]
    assert after.report.n == before.report.n == len(load_dataset(tmp_path / "data").part("test")[0])
    assert after.report.metrics["accuracy"] >= before.report.metrics["accuracy"]


def test_the_counterweight_is_of_the_same_capability_where_there_is_one(tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        """
behaviours:
  not bad: {capability: negation, templates: ['The {dish} was not bad.'], expect: "1"}
  not good: {capability: negation, templates: ['The {dish} was not good.'], expect: "0"}
  plain: {capability: vocabulary, templates: ['The {dish} was bad.'], expect: "0"}
""",
    )
    results = [replace(result, capability="negation") for result in _results(suite, "not good", "plain")]
    lessons = suggest(suite, results).lessons
    assert {lesson.text.split(maxsplit=2)[2] for lesson in lessons} == {"was not bad.", "was not good."}
