"""Cases asked of a model: what passes, what fails, and in what order that is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from copydesk.behaviour.cases import Asked, Case, Move
from copydesk.behaviour.load import Suite, load_suite, suite_of
from copydesk.behaviour.run import Answers, result_of, run_suite, shown_pair
from copydesk.bundle import Settings, open_bundle
from copydesk.errors import RecipeError, UsageError
from copydesk.metrics.base import proportion_interval
from copydesk.recipe import override, parse_recipe
from copydesk.runtime.engine import Classifier
from copydesk.tasks import Wanted
from copydesk.training import train_bundle
from copydesk.types import BehaviourResult, Decision
from fakes import WordScores

GOOD, BAD = [-2.0, 2.0], [2.0, -2.0]
RECIPE = parse_recipe({"name": "reviews"})


def _single(**words: list[float]) -> Classifier:
    known = {"great": GOOD, "awful": BAD, **words}
    return Classifier(WordScores(known, 2), Settings("single", ("bad", "good"), "fake", ("text",), ()))


def _multi() -> Classifier:
    words = {"robot": [3.0, -1.0], "text": [-1.0, 3.0], "both": [3.0, 3.0]}
    settings = Settings("multi", ("cs.RO", "cs.CL"), "fake", ("text",), (), decision=Decision(thresholds=(0.6, 0.6)))
    return Classifier(WordScores(words, 2), settings)


def _signals() -> Classifier:
    """A score for crime and one for sports; then tags: none, theft; none, football."""
    words = {"thief": [-2.0, 0, -5, 5, 5, -5], "goal": [0, 2.0, 5, -5, -5, 5], "brawl": [-2.0, 0, 5, -5, 5, -5]}
    settings = Settings(
        "signals",
        ("crime", "sports"),
        "fake",
        ("text",),
        (),
        categories={"crime": ("theft",), "sports": ("football",)},
    )
    return Classifier(WordScores(words | {"calm": [0, 0, 5, -5, 5, -5]}, 6), settings)


def _judged(classifier: Classifier, *cases: Case) -> BehaviourResult:
    return result_of(Asked("b", cases[0].kind, "", 0.9, cases), Answers(classifier, cases))


def _suite(folder: Path, text: str) -> Suite:
    path = folder / "suite.yaml"
    path.write_text(text, "utf-8")
    return load_suite(path, RECIPE)


def test_a_label_is_given_or_not() -> None:
    result = _judged(
        _single(),
        Case("great", wanted=(Wanted("good"),)),
        Case("awful", wanted=(Wanted("good"),)),
        Case("awful", wanted=(Wanted("good", given=False),)),
    )
    assert (result.n, result.passed, result.interval) == (3, 2, proportion_interval(2, 3))
    failure = result.failures[0]
    assert (failure.text, failure.expected, failure.got) == ("awful", "good", "bad 0.98")


def test_an_answer_that_is_withheld_is_not_given() -> None:
    unsure = Classifier(
        WordScores({}, 2), Settings("single", ("bad", "good"), "fake", ("text",), (), decision=Decision(0.6))
    )
    result = _judged(unsure, Case("hm", wanted=(Wanted("bad"),)))
    assert result.failures[0].got == "no answer"
    assert _judged(unsure, Case("hm", wanted=(Wanted("bad", given=False),))).passed == 1


def test_labels_of_multi_are_contained_or_not() -> None:
    robots = (Wanted("cs.RO"), Wanted("cs.CL", given=False))
    result = _judged(_multi(), Case("robot", wanted=robots), Case("both", wanted=robots), Case("text", wanted=robots))
    assert result.passed == 1
    assert {failure.got for failure in result.failures} == {"cs.CL", "cs.RO, cs.CL"}
    assert result.failures[0].expected == "cs.RO; not cs.CL"


def test_signals_have_presence_sign_and_tag() -> None:
    theft = (Wanted("crime", sign=-1, tag="theft"), Wanted("sports", given=False))
    assert _judged(_signals(), Case("thief", wanted=theft)).passed == 1
    for text, wanted, got in [
        ("brawl", theft[0], "crime -0.96"),
        ("thief", Wanted("crime", sign=1), "crime -0.96 theft"),
        ("calm", theft[0], "none"),
        ("goal", theft[1], "sports +0.96 football"),
    ]:
        result = _judged(_signals(), Case(text, wanted=(wanted,)))
        assert result.passed == 0 and result.failures[0].badness > 0, (text, wanted)
        assert got in result.failures[0].got
    with pytest.raises(UsageError, match="Tag 'arson' is not one of the tags of 'crime': theft"):
        _judged(_signals(), Case("thief", wanted=(Wanted("crime", tag="arson"),)))


def test_a_sign_is_for_signals_alone() -> None:
    for classifier, label in ((_single(), "good"), (_multi(), "cs.CL")):
        with pytest.raises(UsageError, match="with a sign or a tag: these are for task 'signals'"):
            _judged(classifier, Case("x", wanted=(Wanted(label, sign=1),)))


def test_an_answer_stays_the_same_or_moves() -> None:
    result = _judged(_single(), Case("great", "great day"), Case("great", "awful"))
    assert result.kind == "INV" and result.passed == 1
    assert (result.failures[0].changed, result.failures[0].got) == ("awful", "good 0.98 → bad 0.98")
    assert _judged(_multi(), Case("robot", "robot text"), Case("both", "text")).passed == 0
    assert _judged(_signals(), Case("thief", "thief thief"), Case("thief", "calm")).passed == 1
    turned = Classifier(WordScores({"a": [-2.0, 0, 0, 0, 0, 0], "b": [2.0, 0, 0, 0, 0, 0]}, 6), _signals().settings)
    assert _judged(turned, Case("a", "b")).passed == 0  # the same category with the other sign


def test_a_score_may_go_the_wrong_way_by_the_tolerance_only() -> None:
    classifier = _single(slightly=[0.05, -0.05], worse=[1.0, -1.0])
    up = Move("good", 1)
    result = _judged(classifier, Case("", "great", move=up), Case("hm", "hm slightly", move=up))
    assert result.kind == "DIR" and result.passed == 2
    failed = _judged(classifier, Case("hm", "hm worse", move=up)).failures[0]
    assert (failed.expected, failed.got) == ("good up", "0.50 → 0.12")
    assert failed.badness == pytest.approx(0.5 - 1 / (1 + np.exp(2)) - 0.05)
    assert _judged(classifier, Case("hm", "hm worse", move=Move("good", -1))).passed == 1
    assert _judged(classifier, Case("hm", "hm slightly", move=Move("bad", 1, 0.2))).passed == 0


def test_the_worst_failures_come_first_and_no_more_than_ten() -> None:
    words = {f"w{number}": [number / 10, -number / 10] for number in range(1, 21)}
    cases = [Case(f"w{number}", wanted=(Wanted("good"),)) for number in range(1, 21)]
    result = _judged(_single(**words), *cases)
    assert [failure.text for failure in result.failures] == [f"w{number}" for number in range(20, 10, -1)]
    assert result.passed == 0 and not result.holds


def test_of_long_texts_the_changed_place_is_shown() -> None:
    long = "word " * 200
    text, changed = shown_pair(f"{long}end here", f"{long}end there")
    assert text.endswith("end here") and changed.endswith("end there") and len(text) < 320 and text[0] == "…"
    assert shown_pair("short", "shorter") == ("short", "shorter")
    assert shown_pair(long, "") == (long, "")


SUITE = """
behaviours:
  praise: {templates: 'The {dish} was great.', slots: {dish: [soup, pizza]}, expect: good}
  case: {data: true, change: upper_case}
  blame: {data: [good], change: {append: [Awful!]}, moves: {score_of: good, to: down}}
