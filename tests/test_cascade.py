from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from copydesk.bundle import Settings
from copydesk.cascade.build import build_cascade, kind_of, require_enough, shifts_between
from copydesk.cascade.certainty import Pair, at_share, climb, outcome
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import BundleError, CascadeRefused, RecipeError
from copydesk.models.cascade import CascadeModel, Certainty, Stage
from copydesk.models.linear import LinearModel
from copydesk.recipe import Recipe, override, parse_recipe
from copydesk.runtime.engine import Classifier
from copydesk.tasks import make_task
from copydesk.tasks.base import softmax
from copydesk.types import Decision
from fakes import Clock, FakeModel, Listener, toy_rows, write_csv

SINGLE = make_task("single", ("a", "b"))
MULTI = make_task("multi", ("x", "y"), decision=Decision(thresholds=(0.5, 0.5)))


class Named(FakeModel):
    """A fake model of another kind."""

    def __init__(self, kind: str, by_word: dict[str, list[float]], labels: int = 2) -> None:
        super().__init__(by_word, labels)
        self.kind = kind


def _cascade(certainty: Certainty) -> CascadeModel:
    first = Named("linear", {"sure": [0.0, 6.0], "torn": [0.0, 0.4]})
    second = Named("encoder", {"torn": [8.0, 0.0]})
    return CascadeModel(Stage(first, 2.0), Stage(second, 4.0), certainty)


BEST = Certainty("best", (0.9, 0.9))


def test_the_first_stage_answers_what_it_is_sure_of_and_the_second_the_rest() -> None:
    model = _cascade(BEST)
    logits, stages = model.answered(["torn text", "sure text", "torn again"])
    assert stages == ["encoder", "linear", "encoder"]
    assert logits.tolist() == [[2.0, 0.0], [0.0, 3.0], [2.0, 0.0]]  # each divided by its stage's temperature
    assert model.second.model.seen == ["torn text", "torn again"]  # type: ignore[attr-defined]


def test_no_texts_reach_neither_stage() -> None:
    assert _cascade(BEST).logits([]).shape == (0, 2)


def test_a_threshold_holds_for_the_label_it_belongs_to() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 2.0]], np.float32)  # 0.88 for a, 0.88 for b
    assert Certainty("best", (0.8, 0.9)).sure(logits).tolist() == [True, False]


def test_of_several_labels_every_one_must_be_far_from_its_border() -> None:
    far = Certainty("every", (0.9,), borders=(0.0, -1.0))
    logits = np.array([[4.0, 3.0], [4.0, -1.5], [-4.0, -6.0]], np.float32)
    assert far.sure(logits).tolist() == [True, False, True]
    needs_label = Certainty("every", (0.9,), borders=(0.0, -1.0), needs_label=True)
    assert needs_label.sure(logits).tolist() == [True, False, False]


def test_predictions_name_the_stage_that_answered_and_other_models_name_none() -> None:
    settings = Settings("single", ("a", "b"), "cascade", ("text",), ())
    answers = Classifier(_cascade(BEST), settings).predict(["sure text", "torn text"])
    assert [answer.to_json()["stage"] for answer in answers] == ["linear", "encoder"]
    assert [answer.label for answer in answers] == ["b", "a"]
    alone = Classifier(FakeModel({}, 2), settings).predict(["sure text"])
    assert "stage" not in alone[0].to_json()


def test_a_saved_cascade_answers_as_before(tmp_path: Path) -> None:
    texts, labels = zip(*toy_rows(60), strict=True)
    task = make_task("single", ("money", "sport"))
    first = LinearModel.fit(texts, task.encode(labels), task)
    certainty = Certainty("best", (0.7, 0.75))
    before = CascadeModel(Stage(first, 1.5), Stage(first, 0.5, (0.25, -0.25)), certainty)
    before.save(tmp_path)
    after = CascadeModel.load(tmp_path, {"linear": LinearModel.load})
    assert after.certainty == certainty
    assert np.array_equal(after.logits(texts), before.logits(texts))


def test_a_stage_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    _cascade(BEST).save(tmp_path)
    with pytest.raises(BundleError, match="first' holds a model of kind 'linear'; known kinds: keywords"):
        CascadeModel.load(tmp_path, {"keywords": LinearModel.load})


def _draw(texts: int, chance: np.random.Generator) -> Pair:
    """Return a sample in which the first stage errs the more often the less sure it is."""
    place = chance.random(texts)  # 1: the surest
    truth = chance.integers(0, 2, texts)
    wrong = chance.random(texts) < 0.12 * (1 - place) ** 2
    other_wrong = chance.random(texts) < 0.01
    sure = 0.5 + 4 * place
    first = np.where((truth ^ wrong)[:, None] == np.arange(2), sure[:, None], 0.0)
    second = np.where((truth ^ other_wrong)[:, None] == np.arange(2), 3.0, 0.0)
    return Pair(first, second, truth)


