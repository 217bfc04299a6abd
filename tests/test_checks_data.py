"""The checks of features and data: each passes on sound data, and fails on a planted fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from checked import noisy_rows, outcome_of, recipe_of, spoil, subject_in, trained
from copydesk.bundle import Settings
from copydesk.checks import data_checks
from copydesk.checks.hostile import FIXED, hostile_texts
from copydesk.checks.planted import planted
from copydesk.checks.settings import CheckSettings
from copydesk.checks.subject import Subject, sample_of, spread
from copydesk.checks.tokens import telling_words, without_word
from copydesk.recipe.rules import Rules
from fakes import toy_rows, write_csv


@pytest.fixture
def subject(checked_folder: Path, tmp_path: Path) -> Subject:
    return subject_in(checked_folder, tmp_path / "work")


@pytest.mark.parametrize(
    "name",
    [
        "schema",
        "features_beneficial",
        "feature_cost",
        "meta_level",
        "privacy",
        "features_added_quickly",
        "input_code_tested",
    ],
)
def test_a_sound_model_passes(name: str, subject: Subject) -> None:
    found = outcome_of(f"data.{name}", subject)
    assert found.status == "passed", found.evidence
    assert found.n > 0 and found.threshold


@pytest.mark.parametrize("name", ["schema", "feature_cost", "meta_level", "privacy", "features_added_quickly"])
def test_without_data_nothing_is_decided(name: str, checked_folder: Path, tmp_path: Path) -> None:
    found = outcome_of(f"data.{name}", subject_in(checked_folder, tmp_path / "work", data=None))
    assert found.status == "skipped" and "--data" in found.evidence


def test_data_that_breaks_a_rule_fails_with_the_rows(checked_folder: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "long.csv", [*noisy_rows(), ("long " * 200, "sport")])
    found = outcome_of("data.schema", subject_in(checked_folder, tmp_path / "work", data=str(data)))
    assert found.status == "failed" and "characters" in found.evidence


def test_a_recipe_without_rules_has_no_schema(tmp_path: Path) -> None:
    folder = trained(tmp_path / "bare", recipe_of(rules={}), noisy_rows())
    found = outcome_of("data.schema", subject_in(folder, tmp_path / "work"))
    assert found.status == "failed" and "no rules" in found.evidence


def test_each_kind_of_rule_gets_a_row_that_breaks_it() -> None:
    rules = Rules.model_validate(
        {
            "columns": {
                "text": {"missing": 0.1, "characters": [2, 50], "unique": True},
                "stars": {"type": "integer", "one_of": ["1", "2"]},
                "gone": {"missing": 0.5},
            },
            "labels": ["a", "b"],
            "shares": {"a": [0.1, None], "b": [None, 0.9]},
            "rows": [3, 10],
        }
    )
    frame = pl.DataFrame({"text": ["one", "two", "three", "four"], "stars": ["1", "2", "1", "2"]})
    found = {plant.rule: plant for plant in planted(rules, frame, ["a", "b", "a", "b"])}
    text = {f"columns.text.{name}" for name in ("missing", "characters", "unique")}
    assert set(found) == text | {"columns.stars.type", "columns.stars.one_of", "rows", "labels", "shares.a", "shares.b"}
    assert found["columns.text.missing"].frame["text"].null_count() == 1
    assert found["shares.a"].labels == [None, "b", None, "b"]
    assert found["rows"].frame.height == 12  # too many come after too few


def test_a_model_that_one_word_decides_is_not_sane(tmp_path: Path) -> None:
    rows = [
        (f"{'yeah' if label == 'sport' else 'the'} n{place}", label) for place, (_, label) in enumerate(toy_rows(240))
    ]
    folder = trained(tmp_path / "leaky", recipe_of(), rows)
    found = outcome_of("data.features_beneficial", subject_in(folder, tmp_path / "work"))
    assert found.status == "failed" and "'yeah'" in found.evidence
    told = outcome_of("data.meta_level", subject_in(folder, tmp_path / "meta"))
    assert told.status == "failed" and "'yeah' gives its label away" in told.evidence


def test_a_model_no_better_than_chance_has_no_benefit_from_its_text(subject: Subject) -> None:
    found = outcome_of("data.features_beneficial", spoil(subject, lambda _, logits: logits * 0))
    assert found.status == "failed"


def test_a_column_that_misleads_is_named(tmp_path: Path) -> None:
    other = {"sport": "money", "money": "sport"}
    rows = []
    for place, (text, label) in enumerate(toy_rows(240)):
        part = ("train", "train", "validation", "test")[place // 60]
        seen = text if place // 2 % 3 == 0 or part == "test" else f"the a of n{place}"
        rows.append((seen, f"code{label if part != 'test' else other[label]}", part, label))
    recipe = recipe_of(text=["text", "code"], rules={}, prepare={"split": {"column": "part"}})
    subject = subject_in(trained(tmp_path / "two", recipe, rows, ("text", "code", "part", "label")), tmp_path / "work")
    found = outcome_of("data.features_beneficial", subject)
    assert found.status == "failed" and "no better with than without the column code" in found.evidence
    assert "column code costs" in outcome_of("data.feature_cost", subject).evidence


def test_a_slow_model_costs_too_much(subject: Subject) -> None:
    ticks = iter(range(1_000_000))
    subject.clock = lambda: float(next(ticks))
    found = outcome_of("data.feature_cost", subject)
    assert found.status == "failed" and found.figures["p95_ms"] == pytest.approx(1_000)


def test_a_forbidden_column_is_found(checked_folder: Path, tmp_path: Path) -> None:
    settings = CheckSettings(forbidden_columns=["text"])
    found = outcome_of("data.meta_level", subject_in(checked_folder, tmp_path / "work", settings=settings))
    assert found.status == "failed" and "the column text is forbidden" in found.evidence


def test_personal_data_in_the_texts_is_counted(tmp_path: Path) -> None:
    rows = [(f"{text} write to a{place}@example.org", label) for place, (text, label) in enumerate(noisy_rows())]
    folder = trained(tmp_path / "personal", recipe_of(), rows)
    found = outcome_of("data.privacy", subject_in(folder, tmp_path / "work"))
    assert found.status == "failed" and found.figures["texts_with"] > 200
    assert found.figures["in_bundle"] > 0, "the report's mistakes hold some"


def test_a_training_that_takes_too_long_is_no_quick_feature(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trained:
        settings = Settings("single", ("a", "b"), "linear", ("text", data_checks._ADDED), ())

        def predict(self, texts: list[object]) -> list[object]:
            return texts

    monkeypatch.setattr(data_checks, "rehearse", lambda *_: Trained())
    assert outcome_of("data.features_added_quickly", subject).status == "passed"
    ticks = iter(range(0, 100_000, 100))
    subject.clock = lambda: float(next(ticks))
    found = outcome_of("data.features_added_quickly", subject)
    assert found.status == "failed" and found.figures["seconds"] == 100


def test_a_step_that_is_not_idempotent_is_found(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_checks, "normalise", lambda text, _: text + "!")
    found = outcome_of("data.input_code_tested", subject)
    assert found.status == "failed" and "normalised twice is another text" in found.evidence


def test_tokens_beyond_the_limit_are_found(subject: Subject) -> None:
    class Reader:
        reading: Any = type("Reading", (), {"max_tokens": 1})()

        def encode(self, texts: list[str]) -> Any:  # noqa: ANN401
            from copydesk.models.tokens import join_rows

            return join_rows([[1, 2]] * len(texts), None, list(range(len(texts))), len(texts))

    subject.classifier.model.reader = Reader()  # type: ignore[attr-defined]
    found = outcome_of("data.input_code_tested", subject)
    assert found.status == "failed" and "more tokens than allowed" in found.evidence


def test_hostile_texts_are_the_same_for_the_same_seed_and_many() -> None:
    assert hostile_texts(50) == hostile_texts(50) != hostile_texts(50, seed=1)
    assert len(set(hostile_texts(50))) == len(FIXED) + 50


def test_telling_words_are_those_of_one_label_and_leave_texts_whole() -> None:
    texts = ["a goal", "the goal", "a bank", "the bank", "a day"]
    words = telling_words(texts, ["sport", "sport", "money", "money", "money"], "single", most=2)
    assert [(one.word, one.label, one.share) for one in words] == [("goal", "sport", 1.0), ("bank", "money", 1.0)]
    assert without_word("Goal, the goal's goal!", "goal") == ", the goal's !"


def test_a_sample_has_every_label_and_the_same_rows_each_time(subject: Subject) -> None:
    first = sample_of(subject.dataset, train=7, test=0)
    assert first.frame.equals(sample_of(subject.dataset, train=7, test=0).frame)
    labels = first.part("train")[1]
    assert len(labels) == 7 and set(labels) == {"sport", "money"}
    assert not first.part("test")[0] and len(first.part("validation")[0]) == len(subject.dataset.part("validation")[0])
    assert spread([1, 2, 3, 4], 2) == [1, 3] and spread([1], 5) == [1]
