"""A real MLflow server, and a real PostgreSQL for it, started by the tests on free ports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from postgres_server import free_port, running_postgres

_STARTS_IN_S = 120.0


@contextmanager
def _running(command: Sequence[str], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_IN_S
    while time.monotonic() < deadline and process.poll() is None:
        if answers():
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8", "replace")[-3_000:])


@contextmanager
def mlflow_server(folder: Path, database: str) -> Iterator[str]:
    """Yield the address of an MLflow server on a database; it keeps the artefacts in the folder."""
    port, log = free_port(), folder / "mlflow.log"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "kept"), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop("MLFLOW_TRACKING_URI", None)

    def answers() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return True
        except (URLError, OSError):
            return False

    with _running(command, log, cwd=folder, env=environment) as process:
        _wait_until(answers, process, log)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the address of an empty PostgreSQL database, as MLflow writes it."""
    with running_postgres() as server:
        yield server.url.replace("postgresql://", "postgresql+psycopg2://")