def _true_drop(certainty: Certainty) -> float:
    """Return the drop over all texts, from the shares of both labels that stay."""
    drops = []
    for threshold in certainty.thresholds:
        least = np.clip((np.log(threshold / (1 - threshold)) - 0.5) / 4 if threshold < 1 else 1.0, 0.0, 1.0)
        drops.append(0.12 * (1 - least) ** 3 / 3 - 0.01 * (1 - least))
    return float(np.mean(drops))


def test_the_true_drop_is_above_the_limit_in_at_most_one_of_twenty_samples() -> None:
    chance, limit, rounds = np.random.default_rng(11), 0.01, 150
    above = kept = careless = 0
    for _ in range(rounds):
        pair = _draw(700, chance)
        safe = [rung for rung in climb(SINGLE, pair, Certainty("best", (1.0,)), limit) if rung.safe]
        above += bool(safe) and _true_drop(safe[-1].certainty) > limit
        kept += bool(safe)
        rules = (at_share(Certainty("best", (1.0,)), pair.first, share) for share in np.arange(0.1, 1, 0.05))
        changes = pair.changes(SINGLE)
        good = [rule for rule in rules if outcome(rule.sure(pair.first), changes).drop <= limit]
        careless += _true_drop(good[-1]) > limit
    assert kept > 0.9 * rounds
    assert above <= 0.05 * rounds + 2 * np.sqrt(0.05 * 0.95 * rounds)
    assert careless > 0.3 * rounds  # what the sample's own drop would let through


def test_the_ladder_ends_at_the_first_rung_that_is_not_safe() -> None:
    pair = _draw(700, np.random.default_rng(3))
    rungs = climb(SINGLE, pair, Certainty("best", (1.0,)), 0.01)
    assert [rung.safe for rung in rungs] == [True] * (len(rungs) - 1) + [False]
    kept = [rung.outcome.kept for rung in rungs]
    assert kept == sorted(kept)
    assert rungs[-2].outcome.bound <= 0.01 < rungs[-1].outcome.bound


def test_a_label_that_the_first_stage_never_gave_stays_out_of_its_reach() -> None:
    logits = np.array([[3.0, 0.0], [4.0, 0.0], [5.0, 0.0], [6.0, 0.0]], np.float32)
    rule = at_share(Certainty("best", (1.0,)), logits, 0.5)
    assert rule.sure(logits).tolist() == [False, False, True, True]
    assert not rule.sure(np.array([[0.0, 50.0]], np.float32)).any()


def test_sheets_of_signals_have_no_cascade() -> None:
    task = make_task("signals", ("crime",), categories={"crime": ("theft",)})
    with pytest.raises(CascadeRefused, match="'single' and 'multi', not 'signals'"):
        kind_of(task)
    signals = {"name": "x", "task": "signals", "categories": {"crime": ["theft"]}, "model": {"kind": "cascade"}}
    with pytest.raises(RecipeError, match="'cascade' is not for task 'signals'"):
        parse_recipe(signals)


@pytest.fixture
def dataset(toy_csv: Path, toy_recipe: Recipe) -> Dataset:
    return prepare_dataset(override(toy_recipe, {"prepare.split.validation": 0.3, "prepare.split.test": 0.3}), toy_csv)


def _models(dataset: Dataset, wrong: int = 0) -> tuple[Named, Named]:
    """Return two models that know the texts by their first word, the first with so many wrong answers."""
    task = make_task("single", dataset.labels)
    rows = [row for part in ("train", "validation", "test") for row in zip(*dataset.part(part), strict=True)]
    right = {text: 4 * np.eye(2)[task.encode([label])[0]] for text, label in rows}
    missed = {text: (4 - right[text]) / 2 for text in dataset.part("validation")[0][:wrong]}

    class Knowing(Named):
        def logits(self, texts: list[str]) -> np.ndarray:
            return np.array([self.by_word[text] for text in texts], np.float32).reshape(len(texts), 2)

    return Knowing("linear", right | missed), Knowing("encoder", right)


class Times:
    """A clock that gives each stage's run its length in turn."""

    def __init__(self, *lengths_s: float) -> None:
        self.moments = iter(np.cumsum([moment for length in lengths_s for moment in (0.0, length)]))

    def __call__(self) -> float:
        return float(next(self.moments))


