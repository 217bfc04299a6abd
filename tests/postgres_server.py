"""A real PostgreSQL on a free port, which the tests start, kill and start again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_STARTS_IN_S = 60.0
_DEBIAN = Path("/usr/lib/postgresql")


def free_port() -> int:
    """Return a port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Postgres:
    """An empty database in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self._programs, self._as_nobody = _programs(), list[str]()
        if os.geteuid() == 0:  # PostgreSQL refuses root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._as_nobody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        make = [
            str(self._programs / "initdb"),
            "-D",
            str(folder / "data"),
            "-A",
            "trust",
            "-U",
            "copydesk",
            "--no-sync",
        ]
        subprocess.run([*self._as_nobody, *make], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://copydesk@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-h", "127.0.0.1"]
        command += ["-p", str(self.port), "-k", "", "-c", "fsync=off"]
        with (self._folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_nobody, *command], cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        ends_at = time.monotonic() + _STARTS_IN_S
        while not self._answers():
            assert time.monotonic() < ends_at and self._process.poll() is None, (
                self._folder / "postgres.log"
            ).read_text("utf-8", "replace")[-3_000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill all its processes at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Let it end in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None

    def _answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(self.url).close()
        except psycopg2.OperationalError:
            return False
        return True


@contextmanager
def new_postgres() -> Iterator[Postgres]:
    """Yield a PostgreSQL that does not run yet."""
    with tempfile.TemporaryDirectory(prefix="copydesk-postgres-") as folder:
        server = Postgres(Path(folder))
        try:
            yield server
            server.stop()
        finally:
            server.kill()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Yield a PostgreSQL that runs."""
    with new_postgres() as server:
        server.start()
        yield server


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs; skip where there is none, fail in CI, which installs it."""
    found = shutil.which("initdb")
    folders = sorted(_DEBIAN.glob("*/bin"), reverse=True) + ([Path(found).parent] if found else [])
    if not folders:
        reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return folders[0]
