from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from copydesk.bundle import Settings
from copydesk.errors import UsageError
from copydesk.models.base import Model
from copydesk.models.cascade import CascadeModel, Certainty, Stage
from copydesk.models.keywords import KeywordsModel
from copydesk.models.linear import LinearModel
from copydesk.recipe import parse_recipe
from copydesk.runtime.engine import Classifier, Text
from copydesk.runtime.explain import Explanation, explain
from copydesk.tasks import make_task
from copydesk.training import train_bundle
from copydesk.types import Decision
from fakes import FakeModel, toy_rows
from test_hostile_texts import HOSTILE, KINDS, bundles  # noqa: F401 (a fixture)

WEB = ("escapes", "entities", "characters", "nfc", "spaces", "punctuation")
TAGS = {"emergencies": ("fire", "accident"), "sports": ("football",)}
WORDS = {
    "single": "en: {money: [bank, central bank, loan], sport: [goal, match]}",
    "multi": "en: {money: [bank, central bank, loan], sport: [goal, match]}",
    "signals": "en: {emergencies: {tags: {fire: [{wildfire: -0.7}, {blaze: -0.9}]}}, sports: {words: [{goal: 0.5}]}}",
}


def _linear(task: str = "single", temperature: float = 1.0, text: tuple[str, ...] = ("text",)) -> Classifier:
    """Return a linear model of the toy texts; of three labels the third stands for texts about "week"."""
    rows = toy_rows()
    names = ("money", "sport", "weekly")
    if task == "multi":
        labels = [tuple(sorted({label, *(["weekly"] if "week" in row else [])})) for row, label in rows]
    else:
        labels = ["weekly" if "week" in row else label for row, label in rows]  # type: ignore[misc]
    made = make_task(task, names)
    model = LinearModel.fit([row for row, _ in rows], made.encode(labels), made)
    return Classifier(model, Settings(task, names, "linear", text, WEB, temperature))


def _words(file: Path, task: str) -> Classifier:
    file.write_text(WORDS[task], "utf-8")
    labels = tuple(TAGS) if task == "signals" else ("money", "sport")
    categories = TAGS if task == "signals" else {}
    settings = Settings(task, labels, "keywords", ("text",), WEB, categories=categories)
    return Classifier(KeywordsModel.from_file(file, settings.task_of()), settings)


def _shown(text: Text, explanation: Explanation) -> dict[str, float]:
    """Return the weights by what stands at their places in the text as it was sent."""
    columns = {"": text} if isinstance(text, str) else text
    assert not isinstance(columns, list)
    return {columns[span.column][span.start : span.end]: span.weight for span in explanation.spans}  # type: ignore


def _total(explanation: Explanation) -> float:
    assert explanation.base is not None
    return explanation.base + sum(span.weight for span in explanation.spans)


@pytest.mark.parametrize(
    "text", ["goal of the week", "The  bank &amp; the LOAN: a <b>new</b> budget!", "İ goal", "", "?"]
)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_of_a_linear_model_the_words_add_up_to_the_difference_of_the_logits(text: str, temperature: float) -> None:
    classifier = _linear(temperature=temperature)
    (found,) = explain(classifier, text)
    chances = dict(zip(classifier.labels, classifier.scores([text])[0], strict=True))
    assert found.is_exact and found.method == "weights"
    assert found.label == classifier.predict([text])[0].label
    assert found.rival == sorted(chances, key=chances.__getitem__)[-2]
    assert found.value == pytest.approx(np.log(chances[found.label] / chances[found.rival]), abs=1e-4)
    assert _total(found) == pytest.approx(found.value, abs=1e-4)


def test_two_labels_share_one_column_and_are_explained_from_both_sides() -> None:
    rows = toy_rows()
    task = make_task("single", ["money", "sport"])
    model = LinearModel.fit([row for row, _ in rows], task.encode([label for _, label in rows]), task)
    classifier = Classifier(model, Settings("single", ("money", "sport"), "linear", ("text",), WEB))
    (one,), (other,) = (explain(classifier, "a goal and a loan", label) for label in classifier.labels)
    assert [span.weight for span in one.spans] == pytest.approx([-span.weight for span in other.spans])
    assert _shown("a goal and a loan", one)["loan"] > 0 > _shown("a goal and a loan", one)["goal"]
    assert _total(one) == pytest.approx(one.value, abs=1e-5)


