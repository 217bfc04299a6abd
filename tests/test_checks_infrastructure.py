"""The checks of the infrastructure: each passes on a sound model, and fails on a planted fault."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from checked import noisy_rows, outcome_of, recipe_of, spoil, subject_in, trained
from copydesk.checks import gated, infrastructure_checks
from copydesk.checks.going_back import own_registry
from copydesk.checks.in_memory import Shelf, as_sent, running, service_of, shadow_counts
from copydesk.checks.subject import Subject
from copydesk.gate.gate import Verdict
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.registry.base import PRODUCTION, Change, Registered
from copydesk.runtime.engine import LOADERS, Classifier


@pytest.fixture
def subject(checked_folder: Path, tmp_path: Path) -> Subject:
    return subject_in(checked_folder, tmp_path / "work")


@pytest.mark.parametrize(
    "name", ["reproducible", "spec_tested", "pipeline_tested", "quality_validated", "debuggable", "canaried"]
)
def test_a_sound_model_passes(name: str, subject: Subject) -> None:
    found = outcome_of(f"infrastructure.{name}", subject)
    assert found.status == "passed", found.evidence
    assert found.n > 0 and found.threshold


def test_a_training_that_comes_out_otherwise_each_time_is_found(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(0)
    fitted = subject.fitted

    def unlike(*given: object) -> object:
        found = fitted(*given)  # type: ignore[arg-type]
        model = SimpleNamespace(kind="linear", logits=lambda texts: found.model.logits(texts) + chance.normal())
        return replace(found, model=model)

    monkeypatch.setattr(subject, "fitted", unlike)
    found = outcome_of("infrastructure.reproducible", subject)
    assert found.status == "failed" and found.figures["apart"] > 0.1


def test_models_of_other_texts_that_disagree_are_told(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infrastructure_checks, "_sub_sample_agreement", lambda *_: 0.4)
    found = outcome_of("infrastructure.reproducible", subject)
    assert found.status == "failed" and "agree two by two on 40.0%" in found.evidence


def test_a_model_that_comes_back_from_disk_as_another_is_found(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOADERS, "linear", lambda _: SimpleNamespace(logits=lambda texts: np.zeros((len(texts), 2))))
    found = outcome_of("infrastructure.spec_tested", subject)
    assert found.status == "failed" and found.figures["loaded"] > 0.01


def test_a_model_whose_answers_hang_on_their_neighbours_is_found(subject: Subject) -> None:
    spoil(subject, lambda texts, logits: logits + 5.0 * (len(texts) == 1))
    found = outcome_of("infrastructure.spec_tested", subject)
    assert found.status == "failed" and found.figures["alone"] > 1


def test_a_report_that_is_not_the_bundles_breaks_the_pipeline(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = SimpleNamespace(metrics={"accuracy": 0.1}, headline="accuracy")
    monkeypatch.setattr(infrastructure_checks, "evaluate", lambda *_: wrong)
    assert outcome_of("infrastructure.pipeline_tested", subject).status == "failed"


def test_a_model_under_its_floor_and_a_recipe_without_one_are_not_validated(subject: Subject, tmp_path: Path) -> None:
    found = outcome_of("infrastructure.quality_validated", spoil(subject, lambda _, logits: -logits))
    assert found.status == "failed" and "this model it refuses: floors.accuracy" in found.evidence, found.evidence
    folder = trained(tmp_path / "free", recipe_of(gate={}), noisy_rows())
    found = outcome_of("infrastructure.quality_validated", subject_in(folder, tmp_path / "free-work"))
    assert found.status == "failed" and "states no floor" in found.evidence


def test_a_gate_that_lets_anything_pass_validates_nothing(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gated, "judge", lambda *_: Verdict())
    found = outcome_of("infrastructure.quality_validated", subject)
    assert (
        found.status == "failed" and "not: the opposite, ten times slower, trained on the test texts" in found.evidence
    )


def test_explanations_that_do_not_add_up_are_found(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    explain = infrastructure_checks.explain
    monkeypatch.setattr(
        infrastructure_checks,
        "explain",
        lambda *given: [replace(one, value=one.value + 0.5) for one in explain(*given)],
    )
    found = outcome_of("infrastructure.debuggable", subject)
    assert found.status == "failed" and found.figures["off"] == pytest.approx(0.5, abs=1e-3)


def test_a_shadow_that_does_not_tell_a_spoilt_candidate_fails(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infrastructure_checks, "Reversed", lambda model: model)
    found = outcome_of("infrastructure.canaried", subject)
    assert found.status == "failed" and "differs on 0" in found.evidence


def test_the_application_in_memory_is_the_real_one(subject: Subject, tmp_path: Path) -> None:
    async def asked() -> tuple[int, int, int]:
        service = service_of(Shelf(subject.classifier, "live"), shadow=Shelf(subject.classifier, "candidate"))
        async with running(service, tmp_path) as client:
            fine = await client.classify({"texts": ["goal match", "bank loan"]}, scores=True)
            assert set(fine.json()["predictions"][0]["scores"]) == {"money", "sport"}
            while sum(shadow_counts(service).values()) < 2:
                await asyncio.sleep(0.01)
            wrong = await client.ask("/v1/classify", b"{")
            return fine.status, wrong.status, shadow_counts(service)["yes"]

    assert asyncio.run(asked()) == (200, 422, 2)


def test_an_application_that_cannot_start_says_why(subject: Subject, tmp_path: Path) -> None:
    class Broken(Shelf):
        def _load(self) -> tuple[Classifier, object]:  # type: ignore[override]
            raise ValueError("no such model")

    async def asked() -> None:
        async with running(service_of(Broken(subject.classifier, "live")), tmp_path):
            pass

    with pytest.raises(ValueError, match="no such model"):
        asyncio.run(asked())


def test_a_text_of_several_columns_is_sent_by_their_names(subject: Subject) -> None:
    two = replace(subject.classifier.settings, text=("title", "body"))
    classifier = Classifier(subject.classifier.model, two)
    assert as_sent(f"a{COLUMN_SEPARATOR}b", classifier) == {"title": "a", "body": "b"}
    assert as_sent("a", classifier) == {"title": "a", "body": ""}


class Memory:
    """A registry in memory whose production alias may be stuck."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.kept: list[tuple[Registered, Path]] = []
        self.changes: list[Change] = []
        self.stuck = stuck

    def add(self, bundle: object, name: str, facts: object) -> Registered:
        self.kept.append((Registered(name, len(self.kept) + 1, facts), bundle.path))  # type: ignore[attr-defined, arg-type]
        return self.kept[-1][0]

    def versions(self, name: str) -> list[Registered]:
        at = self.changes[-1].version if self.changes else 0
        return [replace(one, aliases=(PRODUCTION,) if one.version == at else ()) for one, _ in self.kept]

    def find(self, name: str, which: int | str) -> Registered:
        return next(one for one in self.versions(name) if PRODUCTION in one.aliases)

    def history(self, name: str) -> list[Change]:
        return self.changes

    def point(self, name: str, change: Change) -> None:
        if not (self.stuck and change.action == "rolled back"):
            self.changes.append(change)

    def download(self, version: Registered, folder: Path) -> None:
        shutil.copytree(self.kept[version.version - 1][1], folder, dirs_exist_ok=True)


@pytest.mark.parametrize("stuck", [False, True])
def test_a_registry_that_does_not_go_back_is_found(
    stuck: bool, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infrastructure_checks, "own_registry", lambda _: nullcontext(Memory(stuck=stuck)))
    found = outcome_of("infrastructure.rolled_back", subject)
    assert found.status == ("failed" if stuck else "passed"), found.evidence
    assert f"version {2 if stuck else 1} answers" in found.evidence


def test_the_registry_of_the_check_leaves_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    before, environment = Path.cwd(), dict(os.environ)
    inside = tmp_path / "inside"
    inside.mkdir()
    with own_registry(inside) as registry:
        assert Path.cwd() == inside and "MLFLOW_TRACKING_URI" not in os.environ
        assert registry.names() == []
    assert (Path.cwd(), dict(os.environ)) == (before, environment)
