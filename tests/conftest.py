"""Fixtures that several test files share."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from copydesk.recipe import Recipe, parse_recipe
from fakes import exported_once, tiny_recipe, toy_rows, write_csv, write_tiny_encoder

if TYPE_CHECKING:
    from job_fakes import Office
    from redis_server import RedisServer


@pytest.fixture(autouse=True, scope="module")
def _what_is_imported_stays() -> None:
    """Let no collection look through the libraries again: each training asks for several, of 0.7 s each."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_cache_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test in its own folder, with its own cache, no way to a hub, and no tracking."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPYDESK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COPYDESK_TRACKING", "off")


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that is filled once for all processes that run these tests together."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = base / name, base / f"{name}.made"
    with FileLock(base / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed in the middle
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny random encoder."""
    return _once(tmp_path_factory, "encoder", lambda folder: write_tiny_encoder(folder / "tiny")) / "tiny"


@pytest.fixture(scope="session")
def toy_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a CSV of 240 texts about sport and money."""
    return _once(tmp_path_factory, "data", lambda folder: write_csv(folder / "toy.csv", toy_rows())) / "toy.csv"


@pytest.fixture(scope="session")
def checked_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trained bundle and its data, for the checks. Nobody changes it."""
    from checked import noisy_rows, recipe_of, trained  # heavy: only those who check pay for it

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COPYDESK_CACHE", str(folder / "cache"))
            patch.setenv("COPYDESK_TRACKING", "off")
            trained(folder, recipe_of(), noisy_rows())

    return _once(tmp_path_factory, "checked", make)


@pytest.fixture
def toy_recipe() -> Recipe:
    """Return a recipe for the toy texts with the linear model."""
    return parse_recipe({"name": "toy", "model": {"kind": "linear"}})


@pytest.fixture
def encoder_recipe(tiny_encoder: Path) -> Recipe:
    """Return a recipe for the toy texts with the tiny encoder, a few quick epochs."""
    return tiny_recipe(tiny_encoder)


@pytest.fixture(scope="session")
def encoder_bundles(tiny_encoder: Path, toy_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one small encoder's bundles by what answers in them: `torch`, `fp32`, `int8`. Nobody changes them."""
    from copydesk.bundle import open_bundle
    from copydesk.export import export_bundle
    from copydesk.runtime import compile as compile_module
    from copydesk.training import train_bundle

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COPYDESK_CACHE", str(folder / "cache"))
            patch.setenv("COPYDESK_TRACKING", "off")
            patch.setattr(compile_module, "exported", exported_once)
            trained = train_bundle(tiny_recipe(tiny_encoder), data=toy_csv, out=folder / "torch").path
            for precision in ("fp32", "int8"):
                settings = {"runtime.precision": precision}
                export_bundle(open_bundle(trained), data=toy_csv, out=folder / precision, settings=settings)

    folder = _once(tmp_path_factory, "bundles", make)
    return {name: folder / name for name in ("torch", "fp32", "int8")}


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Return a running Redis, which many tests empty."""
    from redis_server import RedisServer

    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "celery"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Return an empty store of jobs and who works on them, by the `RULES` of the test's module."""
    import redis

    from job_fakes import CeleryOffice, SqliteOffice

    rules = request.module.RULES
    opened: Office
    if request.param == "sqlite":
        opened = SqliteOffice(tmp_path / "jobs.db", rules)
    else:
        url = request.getfixturevalue("redis_server").url
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        opened = CeleryOffice(url, rules)
    yield opened
    opened.store.close()