def test_a_word_weighs_what_its_ngrams_weigh_and_places_are_those_of_the_text_as_it_was_sent() -> None:
    text = "  It&#39;s a\tg\u043eal <i>goal</i> , really"
    weights = _shown(text, explain(_linear(), text, "sport")[0])
    assert max(weights, key=weights.__getitem__) == "<i>goal</i>"
    assert {"It&#39;s", "a", "<i>goal</i>"} <= set(weights)


def test_another_label_can_be_asked_about_and_an_unknown_one_is_refused_by_name() -> None:
    (found,) = explain(_linear(), "bank loan profit", "sport")
    assert (found.label, found.rival) == ("sport", "money")
    assert found.value < 0
    with pytest.raises(
        UsageError, match="Label 'sports' is not one of the model's: money, sport, weekly. Did you mean 'sport'"
    ):
        explain(_linear(), "bank", "sports")


def test_of_several_labels_each_given_one_is_explained() -> None:
    classifier = _linear("multi")
    text = "goal match league week"
    (answer,) = classifier.predict([text])
    found = explain(classifier, text)
    assert [one.label for one in found] == answer.labels == ["sport", "weekly"]
    assert {one.label: max(weights := _shown(text, one), key=weights.__getitem__) for one in found}["weekly"] == "week"
    assert all(_total(one) == pytest.approx(one.value, abs=1e-4) for one in found)
    none = replace(classifier.settings, decision=Decision(thresholds=(1.0, 1.0, 1.0)))
    assert explain(Classifier(classifier.model, none), text) == []


def test_columns_have_places_of_their_own() -> None:
    text = {"title": "A goal", "body": "the bank, the bank"}
    (found,) = explain(_linear(text=("title", "body")), text, "sport")
    places = {(span.column, text[span.column][span.start : span.end]) for span in found.spans}
    assert {("title", "goal"), ("body", "bank,"), ("body", "bank")} <= places
    weights = {(span.column, span.start): span.weight for span in found.spans}
    assert weights["title", 2] > 0 > weights["body", 4]


def test_of_keywords_the_matching_words_share_what_they_add(tmp_path: Path) -> None:
    text = "The Central  Bank gave a goal and a LOAN"
    (found,) = explain(_words(tmp_path / "words.yaml", "single"), text)
    assert (found.method, found.label, found.rival) == ("keywords", "money", "sport")
    assert _shown(text, found) == pytest.approx({"Central": 0.75, "Bank": 0.75, "goal": -1.5, "LOAN": 1.5})
    assert _total(found) == pytest.approx(found.value)


def test_of_several_labels_every_matching_keyword_is_behind_its_own(tmp_path: Path) -> None:
    found = explain(_words(tmp_path / "words.yaml", "multi"), "a loan, a bank and a goal")
    assert {one.label: _shown("a loan, a bank and a goal", one) for one in found} == {
        "money": {"loan,": 3.0, "bank": 3.0},
        "sport": {"goal": 6.0},
    }


def test_of_a_categorys_keywords_the_strongest_decided(tmp_path: Path) -> None:
    text = "wildfire: a blaze after the goal"
    fire, sport = explain(_words(tmp_path / "words.yaml", "signals"), text)
    assert (fire.label, sport.label) == ("emergencies", "sports")
    assert _shown(text, fire) == pytest.approx({"blaze": np.arctanh(-0.9)})
    assert np.tanh(_total(sport)) == pytest.approx(0.5)


def test_what_is_explained_is_what_is_answered_also_where_a_temperature_makes_a_signal_present() -> None:
    """A flat choice of tags makes it likely that there is any, and so the category."""
    model = FakeModel({"storm": [0.1, 0.0, 3.0, 0.0, 0.0, 9.0, 0.0]}, 7)
    settings = Settings("signals", tuple(TAGS), "fake", ("text",), WEB, 5.0, categories=TAGS)
    classifier = Classifier(model, settings)
    present = [signal.category for signal in classifier.predict(["storm"])[0].signals or [] if signal.present]
    assert [one.label for one in explain(classifier, "storm")] == present == ["emergencies"]


