"""What a worker does with a chunk, with a store that only remembers; and the command, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from copydesk.cli.main import app
from copydesk.errors import BundleError, JobsUnavailable
from copydesk.runtime.engine import Answers
from copydesk.runtime.fallback import load_model
from copydesk.runtime.versions import version_of
from copydesk.serve.job_worker import Models, answer, load_version, to_json, work, work_on
from copydesk.serve.jobs import Chunk, JobRules, Submission
from copydesk.serve.open_jobs import open_jobs
from copydesk.types import Prediction
from job_fakes import FIRST, Loader, said

CHUNK = Chunk("job", 3, 10, ["a", "b", "c"], FIRST, False, JobRules(lease_s=0.04), 0, "token")
MODELS = Models(Loader())


class Notebook:
    """A store that writes down what it is told; the first `faults` calls fail."""

    def __init__(self, *, faults: int = 0, is_ours: bool = True) -> None:
        self.faults, self.is_ours = faults, is_ours
        self.finished: list[bytes] = []
        self.failed: list[str] = []
        self.extended = threading.Event()

    def extend(self, chunk: Chunk) -> bool:
        self.extended.set()
        return self.is_ours

    def finish(self, chunk: Chunk, answers: bytes) -> None:
        self._maybe_fail()
        self.finished.append(answers)

    def fault(self, chunk: Chunk, reason: str) -> None:
        self._maybe_fail()
        self.failed.append(reason)

    def _maybe_fail(self) -> None:
        self.faults -= 1
        if self.faults >= 0:
            raise JobsUnavailable("Redis restarts.")


class Waits:
    """A model that answers when it is told to."""

    def __init__(self, until: threading.Event) -> None:
        self.until = until

    def answers(self, texts: Sequence[Any], *, scores: bool = False) -> Answers:
        assert self.until.wait(20)
        return said([Prediction(label="late") for _ in texts])


def test_answers_are_a_json_array_in_the_order_of_the_texts() -> None:
    lines = json.loads(to_json(CHUNK, answer(CHUNK, MODELS)))
    assert [line["label"] for line in lines] == ["1: a", "1: b", "1: c"]
    assert list(lines[0]) == ["id", "label", "score"]


def test_a_chunk_done_twice_gives_the_same_answers_to_the_byte() -> None:
    assert to_json(CHUNK, answer(CHUNK, MODELS)) == to_json(CHUNK, answer(CHUNK, Models(Loader())))


def test_the_claim_is_renewed_while_a_chunk_is_worked_on() -> None:
    store = Notebook()
    work_on(CHUNK, store, Models(lambda _: Waits(store.extended)))
    assert len(store.finished) == 1


def test_a_chunk_that_takes_too_long_is_told_of() -> None:
    told = threading.Event()
    work_on(
        replace(CHUNK, rules=JobRules(lease_s=0.04, chunk_limit_s=0.0)),
        Notebook(),
        Models(lambda _: Waits(told)),
        too_long=told.set,
    )
    assert told.is_set()


def test_answers_are_kept_when_the_store_comes_back_soon() -> None:
    store = Notebook(faults=2)
    work_on(CHUNK, store, MODELS)
    assert len(store.finished) == 1


def test_a_store_that_stays_away_is_told_and_the_chunk_is_left_to_another() -> None:
    with pytest.raises(JobsUnavailable):
        work_on(CHUNK, Notebook(faults=1_000), MODELS)


def test_the_log_names_the_fault_and_no_text(caplog: pytest.LogCaptureFixture) -> None:
    work_on(replace(CHUNK, texts=["poison"]), Notebook(), MODELS)
    assert caplog.messages == ["Job job: text 10 failed (ValueError), fault 1 of 4"]


def test_the_last_fault_names_the_text_that_is_to_blame() -> None:
    store = Notebook()
    last = replace(CHUNK, texts=["a", "b", "poison", "c"], faults=CHUNK.rules.most_faults - 1)
    work_on(last, store, MODELS)
    assert store.failed == ["The model could not answer text 12: ValueError: a text that no model can read"]


def test_a_fault_of_no_single_text_names_them_all() -> None:
    class Narrow:
        def answers(self, texts: Sequence[Any], *, scores: bool = False) -> Answers:
            if len(texts) > 1:
                raise MemoryError("too many at once")
            return said([Prediction(label="x")])

    store = Notebook()
    work_on(replace(CHUNK, faults=CHUNK.rules.most_faults - 1), store, Models(lambda _: Narrow()))
    assert store.failed == ["The model could not answer texts 10 to 12: MemoryError: too many at once"]


def test_a_model_that_answers_too_few_texts_is_a_fault() -> None:
    class Mute:
        def answers(self, texts: Sequence[Any], *, scores: bool = False) -> Answers:
            return said([])

    store = Notebook()
    work_on(CHUNK, store, Models(lambda _: Mute()))
    assert "gave 0 answers to 3 texts" in store.failed[0]


def test_a_worker_whose_store_fails_says_so_and_goes_on() -> None:
    stop, warned = threading.Event(), []

    class Broken(Notebook):
        def claim(self) -> Chunk | None:
            if len(warned) == 1:
                stop.set()
                return CHUNK
            raise JobsUnavailable("The disk is full.")

        def sweep(self) -> None:
            pass

    class Warnings:
        def warn(self, line: str) -> None:
            warned.append(line)

    store = Broken()
    work(store, MODELS, stop, progress=Warnings())  # type: ignore[arg-type]
    assert warned == ["The disk is full."] and len(store.finished) == 1


def test_a_version_whose_folder_holds_another_by_now_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text("en: {money: [bank], sport: [goal, match]}", "utf-8")
    recipe = tmp_path / "toy.yaml"
    recipe.write_text("name: toy\nmodel: {kind: linear, keywords: words.yaml}\n", "utf-8")
    version = version_of(load_model(recipe), recipe)
    assert load_version(version).predict(["x"])
    with pytest.raises(BundleError, match="the job was accepted for version keywords-old"):
        load_version(replace(version, version="keywords-old"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--jobs", "amqp://x"], "is no job store"),
        (["--jobs", "sqlite:///x.db", "--processes", "2"], "--processes 2 is for redis"),
        (["--jobs", "sqlite:///x.db", "--alive", "x"], "--alive is for redis"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(options: list[str], message: str) -> None:
    ran = CliRunner().invoke(app, ["worker", *options])
    assert ran.exit_code == 2 and message in ran.output


@pytest.mark.e2e
def test_sigterm_lets_the_chunk_in_hand_finish_and_a_parent_that_goes_takes_its_worker_along(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    worker = _worker(url)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0

    code = (
        "import os, subprocess, time\n"
        f"subprocess.Popen({_command(url)} + ['--parent', str(os.getpid())])\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    assert parent.stderr is not None
    assert b"ready" in parent.stderr.readline()
    parent.kill()
    parent.wait()
    assert parent.stderr.read() == b""  # the pipe ends with the last who holds it: the worker
    parent.stderr.close()


@pytest.mark.e2e
def test_the_command_fails_a_job_whose_bundle_is_gone_and_gives_way_to_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    jobs = open_jobs(url, JobRules(first_wait_s=0.01))
    job = jobs.submit(Submission(FIRST, ["a"]))
    worker = _worker(url, "--nice", "7")
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) >= 7
    while not jobs.get(job.id).has_ended:
        assert worker.poll() is None
    assert "bundles/headlines-1" in (jobs.get(job.id).error or "")
    worker.terminate()
    assert worker.wait(20) == 0
    jobs.close()


def _command(url: str) -> list[str]:
    return [sys.executable, "-m", "copydesk", "worker", "--jobs", url]


def _worker(url: str, *options: str) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen([*_command(url), *options], stderr=subprocess.PIPE)
    assert worker.stderr is not None
    assert b"is ready" in worker.stderr.readline()
    worker.stderr.close()
    return worker
