from __future__ import annotations

import io

import pytest
from rich.console import Console

from copydesk.cli import console
from copydesk.progress import Silent


def test_quiet_still_tells_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    listener = console.listener(quiet=True)
    listener.say("not this")
    listener.warn("but [this]")
    with listener.track("work", 10, "texts") as advance:
        advance(10)
    assert capsys.readouterr().err == "WARNING: but [this]\n"


def test_without_a_terminal_long_work_is_told_in_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 5.0, 12.0, 13.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.listener(quiet=False).track("work", 300, "texts") as advance:
        advance(50)
        advance(70, "loss 0.5")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["work: 120/300 texts, 10/s, 18 s left  loss 0.5", "work: 120 texts in 13.0 s"]


def test_slow_work_has_a_rate_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 12.0, 13.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.listener(quiet=False).track("work", 300, "hours") as advance:
        advance(6)
    assert capsys.readouterr().err.splitlines()[0].startswith("work: 6/300 hours, 0.5/s, 588 s left")


def test_before_anything_is_done_no_time_is_promised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 12.0, 13.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.listener(quiet=False).track("work", 300, "texts") as advance:
        advance(0, "starting")
    assert capsys.readouterr().err.splitlines()[0] == "work: 0/300 texts  starting"


def test_in_a_terminal_there_is_a_bar() -> None:
    screen = io.StringIO()
    listener = console._Terminal(Console(file=screen, force_terminal=True, width=120))
    with listener.track("fine-tuning", 10, "texts") as advance:
        advance(4, "loss 0.50")
        advance(6)
    shown = screen.getvalue()
    assert "fine-tuning" in shown and "10/10" in shown and "loss 0.50" in shown


def test_nobody_has_to_listen() -> None:
    silent = Silent()
    silent.say("x")
    silent.warn("x")
    with silent.track("x", 1, "x") as advance:
        advance(1)
