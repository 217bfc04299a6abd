"""A real MLflow server, and a real PostgreSQL for it, started by the tests on free ports."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

_STARTS_IN_S = 120.0
_DEBIAN = Path("/usr/lib/postgresql")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


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
    port, log = _free_port(), folder / "mlflow.log"
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


def _postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs; skip where there is none, fail in CI, which installs it."""
    found = shutil.which("initdb")
    folders = sorted(_DEBIAN.glob("*/bin"), reverse=True) + ([Path(found).parent] if found else [])
    if not folders:
        reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return folders[0]


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the address of an empty PostgreSQL database."""
    programs, port = _postgres_programs(), _free_port()
    as_nobody: list[str] = []
    with tempfile.TemporaryDirectory(prefix="copydesk-postgres-") as name:
        folder = Path(name)
        if os.geteuid() == 0:  # PostgreSQL refuses root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            as_nobody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        data, log = folder / "data", folder / "postgres.log"
        make = [*as_nobody, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "copydesk", "--no-sync"]
        subprocess.run(make, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        command = [*as_nobody, str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port)]
        with _running([*command, "-k", "", "-c", "fsync=off"], log, cwd=folder) as process:
            _wait_until(lambda: _can_be_asked(port), process, log)
            yield f"postgresql+psycopg2://copydesk@127.0.0.1:{port}/postgres"


def _can_be_asked(port: int) -> bool:
    import psycopg2

    try:
        psycopg2.connect(host="127.0.0.1", port=port, user="copydesk", dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True
