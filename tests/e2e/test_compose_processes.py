"""The services of deploy/compose.yaml find each other: as processes, by the file's own commands and health checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from compose_processes import Processes, Service
from fakes import toy_rows
from prometheus_server import needed as prometheus_needed
from redis_server import needed as redis_needed
from trained import weak_and_good

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
_TEXTS = [text for text, _ in toy_rows(40, seed=11)]
_ORDER = ("postgres", "redis", "mlflow", "api", "worker", "monitor", "prometheus")


def _until(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 90
    while not (value := found()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return value


def _promoted(bundle: Path, registry: str) -> None:
    """Register a bundle and put it into production, as a user does."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": registry, "PYTHONPATH": os.pathsep.join(sys.path)}
    for words in (
        ("register", str(bundle), "--alias", "staging"),
        ("promote", "toy", "--data", str(bundle.parent / "dataset")),
    ):
        command = [sys.executable, "-m", "copydesk", *words, "--quiet"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout


def _rows(service_file: str, query: str) -> list[tuple[Any, ...]]:
    """Ask the database that a service file leads to."""
    import psycopg2

    facts = dict(line.split("=", 1) for line in service_file.splitlines() if "=" in line)
    connection = psycopg2.connect(**facts)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
    finally:
        connection.close()


@dataclass(frozen=True)
class Running:
    """The services, two bundles to be promoted, and where the API and the registry are."""

    stack: Processes
    services: dict[str, Service]
    bundles: dict[str, Path]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.stack.ports[name]}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield all services, started in the order of their dependencies, with no model in the registry yet."""
    prometheus_needed()
    redis_needed()
    folder = tmp_path_factory.mktemp("compose")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        patch.setenv("COPYDESK_CACHE", str(folder / "cache"))
        bundles = weak_and_good(folder)
    stack = Processes(folder / "stack", {"COPYDESK_MODEL": "models:/toy@production"})
    with stack.run(*_ORDER) as services:
        yield Running(stack, services, bundles)
        for name in reversed(_ORDER):
            code = services[name].stop()
            assert code == 0, f"{name}: {code} {services[name].said[-2_000:]}"


def test_mlflow_answers_to_its_own_names_only_and_nobody_reads_the_others_database(running: Running) -> None:
    import psycopg2

    url = f"{running.url('mlflow')}/api/2.0/mlflow/registered-models/search"
    assert httpx.get(url).status_code == 200
    assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 403
    other = running.stack.secret("copydesk-database").replace("dbname=copydesk", "dbname=mlflow")
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        _rows(other, "SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        _rows(running.stack.secret("mlflow-database").replace("password=", "password=x"), "SELECT 1")


def test_a_text_a_job_a_correction_a_promotion_and_what_is_seen_of_them(running: Running) -> None:
    stack, services, registry = running.stack, running.services, running.url("mlflow")
    waits = "Waiting for models:/toy@production"
    _until(lambda: all(waits in services[name].said for name in ("api", "monitor")), "they say what they wait for")
    assert not services["api"].is_healthy and services["api"].process.poll() is None
    _promoted(running.bundles["weak"], registry)
    for name in _ORDER:
        services[name].wait_until_healthy()

    key = stack.secret("api-keys").split()[1]
    assert httpx.post(f"{running.url('api')}/v1/classify", json={"text": _TEXTS[0]}).status_code == 401
    with httpx.Client(base_url=running.url("api"), headers={"X-API-Key": key}, timeout=30) as client:
        answer = client.post("/v1/classify", json={"texts": _TEXTS}).json()
        assert answer["model"] == {"name": "toy", "version": "1"} and len(answer["predictions"]) == len(_TEXTS)
        job = client.post("/v1/jobs", json={"texts": _TEXTS}).json()["id"]
        done = _until(lambda: _finished(client, job), "the worker answers a job that came through Redis")
        assert len(done["predictions"]) == len(_TEXTS)
        right = {"id": answer["predictions"][0]["id"], "label": "sport"}
        assert client.post("/v1/feedback", json=right).status_code == 204

        log = stack.secret("copydesk-database")
        counted = "SELECT source, count(*) FROM copydesk_log GROUP BY 1"
        expected = {"live": len(_TEXTS), "job": len(_TEXTS)}
        _until(lambda: dict(_rows(log, counted)) == expected, "both are in PostgreSQL")
        (line,) = _rows(log, "SELECT line FROM copydesk_feedback")
        assert json.loads(line[0])["id"] == right["id"]
        assert _rows(stack.secret("mlflow-database"), "SELECT name FROM registered_models WHERE name = 'toy'")

        up = {"copydesk": "1", "copydesk-monitor": "1", "prometheus": "1"}
        _until(lambda: _up(stack) == up, "the three targets answer Prometheus")
        _until(lambda: _asked(stack, 'copydesk_predictions_total{version="1"}'), "it sees what was answered")
        _until(lambda: _asked(stack, "copydesk_monitor_alarms"), "it sees what the watch sees")

        _promoted(running.bundles["good"], registry)
        _until(lambda: client.get("/v1/models").json()["models"][0]["version"] == "2", "a promotion swaps the model")


def _finished(client: httpx.Client, job: str) -> Any:
    answer = client.get(f"/v1/jobs/{job}")
    assert answer.status_code in (200, 202), answer.text
    return answer.json() if answer.status_code == 200 else None


def _asked(stack: Processes, expression: str) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{stack.ports['prometheus']}/api/v1/query?{urlencode({'query': expression})}"
    found: list[dict[str, Any]] = httpx.get(url).json()["data"]["result"]
    return found


def _up(stack: Processes) -> dict[str, str]:
    return {series["metric"]["job"]: series["value"][1] for series in _asked(stack, "up")}
