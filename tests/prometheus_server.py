"""A real Prometheus, started by the tests on a free port, asked by its HTTP API, and started again on the same data."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

BINARY = shutil.which("prometheus")
_STARTS_IN_S = 30.0


def needed() -> None:
    """Skip where there is no Prometheus; fail in CI, which installs one. promtool comes with it."""
    if BINARY is None:
        reason = "prometheus is not installed (Debian: apt-get install prometheus)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


class PrometheusServer:
    """One Prometheus with its configuration and its data; both outlive it."""

    def __init__(self, configuration: Path, data: Path, *options: str, port: int = 0) -> None:
        needed()
        self._configuration, self._data, self._options = configuration, data, options
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> PrometheusServer:
        """Start, and wait until it is ready to answer."""
        self._client = httpx.Client(timeout=30)
        options = (f"--config.file={self._configuration}", f"--storage.tsdb.path={self._data}", *self._options)
        log = self._data.with_suffix(".log")
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [str(BINARY), *options, f"--web.listen-address=127.0.0.1:{self.port}"], stdout=file, stderr=file
            )
        deadline = time.monotonic() + _STARTS_IN_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, log.read_text()[-2_000:]
            try:
                if self._client.get(f"{self.url}/-/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"Prometheus was not ready within {_STARTS_IN_S:.0f} s: {log.read_text()[-2_000:]}")

    def ask(self, path: str, **parameters: str | float) -> Any:
        """Return the data of an API call. Raises `ValueError` with Prometheus' words where it refuses."""
        found = self._client.get(f"{self.url}/api/v1/{path}", params={**parameters}).json()
        if found["status"] != "success":
            raise ValueError(f"{found['errorType']}: {found['error']}")
        return found["data"]

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return an expression's series, now or at a time, without those that are not a number."""
        when = {} if at is None else {"time": at}
        found: list[dict[str, Any]] = self.ask("query", query=expression, **when)["result"]
        return [series for series in found if series["value"][1] != "NaN"]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, as an administrator (SIGTERM) or a fault (SIGKILL) would."""
        if self._process is not None:
            self._process.send_signal(number)
            assert self._process.wait(30) == (0 if number == signal.SIGTERM else -number)
            self._process = None
            self._client.close()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
