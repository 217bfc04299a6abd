"""A process in which Copydesk is imported, for tests that run many commands: each is a fork of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
STARTS_IN_S = 120.0


class Preloaded:
    """The process, from its start, which does not wait for the imports, to `end`."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "preloaded"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])}
        environment |= {"HF_HUB_OFFLINE": "1", "COPYDESK_TRACKING": "off", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "documents.preload", str(self._socket)]
        self._process = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)

    @property
    def socket(self) -> Path:
        """Where it is sent commands, once the imports are done."""
        deadline = time.monotonic() + STARTS_IN_S
        while not self._socket.exists():
            assert time.monotonic() < deadline and self._process.poll() is None, "nothing is preloaded"
            time.sleep(0.05)
        return self._socket

    def write_program(self, path: Path) -> None:
        """Write an executable file that is `copydesk`."""
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {TESTS / "documents" / "forked.py"} {self.socket} "$@"\n')
        path.chmod(0o755)

    def end(self) -> None:
        """End it; commands that it has forked go on."""
        self._process.terminate()
        self._process.wait(20)
