"""Whole jobs by real workers that are killed, and a Redis that restarts: every result, once, in order.

By hand, at full size: JOB_TEXTS=100000 JOB_COUNT=1000 python -m pytest tests/e2e/test_jobs_survive.py
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import pytest

import copydesk
from copydesk.client import Client, Patience
from copydesk.errors import JobsUnavailable, UnknownJob
from copydesk.runtime.versions import version_of
from copydesk.serve.jobs import JobRules, Jobs, Submission
from copydesk.serve.open_jobs import open_jobs
from copydesk.types import Job, ModelVersion
from fakes import toy_rows
from redis_server import RedisServer

pytestmark = pytest.mark.e2e
JOB_TEXTS = int(os.environ.get("JOB_TEXTS", "30000"))
JOB_COUNT = int(os.environ.get("JOB_COUNT", "60"))
JOB_KILLS = max(3, JOB_COUNT // 50)
RULES = JobRules(chunk_texts=128, lease_s=2.0, most_losses=20)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, toy_csv: Path) -> ModelVersion:
    folder = tmp_path_factory.mktemp("model")
    recipe = folder / "toy.yaml"
    recipe.write_text("name: toy\nmodel: {kind: linear}\n", "utf-8")
    train = ["train", recipe, "--data", toy_csv, "--out", folder / "toy-1", "--quiet"]
    subprocess.run([sys.executable, "-m", "copydesk", *map(str, train)], check=True, cwd=folder)
    return version_of(copydesk.load(folder / "toy-1"), folder / "toy-1")


class Fleet:
    """Workers of a store, each in a process group of its own, as on a machine of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, count: int = 1) -> None:
        command = [sys.executable, "-m", "copydesk", "worker", "--jobs", self.url, "--quiet"]
        self.workers += [subprocess.Popen(command, start_new_session=True) for _ in range(count)]

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker with all its processes at once, as a power cut would."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self.workers.remove(worker)

    def stop(self) -> list[int]:
        """End the workers as an administrator would; return their exit codes."""
        for worker in self.workers:
            worker.terminate()
        codes = [worker.wait(30) for worker in self.workers]
        self.workers = []
        return codes


class Site:
    """A store with its workers."""

    def __init__(self, url: str, server: RedisServer | None) -> None:
        self.server = server
        self.fleet = Fleet(url)
        self.jobs: Jobs = open_jobs(url, RULES)


