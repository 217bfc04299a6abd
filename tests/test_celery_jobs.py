"""What a Celery worker's main process looks at each second."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from celery.worker import state

from copydesk.errors import JobsUnavailable
from copydesk.serve.celery_jobs import Sweep


class Record:
    """A record without chunks to send, and with some messages in the queue; none is: Redis is away."""

    def __init__(self, *messages: int | None) -> None:
        self._messages = list(messages)

    def untaken(self, patience_s: float) -> list[tuple[str, int]]:
        return []

    def messages(self) -> int:
        found = self._messages.pop(0)
        if found is None:
            raise JobsUnavailable("Redis is away.")
        return found


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(Sweep, "is_deaf", False)
    return Sweep(_Parent())


class _Parent:
    def __init__(self) -> None:
        self.steps: list[Any] = []


def _look(sweep: Sweep, *messages: int | None) -> bool:
    record: Any = Record(*messages)
    for _ in messages:
        sweep.look(None, record)
    return Sweep.is_deaf


def test_a_worker_that_takes_no_message_though_it_has_nothing_to_do_begins_anew(sweep: Sweep) -> None:
    assert not _look(sweep, 3, 3, 3, 3)
    assert _look(sweep, 3) and state.should_stop == os.EX_OK


@pytest.mark.parametrize("between", [0, None])
def test_an_empty_queue_is_no_sign_of_deafness_nor_is_a_redis_that_is_away(sweep: Sweep, between: int | None) -> None:
    taken = _look(sweep, 3, 3, 3, 3, 0, 3, 3, 3, 3) if between == 0 else _look(sweep, *[None] * 9)
    assert not taken and state.should_stop is None


def test_a_worker_that_is_at_work_is_not_deaf(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "reserved_requests", {"a request"})
    assert not _look(sweep, *[3] * 9)


def test_a_worker_touches_its_file_while_redis_answers(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sweep, "alive", tmp_path / "alive")
    _look(sweep, None)
    assert not (tmp_path / "alive").exists()
    _look(sweep, 0)
    assert (tmp_path / "alive").exists()
