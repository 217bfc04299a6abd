"""`copydesk serve` as a process of its own, and connections to it that keep no rules."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

import copydesk

_STARTS_IN_S = 60.0
_ENDS_IN_S = 30.0
_SOURCE = Path(copydesk.__file__).parent.parent


@dataclass(frozen=True)
class ServerProcess:
    """A server that runs, where it is asked, and the file of what it writes to stderr."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """Open a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def exchange(self, request: bytes) -> bytes:
        """Send bytes as they are and return what comes back until the server closes, or falls silent for 2 seconds."""
        with self.connect() as line:
            line.settimeout(2)
            found = b""
            try:
                line.sendall(request)
                while block := line.recv(1 << 16):
                    found += block
            except (TimeoutError, ConnectionError):
                pass
            return found

    def memory_mb(self) -> float:
        """Return the resident memory of the process that answers."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@contextmanager
def server_process(bundle: Path, folder: Path, *options: str, port: int = 0) -> Iterator[ServerProcess]:
    """Serve a bundle, on a free port unless one is given; told to end with the block, it must do so in order."""
    port = port or _free_port()
    command = [sys.executable, "-m", "copydesk", "serve", str(bundle), "--port", str(port), "--drain", "0", *options]
    environment = {**os.environ, "PYTHONPATH": str(_SOURCE), "OMP_NUM_THREADS": "1"}
    log = folder / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)
    server = ServerProcess(process, port, log)
    try:
        _wait_for(server)
        yield server
        process.send_signal(signal.SIGTERM)
        assert process.wait(_ENDS_IN_S) == 0, log.read_text()[-2_000:]
        assert "Finished server process" in log.read_text()
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: ServerProcess) -> None:
    ends_at = time.monotonic() + _STARTS_IN_S
    while time.monotonic() < ends_at:
        assert server.process.poll() is None, server.log.read_text()[-2_000:]
        try:
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"The server was not ready within {_STARTS_IN_S:.0f} s: {server.log.read_text()[-2_000:]}")
