"""Fixtures that several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from copydesk.recipe import Recipe, parse_recipe
from fakes import toy_rows, write_csv, write_tiny_encoder


@pytest.fixture(autouse=True)
def _own_cache_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test in its own folder, with its own cache, no way to a hub, and no tracking."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPYDESK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COPYDESK_TRACKING", "off")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny random encoder."""
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="session")
def toy_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a CSV of 240 texts about sport and money."""
    return write_csv(tmp_path_factory.mktemp("data") / "toy.csv", toy_rows())


@pytest.fixture
def toy_recipe() -> Recipe:
    """Return a recipe for the toy texts with the linear model."""
    return parse_recipe({"name": "toy", "model": {"kind": "linear"}})


@pytest.fixture
def encoder_recipe(tiny_encoder: Path) -> Recipe:
    """Return a recipe for the toy texts with the tiny encoder, two quick epochs."""
    return parse_recipe(
        {
            "name": "toy",
            "model": {"kind": "encoder", "encoder": str(tiny_encoder), "max_tokens": 32},
            "train": {"epochs": 4, "learning_rate": 0.01, "batch_tokens": 256},
            "runtime": {"precision": "none"},  # exporting takes seconds; tests/test_compile.py does it
        }
    )
