"""From a bundle to production and back: registered, staged, gated, served, rolled back; a registry away."""

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

import copydesk
from bundle_fakes import numbered_bundle
from server_process import server_process
from trained import weak_and_good

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Path]:
    return weak_and_good(tmp_path)


def _copydesk(*words: str, exit_code: int = 0) -> dict[str, Any]:
    """Run a command as a user does, and return what it prints as JSON."""
    command = [sys.executable, "-m", "copydesk", *words, "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == exit_code, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


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

    tests = "--data", str(tmp_path / "dataset")
    texts = ["goal match league", "bank loan rate", "the match about a loan"]
    expected = {name: [one.to_json() for one in copydesk.load(path).predict(texts)] for name, path in bundles.items()}
    assert expected["weak"] != expected["good"]

    def answer() -> str:
        """Return the version that answers, which must be that version's own answer."""
        found = httpx.post(f"{server.url}/v1/classify", json={"texts": texts}).json()
        answers = [{key: value for key, value in one.items() if key != "id"} for one in found["predictions"]]
        version = str(found["model"]["version"])
        assert answers == expected["weak" if version == "1" else "good"]
        return version

    def in_mlflow(alias: str) -> int:
        return int(own.get_model_version_by_alias("toy", alias).version)

    assert _copydesk("register", str(bundles["weak"]), "--alias", "staging")["reference"] == "models:/toy/1"
    assert _copydesk("promote", "toy", *tests)["action"] == "promoted"
    with server_process(Path("models:/toy@production"), tmp_path) as server:
        assert answer() == "1"
        assert _copydesk("register", str(bundles["good"]), "--alias", "staging")["reference"] == "models:/toy/2"
        assert (in_mlflow("staging"), in_mlflow("production")) == (2, 1)
        decided = _copydesk("promote", "toy", *tests)
        assert (decided["action"], decided["before"], decided["why"]) == ("promoted", 1, "better")
        _until(lambda: answer() == "2", server.log)
        assert in_mlflow("production") == 2
        described = httpx.get(f"{server.url}/v1/models").json()["models"][0]
        assert (described["name"], described["version"]) == ("toy", "2")

        job = httpx.post(f"{server.url}/v1/jobs", json={"texts": texts})
        where = f"{server.url}{job.headers['Location']}"
        _until(lambda: httpx.get(where).status_code == 200, server.log)
        labels = [one["label"] for one in httpx.get(where).json()["predictions"]]
        assert labels == [one["label"] for one in expected["good"]]

        refused = _copydesk("promote", "toy", "1", *tests, exit_code=1)
        assert [failure["rule"] for failure in refused["failures"]][-1] == "against_production.require"
        assert (in_mlflow("production"), answer()) == (2, "2")

        assert _copydesk("rollback", "toy", "--reason", "asked for")["version"] == 1
        _until(lambda: answer() == "1", server.log)
        assert in_mlflow("production") == 1

        database = tmp_path / "mlflow.db"
        database.rename(tmp_path / "away.db")
        _until(lambda: bool(_events(server.log, "nothing to look at")), server.log)
        assert answer() == "1"
        (tmp_path / "away.db").rename(database)
        _until(lambda: bool(_events(server.log, "look-up works again")), server.log)
        assert len(_events(server.log, "nothing to look at")) == 1
        assert answer() == "1"

    found = _copydesk("models", "toy")
    assert [change["action"] for change in found["history"]] == [
        "registered",
        "pointed",
        "promoted",
        "registered",
        "pointed",
        "promoted",
        "refused",
        "rolled back",
    ]
    assert found["history"][-1]["reason"] == "asked for"
    assert [version["aliases"] for version in found["versions"]] == [["staging"], ["production"]]


def test_a_server_that_follows_an_alias_keeps_two_versions_and_what_its_worker_has_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = [numbered_bundle(tmp_path / f"toy-{number}", number) for number in range(1, 5)]
    numbers = {bundle.digest: number for number, bundle in enumerate(bundles, 1)}

    def stage(number: int) -> None:
        """Register a version as on another machine, whose cache is its own."""
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("COPYDESK_CACHE", str(tmp_path / "elsewhere"))
            _copydesk("register", str(bundles[number - 1].path), "--alias", "staging")

    def cached() -> list[int]:
        return sorted(numbers[path.name] for path in (tmp_path / "cache" / "models").iterdir() if path.name in numbers)

    stage(1)
    with server_process(Path("models:/toy@staging"), tmp_path) as server:
        job = httpx.post(f"{server.url}/v1/jobs", json={"texts": ["a"]})
        where = f"{server.url}{job.headers['Location']}"
        _until(lambda: httpx.get(where).status_code == 200, server.log)
        for number in (2, 3, 4):
            stage(number)
            _until(lambda number=number: len(_events(server.log, "swapped")) == number - 1, server.log)  # type: ignore[misc]
        _until(lambda: cached() == [1, 3, 4], server.log)
        assert httpx.post(f"{server.url}/v1/classify", json={"texts": ["b"]}).json()["model"]["version"] == "4"