def test_the_facts_say_what_stays_what_it_costs_and_what_it_gains(dataset: Dataset) -> None:
    first, second = _models(dataset)
    listener = Listener()
    task = make_task("single", dataset.labels)
    built = build_cascade(dataset, task, first, second, max_drop=0.05, progress=listener, clock=Times(0.01, 1.0))
    facts = built.facts
    assert facts["worse"] == facts["better"] == 0 and 0 < facts["drop_bound"] <= 0.05
    assert facts["kept"] == pytest.approx(0.99, abs=0.02)
    assert set(facts["kept_on_test_by_label"]) == {"money", "sport"}
    assert facts["texts_per_second"]["linear"] == 100 * facts["texts_per_second"]["encoder"]
    assert facts["expected_speed_up"] == pytest.approx(1 / (0.01 + 1 - facts["kept"]), rel=0.02)
    assert facts["accuracy_of_the_encoder_alone"] == 1.0
    assert "expected speed" in listener.said[-1]


def test_a_cascade_that_saves_no_time_is_refused_with_both_speeds(dataset: Dataset) -> None:
    first, second = _models(dataset)
    task = make_task("single", dataset.labels)
    with pytest.raises(CascadeRefused, match=r"would not pay.*take 9\d% of the time"):
        build_cascade(dataset, task, first, second, max_drop=0.05, progress=Listener(), clock=Times(0.92, 1.0))


def test_a_first_stage_that_errs_where_it_is_surest_is_refused_with_the_counts(dataset: Dataset) -> None:
    first, second = _models(dataset, wrong=len(dataset.part("validation")[0]))
    task = make_task("single", dataset.labels)
    with pytest.raises(CascadeRefused, match=r"a drop of 0.05 \(runtime.max_drop\) cannot be excluded.*become worse"):
        build_cascade(dataset, task, first, second, max_drop=0.05, progress=Listener(), clock=Clock())


def test_too_few_validation_texts_are_refused_with_the_number_that_is_needed(dataset: Dataset) -> None:
    with pytest.raises(CascadeRefused, match=r"has 72 texts.*takes 2,99\d, even if not one"):
        require_enough(dataset, 0.001)
    require_enough(dataset, 0.05)
    with pytest.raises(CascadeRefused, match="no sample can exclude every drop"):
        require_enough(dataset, 0)


def test_stages_with_thresholds_of_their_own_decide_as_each_would_alone() -> None:
    first = np.array([[0.3, -2.0], [1.4, 2.0]])
    own = make_task("multi", ("x", "y"), decision=Decision(thresholds=(0.7, 0.2)))
    shifted = first + np.array(shifts_between(own, MULTI))
    assert (MULTI.answers(MULTI.scores(shifted)) == own.answers(own.scores(first))).all()


def test_texts_with_several_labels_stay_where_every_label_is_clear(tmp_path: Path) -> None:
    rows = [(text, "sport" if label == "sport" else "money|trade") for text, label in toy_rows(400)]
    recipe = parse_recipe({"name": "x", "task": "multi", "model": {"kind": "linear"}})
    recipe = override(recipe, {"prepare.split.validation": 0.4, "prepare.split.test": 0.2})
    dataset = prepare_dataset(recipe, write_csv(tmp_path / "multi.csv", rows))
    task = make_task("multi", dataset.labels)
    texts, labels = dataset.part("train")
    first = LinearModel.fit(texts, task.encode(labels), task)
    second = Named("encoder", {}, 3)
    truth = {
        text: 8 * task.encode([label])[0] - 4
        for part in ("validation", "test")
        for text, label in zip(*dataset.part(part), strict=True)
    }
    second.logits = lambda texts: np.array([truth[text] for text in texts], np.float32)  # type: ignore[method-assign]
    built = build_cascade(dataset, task, first, second, max_drop=0.1, progress=Listener(), clock=Times(0.01, 1.0))
    assert built.model.certainty.kind == "every" and len(built.model.first.shifts) == 3
    assert built.facts["kept"] > 0.5
    texts, labels = dataset.part("test")
    logits, stages = built.model.answered(texts)
    alone = first.logits(texts) / built.model.first.temperature + np.array(built.model.first.shifts, np.float32)
    stays = np.array([stage == "linear" for stage in stages])
    assert 0.5 < stays.mean() and np.array_equal(logits[stays], alone[stays])
    settings = Settings("multi", dataset.labels, "cascade", ("text",), (), decision=built.task.decision)
    answers = Classifier(built.model, settings).predict(texts)
    assert (
        np.mean([set(answer.labels or []) == set(label) for answer, label in zip(answers, labels, strict=True)]) > 0.95
    )


def test_scores_of_the_first_stage_are_probabilities() -> None:
    logits, _ = _cascade(BEST).answered(["sure text"])
    assert softmax(logits).sum() == pytest.approx(1.0)
