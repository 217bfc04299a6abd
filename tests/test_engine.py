from pathlib import Path

import pytest

from copydesk.bundle import Layout, Settings, write_bundle
from copydesk.errors import BundleError, UsageError
from copydesk.files import write_json
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import parse_recipe
from copydesk.runtime.engine import Classifier
from fakes import FakeModel


def _classifier(model: FakeModel, text: tuple[str, ...] = ("text",)) -> Classifier:
    return Classifier(model, Settings("single", ("a", "b"), "fake", text, ("entities", "spaces"), 2.0))


def test_texts_are_normalised_before_the_model_sees_them() -> None:
    model = FakeModel({}, 2)
    _classifier(model).predict(["  R&amp;B \n now "])
    assert model.seen == ["R&B now"]


def test_scores_are_calibrated_and_answers_decoded() -> None:
    answer = _classifier(FakeModel({"yes": [0.0, 2.0]}, 2)).predict(["yes"], scores=True)[0]
    assert answer.label == "b"
    assert answer.score == pytest.approx(0.731, abs=1e-3)  # sigmoid(2 / temperature 2)
    assert set(answer.scores or {}) == {"a", "b"}


def test_columns_come_in_order_or_by_name() -> None:
    model = FakeModel({}, 2)
    _classifier(model, ("title", "body")).predict([["t", "b"], {"body": "b", "title": "t"}])
    assert model.seen == [f"t{COLUMN_SEPARATOR}b"] * 2


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "takes a list of texts"),
        ([1], "Text 0 is int, not a string"),
        (["good", None], "Text 1 is NoneType"),
        ([{"title": "t"}], "Text 0 lacks the column 'body'"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(texts: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _classifier(FakeModel({}, 2), ("title", "body")).predict(texts)  # type: ignore[arg-type]


def test_no_texts_give_no_answers() -> None:
    assert _classifier(FakeModel({}, 2)).predict([]) == []


def test_a_bundle_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    def fill(layout: Layout) -> Settings:
        write_json(layout.report, {})
        return Settings("single", ("a", "b"), "crystal_ball", ("text",), ())

    write_bundle(tmp_path / "b", recipe=parse_recipe({"name": "x"}), facts={}, fill=fill)
    with pytest.raises(BundleError, match="kind 'crystal_ball'; known kinds: linear, encoder, cascade, keywords"):
        Classifier.load(tmp_path / "b")


def test_a_classifier_in_training_has_no_bundle_yet() -> None:
    with pytest.raises(BundleError, match="was not loaded from a bundle"):
        _ = _classifier(FakeModel({}, 2)).path
