"""The checks of monitoring: each passes on a sound model, and fails on a planted fault."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from starlette.types import Receive, Scope, Send

from checked import outcome_of, spoil, subject_in, with_manifest
from copydesk.checks import in_memory, monitoring_checks
from copydesk.checks.settings import CheckSettings
from copydesk.checks.subject import Subject
from copydesk.checks.weights import weights_of
from copydesk.models.linear import WEIGHTS_FILE
from copydesk.packages import changed_packages, installed_packages


@pytest.fixture
def subject(checked_folder: Path, tmp_path: Path) -> Subject:
    return subject_in(checked_folder, tmp_path / "work")


@pytest.mark.parametrize("name", ["dependencies", "invariants", "no_skew", "not_stale", "numerically_stable"])
def test_a_sound_model_passes(name: str, subject: Subject) -> None:
    found = outcome_of(f"monitoring.{name}", subject)
    assert found.status == "passed", found.evidence
    assert found.n > 0 and found.threshold


def test_a_sound_model_computes_as_it_did(subject: Subject) -> None:
    """The clock is a fixed step: what is measured on a busy machine says nothing."""
    ticks = iter(range(1_000_000))
    subject.clock = lambda: next(ticks) * 1e-4
    found = outcome_of("monitoring.performance", subject)
    assert found.status == "passed", found.evidence
    assert found.figures["threads_apart"] == 0


def test_other_packages_than_the_recorded_ones_are_told(subject: Subject) -> None:
    recorded = {**installed_packages(), "numpy": "1.0.0"}
    found = outcome_of("monitoring.dependencies", with_manifest(subject, packages=recorded))
    assert found.status == "failed" and "numpy was 1.0.0" in found.evidence
    found = outcome_of("monitoring.dependencies", with_manifest(subject, packages=None))
    assert found.status == "failed" and "does not record" in found.evidence


def test_a_package_that_a_server_lacks_is_no_change_and_neither_is_a_patch_of_python() -> None:
    recorded = {"python": "3.11.2", "torch": "2.8.0", "numpy": "2.1.0"}
    assert changed_packages(recorded, {"python": "3.11.9", "numpy": "2.1.0"}) == {}
    assert changed_packages(recorded, {"python": "3.13.1", "numpy": "2.2.0"}) == {
        "python": ("3.11.2", "3.13.1"),
        "numpy": ("2.1.0", "2.2.0"),
    }


def test_a_bundle_records_the_packages_it_was_made_with(subject: Subject) -> None:
    assert subject.bundle.manifest["packages"] == installed_packages()
    assert {"copydesk", "python", "numpy"} <= set(installed_packages())


def test_a_server_that_takes_anything_is_found(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    async def careless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    monkeypatch.setattr(in_memory, "create_app", lambda *_, **__: careless)
    found = outcome_of("monitoring.invariants", subject)
    assert found.status == "failed" and "no JSON" in found.evidence and found.figures["taken"] == found.n - 2


def test_a_server_that_prepares_texts_otherwise_is_found(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    make = in_memory.service_of

    def skewed(shelf: in_memory.Shelf, **more: Any) -> Any:  # noqa: ANN401
        other = subject_in(Path(subject.bundle.path).parent, subject.work / "other")
        spoil(other, lambda _, logits: -logits)
        return make(in_memory.Shelf(other.classifier, shelf.version), **more)

    monkeypatch.setattr(monitoring_checks, "service_of", skewed)
    found = outcome_of("monitoring.no_skew", subject)
    assert found.status == "failed" and found.figures["differ"] > 30


def test_a_model_that_is_not_as_good_as_its_report_says_is_found(subject: Subject) -> None:
    found = outcome_of("monitoring.no_skew", spoil(subject, lambda _, logits: -logits))
    assert found.status == "failed" and found.figures["differ"] == 0 and found.figures["moved"] > 0.3


def test_an_old_model_and_one_from_the_future_are_found(subject: Subject) -> None:
    subject.now += timedelta(days=91)
    found = outcome_of("monitoring.not_stale", subject)
    assert found.status == "failed" and "at most 90 days" in found.threshold
    subject.settings = CheckSettings(max_age_days=120)
    assert outcome_of("monitoring.not_stale", subject).status == "passed"
    subject.now -= timedelta(days=100)
    assert outcome_of("monitoring.not_stale", subject).status == "failed"


def test_weights_that_are_no_numbers_are_counted(subject: Subject, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(subject.bundle.layout.model, folder)
    arrays = load_file(str(folder / WEIGHTS_FILE))
    arrays["weights"] = arrays["weights"].copy()
    arrays["weights"][:3] = np.nan
    save_file(arrays, str(folder / WEIGHTS_FILE))
    counted, broken = weights_of(folder)
    assert broken == 3 * arrays["weights"].shape[1] and counted > 1_000
    assert weights_of(subject.bundle.layout.model) == (counted, 0)


def test_scores_that_are_no_numbers_are_found(subject: Subject) -> None:
    spoil(
        subject,
        lambda texts, logits: [
            row * (np.inf if len(text) > 5_000 else 1) for text, row in zip(texts, logits, strict=True)
        ],
    )
    with np.errstate(invalid="ignore"):
        found = outcome_of("monitoring.numerically_stable", subject)
    assert found.status == "failed" and found.figures["broken_texts"] >= 1


def test_a_model_that_has_become_slow_is_found(subject: Subject) -> None:
    ticks = iter(range(1_000_000))
    subject.clock = lambda: next(ticks) * 0.5
    found = outcome_of("monitoring.performance", subject)
    assert found.status == "failed" and found.figures["p50_ms"] == pytest.approx(500)


def test_a_model_whose_answers_change_from_call_to_call_is_found(subject: Subject) -> None:
    ticks, chance = iter(range(1_000_000)), np.random.default_rng(1)
    subject.clock = lambda: next(ticks) * 1e-4
    found = outcome_of(
        "monitoring.performance", spoil(subject, lambda _, logits: logits + chance.normal(size=logits.shape))
    )
    assert found.status == "failed" and found.figures["threads_apart"] > 0.01


def test_figures_of_every_check_are_json(subject: Subject) -> None:
    found = outcome_of("monitoring.numerically_stable", subject)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["status"] == "passed"
    assert replace(found, status="failed").to_json()["figures"] == found.figures
