"""The log's lines: gathered, written together, and never in a request's way."""

from __future__ import annotations

import io
import json
import logging

import pytest

from copydesk.serve.logs import Gathered, JsonLines, Lines


class _Disk(io.StringIO):
    """A file on a disk that may be full."""

    is_full = False

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def _record(event: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("copydesk.access", level, "", 0, event, None, None)


def test_a_full_disk_costs_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = _Disk()
    lines = Lines(disk)
    lines.setFormatter(JsonLines())
    gathered = Gathered(lines)
    monkeypatch.setattr(logging, "raiseExceptions", False)  # which would print to the tests' own stderr
    disk.is_full = True
    gathered.handle(_record("a warning is written at once", logging.WARNING))
    disk.is_full = False
    gathered.handle(_record("gathered"))
    assert disk.getvalue() == ""
    gathered.flush()
    assert [json.loads(line)["event"] for line in disk.getvalue().splitlines()] == ["gathered"]
