from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from copydesk.errors import DeadlinePassed, Overloaded
from copydesk.serve.batcher import Batch, Ticket
from copydesk.serve.lane import Engine, Lane, Pace, Times

Floats = NDArray[np.float32]


class Recorder:
    """Remembers what a lane did."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.texts_dropped = 0

    def ran(self, lane: Lane[Any], batch: Batch[Any], seconds: float) -> None:
        self.sizes.append(len(batch.entries))

    def dropped(self, lane: Lane[Any], texts: int) -> None:
        self.texts_dropped += texts


class Gate:
    """An engine that answers a text with its length, once it is let."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        if is_open:
            self.opened.set()
        self.batches: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Floats:
        self.entered.set()
        assert self.opened.wait(20)
        self.batches.append(list(texts))
        if any("bad" in text for text in texts):
            raise ValueError("a bad text")
        return np.array([[len(text)] for text in texts], np.float32)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


def _with_lane(
    gate: Gate,
    scenario: Callable[[Lane[str], Recorder], Awaitable[None]],
    *,
    most_texts: int = 100,
    at_once: int = 0,
    threads: int = 1,
    most_wait_s: float = math.inf,
) -> Recorder:
    recorder = Recorder()

    async def run() -> None:
        engine: Engine[str] = Engine("fake", gate, budget=50, threads=threads, at_once=at_once)
        lane = Lane(engine, most_texts=most_texts, most_wait_s=most_wait_s, watcher=recorder)
        try:
            await scenario(lane, recorder)
        finally:
            gate.opened.set()
            lane.close()

    asyncio.run(run())
    return recorder


async def _ask(lane: Lane[str], *texts: str, ticket: Ticket | None = None, times: Times | None = None) -> list[float]:
    rows = await lane.answer(texts, [10] * len(texts), ticket or Ticket(), times or Times())
    return [float(value) for value in rows[:, 0]]


@pytest.mark.parametrize("at_once", [0, 1_000])
def test_a_request_gets_its_rows_in_its_order(at_once: int) -> None:
    async def scenario(lane: Lane[str], _: Recorder) -> None:
        assert await _ask(lane, "a", "bbb", "cc") == [1, 3, 2]

    _with_lane(Gate(is_open=True), scenario, at_once=at_once)


def test_requests_that_come_together_share_a_batch_without_waiting_for_others() -> None:
    async def scenario(lane: Lane[str], _: Recorder) -> None:
        assert await asyncio.gather(*(_ask(lane, "x" * size) for size in (1, 2, 3))) == [[1], [2], [3]]

    assert _with_lane(Gate(is_open=True), scenario).sizes == [3]


def test_what_comes_while_the_engine_is_busy_is_the_next_batch() -> None:
    gate = Gate()

    async def scenario(lane: Lane[str], _: Recorder) -> None:
        first = asyncio.create_task(_ask(lane, "first"))
        await _until(gate.entered.is_set)
        others = [asyncio.create_task(_ask(lane, name)) for name in ("b", "cc")]
        await _until(lambda: len(lane.queue) == 2)
        gate.opened.set()
        assert await asyncio.gather(first, *others) == [[5], [1], [2]]

    assert _with_lane(gate, scenario).sizes == [1, 2]


def test_a_text_with_a_fault_fails_its_own_request_and_no_other() -> None:
    async def scenario(lane: Lane[str], _: Recorder) -> None:
        found = await asyncio.gather(
            _ask(lane, "good"), _ask(lane, "fine", "bad"), _ask(lane, "well"), return_exceptions=True
        )
        assert found[0] == [4] and found[2] == [4]
        assert isinstance(found[1], ValueError)

    _with_lane(Gate(is_open=True), scenario)


def test_a_request_whose_time_is_over_is_told_so_and_costs_the_engine_nothing() -> None:
    gate = Gate()

    async def scenario(lane: Lane[str], recorder: Recorder) -> None:
        first = asyncio.create_task(_ask(lane, "first"))
        await _until(gate.entered.is_set)
        with pytest.raises(DeadlinePassed, match="X-Request-Timeout"):
            await _ask(lane, "late", ticket=Ticket(deadline=0.0))
        gate.opened.set()
        assert await first == [5]
        assert await _ask(lane, "next") == [4]
        assert recorder.texts_dropped == 1

    _with_lane(gate, scenario)
    assert gate.batches == [["first"], ["next"]]


