"""Waiting for a model that is not there yet, and not for one that can never be."""

from __future__ import annotations

from pathlib import Path

import pytest

from copydesk.bundle_store import BundleStore
from copydesk.errors import CopydeskError, RegistryError, UsageError
from copydesk.runtime.wait import LOOK_S, wait_for_model


class Registry:
    """Fails in turn, then finds the model."""

    def __init__(self, *faults: Exception) -> None:
        self.faults, self.slept = [*faults], list[float]()

    def look(self, model: str) -> str:
        if self.faults:
            raise self.faults.pop(0)
        return "1"


def _waited(registry: Registry, model: str = "models:/toy@production") -> list[str]:
    told: list[str] = []
    wait_for_model(model, told.append, look=registry.look, sleep=registry.slept.append)
    return told


def test_a_model_that_is_there_is_not_waited_for() -> None:
    registry = Registry()
    assert _waited(registry) == [] and registry.slept == []


def test_each_reason_is_told_once_and_it_is_asked_again_until_there_is_a_model() -> None:
    away, missing = RegistryError("The registry does not answer."), RegistryError("There is no model 'toy'.")
    registry = Registry(away, away, missing, missing, FileNotFoundError("manifest.json"))
    told = _waited(registry)
    assert [line.partition("yet: ")[2] for line in told] == [str(away), str(missing), "manifest.json"]
    assert all("models:/toy@production" in line for line in told)
    assert registry.slept == [LOOK_S] * 5


@pytest.mark.parametrize("model", ["models:/toy", "models:/../x@production", "hf://toy@production"])
def test_a_reference_that_can_lead_nowhere_ever_is_told_at_once(model: str) -> None:
    with pytest.raises((UsageError, RegistryError)):
        _waited(Registry(RegistryError("no")), model)


def test_what_waiting_does_not_mend_is_told_at_once() -> None:
    with pytest.raises(UsageError, match="extra"):
        _waited(Registry(UsageError("needs the 'registry' extra")))


def test_a_folder_is_waited_for_too(tmp_path: Path) -> None:
    def sleep(_: float) -> None:
        (tmp_path / "manifest.json").write_text("{}", "utf-8")

    told: list[str] = []
    wait_for_model(str(tmp_path), told.append, sleep=sleep)
    assert len(told) == 1


def test_an_address_is_waited_for_too(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    place.mkdir()

    def sleep(_: float) -> None:
        (place / "manifest.json").write_text("{}", "utf-8")

    told: list[str] = []
    wait_for_model(f"file://{place}", told.append, sleep=sleep)
    assert len(told) == 1 and f"no bundle at 'file://{place}'" in told[0]


def test_a_bucket_that_does_not_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [CopydeskError("The bucket cannot be reached."), None]

    def manifest(_: BundleStore) -> bytes:
        if fault := faults.pop(0):
            raise fault
        return b"{}"

    monkeypatch.setattr(BundleStore, "manifest", manifest)
    told: list[str] = []
    wait_for_model("memory://bundle", told.append, sleep=lambda _: None)
    assert len(told) == 1 and "cannot be reached" in told[0]
