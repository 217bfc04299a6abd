"""The server's processes: how they end, and what is left of one that died."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.supervisors import multiprocess

from copydesk.serve.process import Options, Workers, _drain_before_the_end, _environment

_ENDS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """Yield the signals that the server's own handlers were told of."""
    told: list[int] = []
    before = {number: signal.getsignal(number) for number in _ENDS}
    for number in _ENDS:
        signal.signal(number, lambda number, _: told.append(number))
    yield told
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([signal.SIGTERM], [signal.SIGTERM]),
        ([signal.SIGINT], [signal.SIGTERM]),
        ([signal.SIGTERM, signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM]),
        # A SIGINT after another end has uvicorn drop what it accepted: only who sends it may do that.
        ([signal.SIGINT, signal.SIGINT], [signal.SIGINT, signal.SIGTERM]),
        ([signal.SIGTERM, signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]),
    ],
)
def test_the_end_comes_after_draining_and_never_drops_what_was_accepted(
    ended: list[int], sent: list[int], expected: list[int]
) -> None:
    begun: list[str] = []

    async def scenario() -> None:
        _drain_before_the_end(0.05, lambda: begun.append("draining"))
        for number in sent:
            signal.raise_signal(number)
        assert begun and len(ended) == len(expected) - len(set(sent))
        async with asyncio.timeout(20):
            while len(ended) < len(expected):
                await asyncio.sleep(0.005)

    asyncio.run(scenario())
    assert ended == expected


class _Process:
    """A worker process that is not one."""

    exitcode = 1

    def __init__(self, *_: object, pid: int = 222, alive: bool = True) -> None:
        self.pid, self._alive = pid, alive

    def is_alive(self, timeout: float) -> bool:
        return self._alive

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def join(self) -> None: ...


def test_a_worker_that_died_takes_its_gauges_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(multiprocess, "Process", _Process)
    for name in ("gauge_livesum_111.db", "gauge_livemax_111.db", "counter_111.db", "gauge_livesum_112.db"):
        (tmp_path / name).touch()
    workers: Any = object.__new__(Workers)  # its own making takes over this process' signals
    workers.config, workers.sockets, workers.should_exit = Config("none"), [], threading.Event()
    workers.processes = [_Process(pid=111, alive=False), _Process(pid=112)]
    workers.keep_subprocess_alive()
    assert [process.pid for process in workers.processes] == [222, 112]
    assert {path.name for path in tmp_path.iterdir()} == {"counter_111.db", "gauge_livesum_112.db"}


def test_a_process_whose_parent_was_gone_before_it_looked_ends_too() -> None:
    code = "import time\nfrom copydesk.serve.parent import end_with\nend_with(2**22 + 1)\ntime.sleep(60)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=50)
    assert done.returncode == -signal.SIGTERM


def test_workers_are_told_by_whom_they_were_started() -> None:
    with _environment(Options(model="toy", workers=2)):
        told = Options.model_validate_json(os.environ["COPYDESK_SERVE"])
    assert told.parent == os.getpid() and "COPYDESK_SERVE" not in os.environ