def test_a_client_that_leaves_takes_its_texts_out_of_the_queue() -> None:
    gate = Gate()

    async def scenario(lane: Lane[str], recorder: Recorder) -> None:
        first = asyncio.create_task(_ask(lane, "first"))
        await _until(gate.entered.is_set)
        leaving = asyncio.create_task(_ask(lane, "leaving"))
        await _until(lambda: len(lane.queue) == 1)
        leaving.cancel()
        gate.opened.set()
        assert await asyncio.gather(first, _ask(lane, "next")) == [[5], [4]]
        assert recorder.texts_dropped == 1

    _with_lane(gate, scenario)
    assert ["leaving"] not in gate.batches


def test_beyond_its_room_the_lane_refuses_and_goes_on() -> None:
    gate = Gate()

    async def scenario(lane: Lane[str], _: Recorder) -> None:
        first = asyncio.create_task(_ask(lane, "first"))
        await _until(gate.entered.is_set)
        waiting = asyncio.create_task(_ask(lane, "a", "b"))
        await _until(lambda: len(lane.queue) == 2)
        with pytest.raises(Overloaded):
            await _ask(lane, "c")
        gate.opened.set()
        assert await asyncio.gather(first, waiting) == [[5], [1, 1]]
        assert await _ask(lane, "c") == [1]

    _with_lane(gate, scenario, most_texts=2)


def test_whose_turn_would_come_too_late_is_refused_with_the_time_it_would_take() -> None:
    gate = Gate()

    async def scenario(lane: Lane[str], _: Recorder) -> None:
        waiting = [asyncio.create_task(_ask(lane, "first"))]
        await _until(gate.entered.is_set)
        lane.pace.note(cost=10_000, seconds=1_000)  # a text a second
        for place, text in enumerate(("ab", "cd", "ef"), 1):
            waiting.append(asyncio.create_task(_ask(lane, text)))
            await _until(lambda place=place: len(lane.queue) == place)
        with pytest.raises(Overloaded, match=r"Its turn would come in 3\.0 s and 2\.5 s are the most") as refused:
            await _ask(lane, "gh")
        assert refused.value.retry_after_s == 3
        many = asyncio.create_task(_ask(lane, *"123456789"))  # its first turn comes soon; it may take its time to end
        await _until(lambda: len(lane.queue) == 12)
        gate.opened.set()
        await asyncio.gather(*waiting, many)

    _with_lane(gate, scenario, most_wait_s=2.5)


def test_nobody_is_refused_for_a_time_that_nobody_knows_yet() -> None:
    pace = Pace()
    assert pace.per_second == 0
    pace.note(100, 2.0)
    assert pace.per_second == 50
    for _ in range(100):
        pace.note(100, 1.0)
    assert pace.per_second == pytest.approx(100, rel=0.01)  # a slow beginning is forgotten


def test_the_times_tell_waiting_from_work() -> None:
    gate, times = Gate(), Times()

    async def scenario(lane: Lane[str], _: Recorder) -> None:
        asked = asyncio.create_task(_ask(lane, "text", times=times))
        await asyncio.sleep(0.02)
        gate.opened.set()
        await asked

    _with_lane(gate, scenario)
    assert times.inference >= 0.01 > times.queue >= 0


def test_several_threads_take_batches_beside_each_other() -> None:
    gate = Gate()

    async def scenario(lane: Lane[str], _: Recorder) -> None:
        asked = [asyncio.create_task(_ask(lane, *("abcde"))) for _ in range(2)]
        await _until(gate.entered.is_set)
        await _until(lambda: not len(lane.queue))
        gate.opened.set()
        await asyncio.gather(*asked)

    assert _with_lane(gate, scenario, threads=2).sizes == [5, 5]


def test_an_engine_that_gives_too_few_rows_is_a_fault_and_keeps_nobody_waiting() -> None:
    class Short(Gate):
        def __call__(self, texts: Sequence[str]) -> Floats:
            return super().__call__(texts)[1:]

    async def scenario(lane: Lane[str], _: Recorder) -> None:
        async with asyncio.timeout(5):
            found = await asyncio.gather(_ask(lane, "a", "b"), _ask(lane, "c"), return_exceptions=True)
        assert [str(fault) for fault in found] == ["The engine gave 0 rows to 1 texts; one each is expected."] * 2

    _with_lane(Short(is_open=True), scenario)


def test_what_is_answered_on_the_loop_is_given_out_before_the_next_batch_is_begun() -> None:
    gate = Gate(is_open=True)

    async def scenario(lane: Lane[str], _: Recorder) -> None:
        told: list[list[float]] = []

        async def note(*texts: str) -> None:
            told.append([*(await _ask(lane, *texts)), len(gate.batches)])

        await asyncio.gather(*(note("x" * size) for size in range(1, 201)))
        assert told[0] == [1, 1], "the first to come has its answer after the first batch"
        assert [row[0] for row in told] == list(range(1, 201))

    _with_lane(gate, scenario, at_once=1_000, most_texts=1_000)
    assert len(gate.batches) == 40