@pytest.fixture(params=["sqlite", "celery"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    server = RedisServer(tmp_path, lasting=True).start() if request.param == "celery" else None
    opened = Site(server.url if server else f"sqlite:///{tmp_path}/jobs.db", server)
    yield opened
    for worker in list(opened.fleet.workers):
        opened.fleet.kill(worker)
    opened.jobs.close()
    if server is not None:
        server.stop()


def _texts(count: int) -> list[str]:
    return [f"{text} {place}" for place, (text, _) in enumerate(islice(cycle(toy_rows(240)), count))]


def _wait(job: Callable[[], Job], enough: Callable[[Job], bool], most_s: float = 120.0) -> Job:
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        now = job()
        if enough(now):
            return now
        time.sleep(0.02)
    raise AssertionError(f"it took longer than {most_s} s: {job()}")


def _answers(jobs: Jobs, job: Job) -> list[dict[str, object]]:
    return [line for part in jobs.answers(jobs.get(job.id)) for line in json.loads(part)]


def _expected(model: ModelVersion, texts: list[str]) -> list[tuple[object, object]]:
    return [(answer.label, answer.score) for answer in copydesk.load(model.path).predict(texts)]


def _check(jobs: Jobs, job: Job, expected: list[tuple[object, object]]) -> None:
    lines = _answers(jobs, job)
    assert [line["label"] for line in lines] == [label for label, _ in expected]
    assert [line["score"] for line in lines] == pytest.approx([score for _, score in expected], abs=1e-6)
    assert len({line["id"] for line in lines}) == len(expected)


def test_a_large_job_outlives_a_killed_worker_and_a_restart_of_redis(site: Site, model: ModelVersion) -> None:
    texts = _texts(JOB_TEXTS)
    site.fleet.start(2)
    job = site.jobs.submit(Submission(model, texts))
    _wait(lambda: site.jobs.get(job.id), lambda now: now.done > len(texts) * 0.2)
    site.fleet.kill(site.fleet.workers[0])
    half = _wait(lambda: site.jobs.get(job.id), lambda now: now.done > len(texts) * 0.4)
    assert half.status == "running"
    if site.server is not None:
        site.server.stop(signal.SIGKILL)
        site.server.start()
    done = _wait(lambda: site.jobs.get(job.id), lambda now: now.has_ended)
    assert (done.status, done.done) == ("succeeded", len(texts))
    _check(site.jobs, job, _expected(model, texts))
    assert site.fleet.stop() == [0]


def test_a_worker_that_ctrl_c_ends_has_not_failed(site: Site, model: ModelVersion) -> None:
    site.fleet.start()
    job = site.jobs.submit(Submission(model, ["the goal of the match"]))
    _wait(lambda: site.jobs.get(job.id), lambda now: now.has_ended)
    worker = site.fleet.workers.pop()
    worker.send_signal(signal.SIGINT)
    assert worker.wait(60) == 0


def test_jobs_of_a_killed_server_are_whole_or_not_there(site: Site, model: ModelVersion) -> None:
    code = (
        "import sys\n"
        "from copydesk.serve.jobs import Submission\n"
        "from copydesk.serve.open_jobs import open_jobs\n"
        "from copydesk.types import ModelVersion\n"
        "jobs = open_jobs(sys.argv[1])\n"
        "texts = ['goal bank %d' % place for place in range(999)]\n"
        "while True:\n"
        "    print(jobs.submit(Submission(ModelVersion(*sys.argv[2:]), texts)).id, flush=True)\n"
    )
    told = []
    for _ in range(3):
        command = [sys.executable, "-c", code, site.fleet.url, model.name, model.version, model.path]
        server = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert server.stdout is not None
        told += [server.stdout.readline().decode().strip() for _ in range(random.Random(len(told)).randint(2, 6))]
        server.kill()
        told += [line.decode().strip() for line in server.stdout if line.endswith(b"\n")]
        server.stdout.close()
        server.wait()
    site.fleet.start()
    expected = _expected(model, [f"goal bank {place}" for place in range(999)])
    for job_id in told:
        job = _wait(lambda job_id=job_id: site.jobs.get(job_id), lambda now: now.has_ended)
        assert job.status == "succeeded"
        _check(site.jobs, job, expected)
    _wait_for(lambda: site.jobs.counts()["pending"] + site.jobs.counts()["running"] == 0)
    assert site.jobs.counts()["succeeded"] >= len(told) and site.jobs.counts()["failed"] == 0


def test_jobs_submitted_while_workers_are_killed_at_random_are_done_once(site: Site, model: ModelVersion) -> None:
    chance = random.Random(4)
    texts = _texts(300)
    site.fleet.start(3)
    jobs: list[Job] = []
    for _ in range(JOB_KILLS):
        before = site.jobs.counts()["succeeded"]
        for _ in range(JOB_COUNT // JOB_KILLS):
            jobs.append(site.jobs.submit(Submission(model, texts[: chance.randint(1, 300)])))
        _wait_for(lambda before=before: site.jobs.counts()["succeeded"] > before)
        site.fleet.kill(chance.choice(site.fleet.workers))
        site.fleet.start()
    _wait_for(lambda: site.jobs.counts()["succeeded"] == len(jobs))
    expected = _expected(model, texts)
    for job in jobs:
        _check(site.jobs, job, expected[: job.texts])
    assert site.jobs.counts() == {"pending": 0, "running": 0, "succeeded": len(jobs), "failed": 0, "cancelled": 0}


def test_a_pool_process_that_dies_costs_its_celery_worker_nothing(tmp_path: Path, model: ModelVersion) -> None:
    server = RedisServer(tmp_path).start()
    jobs, fleet = open_jobs(server.url, RULES), Fleet(server.url)
    texts = _texts(JOB_TEXTS // 2)
    fleet.start()
    job = jobs.submit(Submission(model, texts))
    _wait(lambda: jobs.get(job.id), lambda now: now.done > len(texts) * 0.2)
    children = Path(f"/proc/{fleet.workers[0].pid}/task/{fleet.workers[0].pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    done = _wait(lambda: jobs.get(job.id), lambda now: now.has_ended)
    assert done.status == "succeeded"
    _check(jobs, job, _expected(model, texts))
    assert fleet.stop() == [0]
    jobs.close()
    server.stop()


def test_a_killed_server_takes_its_worker_along_and_another_ends_the_job(tmp_path: Path, model: ModelVersion) -> None:
    texts = _texts(JOB_TEXTS * 3)
    with _served(model, tmp_path) as (server, url), Client(url) as client:
        job = client.submit(texts)
        _wait(lambda: client.job(job), lambda now: now.done > len(texts) * 0.1)
        assert client.classify("goal match league").label == "sport"
        server.kill()
        server.wait()
    with _served(model, tmp_path) as (_, url), Client(url) as client:
        answers = client.wait(job, timeout_s=120)
    expected = _expected(model, texts)
    assert [answer.label for answer in answers] == [label for label, _ in expected]
    assert len({answer.id for answer in answers}) == len(texts)


def test_a_server_without_its_redis_refuses_jobs_and_answers_the_rest(tmp_path: Path, model: ModelVersion) -> None:
    url_of_none = RedisServer(tmp_path).url  # never started
    with (
        _served(model, tmp_path, "--jobs", url_of_none) as (_, url),
        Client(url, patience=Patience(deadline_s=3.0)) as client,
    ):
        with pytest.raises(JobsUnavailable, match="Redis"):
            client.submit(["goal"])
        assert client.classify("goal match league").label == "sport"
        assert client.health().alive and client.health().ready


def test_redis_that_hangs_is_given_up_soon(tmp_path: Path) -> None:
    server = RedisServer(tmp_path).start()
    jobs = open_jobs(server.url)
    server.send(signal.SIGSTOP)
    with pytest.raises(JobsUnavailable, match="Timeout reading from socket"):
        jobs.get("0" * 32)
    server.send(signal.SIGCONT)
    with pytest.raises(UnknownJob):
        jobs.get("0" * 32)
    jobs.close()
    server.stop()


@contextmanager
def _served(model: ModelVersion, folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "serve",
        model.path,
        "--port",
        port,
        "--state",
        folder,
        "--log-level",
        "warning",
        "--drain",
        "0",
        *options,
    ]
    server = subprocess.Popen([sys.executable, "-m", "copydesk", *map(str, command)])
    with Client(f"http://127.0.0.1:{port}") as client:
        _wait_for(lambda: client.health().ready)
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(true: Callable[[], bool], most_s: float = 60.0) -> None:
    deadline = time.monotonic() + most_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