class Planted(FakeModel):
    """Counts two words: one speaks for the second label, one against it."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.seen.extend(texts)
        return np.array([[0.0, 3 * text.count("yes") - text.count("but")] for text in texts], np.float32)


def _planted(model: Model, text: tuple[str, ...] = ("text",)) -> Classifier:
    return Classifier(model, Settings("single", ("no", "yes"), "fake", text, ("spaces",)))


def test_leaving_words_out_finds_those_that_matter() -> None:
    text = "one yes two but three"
    (found,) = explain(_planted(Planted({}, 2)), text)
    assert (found.method, found.is_exact, found.label) == ("leave_out", False, "yes")
    assert _shown(text, found) == {"yes": 3.0, "but": -1.0}


def test_in_a_long_text_groups_of_words_are_left_out_so_that_the_work_is_bounded() -> None:
    text = " ".join(["word"] * 150 + ["yes"] + ["word"] * 149)
    model = Planted({}, 2)
    (found,) = explain(_planted(model), text, most_tokens=3_000)
    (span,) = found.spans
    assert "yes" in text[span.start : span.end].split()
    assert len(text[span.start : span.end].split()) in (33, 34)
    assert len(model.seen) == 10


def test_words_are_left_out_of_the_column_they_stand_in() -> None:
    model = Planted({}, 2)
    (found,) = explain(_planted(model, ("title", "body")), {"title": "yes yes", "body": "but"})
    assert [(span.column, span.weight) for span in found.spans] == [("title", 3.0), ("title", 3.0), ("body", -1.0)]
    assert set(model.seen) == {"yes yes\x1fbut", "yes\x1fbut", "yes yes\x1f"}


def test_characters_of_scripts_without_spaces_are_words_of_their_own() -> None:
    class Fire(FakeModel):
        def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.array([[0.0, text.count("火")] for text in texts], np.float32)

    (found,) = explain(_planted(Fire({}, 2)), "昨夜の火事で")
    assert [(span.start, span.end) for span in found.spans] == [(3, 4)]


@pytest.mark.parametrize(("text", "stage"), [("yes yes and goal", "fake"), ("bank", "linear")])
def test_a_cascade_is_explained_by_the_stage_that_answered(text: str, stage: str) -> None:
    linear = _linear()
    sure = Certainty("best", (0.6, 0.99, 0.99))
    model = CascadeModel(Stage(linear.model, 2.0), Stage(FakeModel({"yes": [0, 4, 0]}, 3), 4.0), sure)
    classifier = Classifier(model, replace(linear.settings, model="cascade"))
    (found,) = explain(classifier, text)
    (answer,) = classifier.predict([text], scores=True)
    assert found.stage == answer.stage == stage
    scores = answer.scores or {}
    assert found.value == pytest.approx(np.log(scores[found.label] / scores[found.rival]), abs=1e-4)


def test_words_beyond_what_an_encoder_reads_are_not_tried(encoder_bundles: dict[str, Path]) -> None:
    classifier = Classifier.load(encoder_bundles["fp32"])
    text = " ".join(["goal"] * 20 + ["bank"] * 400)  # it reads 32 tokens
    (found,) = explain(classifier, text)
    assert found.spans and max(span.end for span in found.spans) <= len(" ".join(["goal"] * 20 + ["bank"] * 10))


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_breaks_it_and_every_place_lies_in_the_text(bundles: dict[str, Path], kind: str) -> None:  # noqa: F811
    classifier = Classifier.load(bundles[kind])
    two = Classifier(classifier.model, replace(classifier.settings, text=("title", "body")))
    for name, text in HOSTILE.items():
        for asked, found in (
            (text, explain(classifier, text)),
            ("goal", explain(two, {"title": text, "body": "goal"})),
        ):
            for span in (span for one in found for span in one.spans):
                assert np.isfinite(span.weight), name
                inside = asked if span.column != "title" else text
                assert 0 <= span.start < span.end <= len(inside), name


def test_a_recipes_bundle_explains_itself(toy_csv: Path, tmp_path: Path) -> None:
    path = train_bundle(
        parse_recipe({"name": "toy", "model": {"kind": "linear"}}), data=toy_csv, out=tmp_path / "b"
    ).path
    weights = _shown("the goal", explain(Classifier.load(path), "the goal", "sport")[0])
    assert weights["goal"] > abs(weights["the"])