"""


def test_a_suite_asks_every_text_once_and_answers_in_its_order(tmp_path: Path) -> None:
    classifier = _single()
    texts = [f"great number {number}" for number in range(30)]
    results = run_suite(_suite(tmp_path, SUITE), classifier, texts=texts, labels=["good"] * 15 + ["bad"] * 15)
    assert [(result.name, result.kind) for result in results] == [("praise", "MFT"), ("case", "INV"), ("blame", "DIR")]
    assert all(result.holds for result in results)
    assert results[2].n < results[1].n < 30  # a third is kept for teaching
    model = classifier.model
    assert isinstance(model, WordScores) and model.asked == results[0].n + 2 * results[1].n + results[2].n


def test_the_same_seed_and_texts_give_the_same_cases_in_whatever_order(tmp_path: Path) -> None:
    suite = _suite(tmp_path, "behaviours: {typos: {data: true, change: typo, cases: 10, required: 1}}\n")
    texts = [f"wonderful evening number {number}" for number in range(60)]
    strict = Classifier(WordScores({"wonderful": GOOD}, 2), _single().settings)

    def failures(order: list[str], seed: int) -> list[tuple[str, str]]:
        result = run_suite(suite, strict, texts=order, seed=seed)[0]
        return [(failure.text, failure.changed) for failure in result.failures]

    assert failures(texts, 0) == failures(texts[::-1], 0) != failures(texts, 1)
    assert failures(texts, 0)


def test_texts_to_which_a_change_does_not_apply_are_counted_and_are_no_cases(tmp_path: Path) -> None:
    suite = _suite(tmp_path, "behaviours: {numbers: {texts: [17 men came, 0 stars, Hello], change: numbers}}\n")
    result = run_suite(suite, _single())[0]
    assert (result.n, result.skipped) == (1, 2)


def test_without_real_texts_a_behaviour_that_needs_them_has_no_cases_and_does_not_hold(tmp_path: Path) -> None:
    result = run_suite(_suite(tmp_path, SUITE), _single())[1]
    assert result.n == 0 and not result.holds


def test_a_label_that_the_model_does_not_have_is_named(tmp_path: Path) -> None:
    suite = _suite(tmp_path, "behaviours: {b: {texts: [x], expect: goood}}\n")
    with pytest.raises(UsageError, match="'goood' is not one of the model's: bad, good. Did you mean 'good'"):
        run_suite(suite, _single())


def test_a_suite_travels_in_its_bundle_without_its_python(tmp_path: Path, toy_csv: Path) -> None:
    (tmp_path / "more.py").write_text("raise SystemExit('code from a bundle')\n", "utf-8")
    suite = tmp_path / "suite.yaml"
    suite.write_text("behaviours: {b: {texts: [goal league], expect: sport}}\n", "utf-8")
    recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}, "behaviours": str(suite)})
    bundle = train_bundle(recipe, data=toy_csv, out=tmp_path / "bundle")
    assert bundle.layout.behaviours.read_bytes() == suite.read_bytes()
    assert bundle.recipe.behaviours == str(bundle.layout.behaviours)
    found = suite_of(bundle)
    assert found is not None and found.notes == []
    assert run_suite(found, Classifier.of(bundle))[0].passed == 1
    bundle.layout.behaviours.write_text("python: [more.py]\n" + suite.read_text("utf-8"), "utf-8")
    (bundle.path / "more.py").write_text("raise SystemExit('code from a bundle')\n", "utf-8")
    train_bundle(bundle.recipe, data=toy_csv, out=tmp_path / "again")  # as a retraining does
    with_code = suite_of(bundle)
    assert with_code is not None and len(with_code.behaviours) == 1
    assert with_code.notes == ["The behaviours in more.py are not run: code is not read from a bundle."]


def test_a_bundle_may_have_no_suite_and_a_recipe_a_wrong_one(tmp_path: Path, toy_csv: Path) -> None:
    recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}})
    assert suite_of(train_bundle(recipe, data=toy_csv, out=tmp_path / "bundle")) is None
    assert open_bundle(tmp_path / "bundle").recipe.behaviours is None
    missing = override(recipe, {"behaviours": str(tmp_path / "none.yaml")})
    with pytest.raises(RecipeError, match=r"Behaviours file '.*none.yaml' cannot be read"):
        train_bundle(missing, data=toy_csv, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()
