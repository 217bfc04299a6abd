"""From a bundle to production and back: registered, staged, promoted, served, rolled back; a registry away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from copydesk.recipe import parse_recipe
from copydesk.registry import moves
from copydesk.registry.facts import mover
from copydesk.registry.references import registry_at
from copydesk.training import train_bundle
from fakes import toy_rows, write_csv
from server_process import server_process

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Path]:
    """Return two bundles of one name whose labels tell them apart."""
    spanish = {"sport": "deporte", "money": "dinero"}
    made = {}
    for name, rows in (("en", toy_rows()), ("es", [(text, spanish[label]) for text, label in toy_rows()])):
        recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}})
        made[name] = train_bundle(recipe, data=write_csv(tmp_path / f"{name}.csv", rows), out=tmp_path / name).path
    return made


def _copydesk(*words: str) -> dict[str, Any]:
    """Run a command as a user does, and return what it prints as JSON."""
    command = [sys.executable, "-m", "copydesk", *words, "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _promote(version: int) -> None:
    registry = registry_at("models:/")
    champion = moves.production_of(registry, "toy")
    moves.promote(registry, registry.find("toy", version), champion, mover(), test="t" * 64)


def _until(holds: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, log.read_text()[-3_000:]
        time.sleep(0.1)


def _events(log: Path, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def test_a_server_follows_production_there_and_back(bundles: dict[str, Path], tmp_path: Path) -> None:
    from mlflow import MlflowClient

    own = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")

    def answer() -> tuple[str, str]:
        found = httpx.post(f"{server.url}/v1/classify", json={"text": "goal match league"}).json()
        return found["model"]["version"], found["predictions"][0]["label"]

    def in_mlflow(alias: str) -> int:
        return int(own.get_model_version_by_alias("toy", alias).version)

    assert _copydesk("register", str(bundles["en"]), "--alias", "staging")["reference"] == "models:/toy/1"
    _promote(1)
    with server_process(Path("models:/toy@production"), tmp_path) as server:
        assert answer() == ("1", "sport")
        assert _copydesk("register", str(bundles["es"]), "--alias", "staging")["reference"] == "models:/toy/2"
        assert (in_mlflow("staging"), in_mlflow("production")) == (2, 1)
        _promote(2)
        _until(lambda: answer() == ("2", "deporte"), server.log)
        assert in_mlflow("production") == 2
        described = httpx.get(f"{server.url}/v1/models").json()["models"][0]
        assert (described["name"], described["version"]) == ("toy", "2")

        job = httpx.post(f"{server.url}/v1/jobs", json={"texts": ["goal match", "bank loan"]})
        where = f"{server.url}{job.headers['Location']}"
        _until(lambda: httpx.get(where).status_code == 200, server.log)
        assert [one["label"] for one in httpx.get(where).json()["predictions"]] == ["deporte", "dinero"]

        assert _copydesk("rollback", "toy", "--reason", "too Spanish")["version"] == 1
        _until(lambda: answer() == ("1", "sport"), server.log)
        assert in_mlflow("production") == 1

        database = tmp_path / "mlflow.db"
        database.rename(tmp_path / "away.db")
        _until(lambda: bool(_events(server.log, "nothing to look at")), server.log)
        assert answer() == ("1", "sport")
        (tmp_path / "away.db").rename(database)
        _until(lambda: bool(_events(server.log, "look-up works again")), server.log)
        assert len(_events(server.log, "nothing to look at")) == 1
        assert answer() == ("1", "sport")

    found = _copydesk("models", "toy")
    assert [change["action"] for change in found["history"]] == [
        "registered",
        "pointed",
        "promoted",
        "registered",
        "pointed",
        "promoted",
        "rolled back",
    ]
    assert found["history"][-1]["reason"] == "too Spanish"
    assert [version["aliases"] for version in found["versions"]] == [["staging"], ["production"]]
