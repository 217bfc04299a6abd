"""A real Redis, started by the tests on a free port and stopped, killed or restarted at will."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redis

BINARY = shutil.which("redis-server")


def needed() -> None:
    """Skip where there is no Redis; fail in CI, which installs one."""
    if BINARY is None:
        reason = "redis-server is not installed (Debian: apt-get install redis-server)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


class RedisServer:
    """One redis-server; with `lasting` its append-only file outlives it."""

    def __init__(self, folder: Path, *, lasting: bool = False) -> None:
        needed()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._folder, self._lasting = folder, lasting
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> RedisServer:
        """Start, and wait until it answers."""
        options = f"--port {self.port} --bind 127.0.0.1 --appendonly {'yes' if self._lasting else 'no'}"
        self._process = subprocess.Popen(
            [str(BINARY), *options.split(), "--save", "", "--dir", str(self._folder)], stdout=subprocess.DEVNULL
        )
        client = redis.Redis.from_url(self.url)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                client.ping()
                client.close()
                return self
            except redis.ConnectionError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def send(self, number: int) -> None:
        """Send a signal, e.g. SIGSTOP: from then on it hangs."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, as an administrator (SIGTERM) or a fault (SIGKILL) would."""
        if self._process is not None:
            self.send(number)
            self._process.wait(20)
            self._process = None
