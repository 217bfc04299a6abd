"""The log of a real server: whole at an orderly end, and no request fails, whatever becomes of the log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import polars as pl
import pytest

from copydesk.monitor.log import open_log
from copydesk.recipe import parse_recipe
from copydesk.training import train_bundle
from fakes import toy_rows, write_csv
from postgres_server import new_postgres
from redis_server import RedisServer
from server_process import ServerProcess, server_process

pytestmark = pytest.mark.e2e
_TEXTS = [text for text, _ in toy_rows(64, seed=3)]
_CLIENTS = 4


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that logs ten times a second, so that no test has to wait."""
    folder = tmp_path_factory.mktemp("logged")
    log = {"every_seconds": 0.1, "text": "full"}
    recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}, "serve": {"log": log}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        return train_bundle(recipe, data=write_csv(folder / "toy.csv", toy_rows(600)), out=folder / "toy").path


@dataclass
class Load:
    """What clients were answered: how often which status, and the ids of the answers."""

    statuses: Counter[int | str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)


@contextmanager
def load_on(server: ServerProcess) -> Iterator[Load]:
    """Ask with a few clients as long as the block runs."""
    found, stop = Load(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            place = 0
            while not stop.is_set():
                place += 1
                texts = _TEXTS[place % 60 : place % 60 + 1 + place % 3]
                again = {"Connection": "close"} if place % 5 == 0 else {}  # or one worker might have all clients
                try:
                    answer = client.post("/v1/classify", json={"texts": texts}, headers=again)
                except httpx.TransportError as error:
                    found.statuses[type(error).__name__] += 1
                    return
                found.statuses[answer.status_code] += 1
                found.ids += [one["id"] for one in answer.json().get("predictions", [])]

    threads = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def counts(server: ServerProcess) -> Counter[str]:
    """Return what became of answers, by the server's metric."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    mine = [line for line in lines if line.startswith("copydesk_log_entries_total{")]
    return Counter({line.split('"')[1]: int(float(line.split()[-1])) for line in mine})


def until(holds: Callable[[], bool], what: str) -> None:
    ends_at = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < ends_at, f"This did not come about: {what}."
        time.sleep(0.05)


def test_at_an_orderly_end_every_answer_is_in_the_log(bundle: Path, tmp_path: Path) -> None:
    with server_process(bundle, tmp_path, "--log", "log") as server:
        with load_on(server) as load:
            job = httpx.post(f"{server.url}/v1/jobs", json={"texts": _TEXTS[:5]}).json()["id"]
            answer = httpx.get(f"{server.url}/v1/jobs/{job}")
            until(lambda: httpx.get(f"{server.url}/v1/jobs/{job}").status_code == 200, "the job is done")
            answer = httpx.get(f"{server.url}/v1/jobs/{job}").json()
        correction = {"id": load.ids[0], "label": "sport"}
        assert httpx.post(f"{server.url}/v1/feedback", json=correction).status_code == 204
    assert set(load.statuses) == {200}
    log = open_log(str(tmp_path / "log"))
    rows = log.read().collect()
    assert sorted(rows.filter(source="live")["id"]) == sorted(load.ids)
    assert sorted(rows.filter(source="job")["id"]) == sorted(one["id"] for one in answer["predictions"])
    assert rows["text"].null_count() == 0 and rows["vector"].count() > 0
    assert log.corrections().select("id", "labels").rows() == [(load.ids[0], ["sport"])]
    assert len(list((tmp_path / "log").rglob("*.parquet"))) <= 4, "the parts of a process are put together at its end"


def test_a_worker_on_another_machine_logs_what_it_answers_and_all_of_it_at_its_end(
    bundle: Path, tmp_path: Path
) -> None:
    redis = RedisServer(tmp_path).start()
    try:
        with server_process(bundle, tmp_path, "--jobs", redis.url) as server:
            command = [sys.executable, "-m", "copydesk", "worker", "--jobs", redis.url]
            environment = {**os.environ, "COPYDESK_LOG": str(tmp_path / "log"), "OMP_NUM_THREADS": "1"}
            with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as worker:
                job = httpx.post(f"{server.url}/v1/jobs", json={"texts": _TEXTS[:5]}).json()["id"]
                until(lambda: httpx.get(f"{server.url}/v1/jobs/{job}").status_code == 200, "the job is done")
                worker.terminate()
            answer = httpx.get(f"{server.url}/v1/jobs/{job}").json()
    finally:
        redis.stop()
    rows = open_log(str(tmp_path / "log")).read().collect()
    assert sorted(rows["id"]) == sorted(one["id"] for one in answer["predictions"])
    assert rows["source"].unique().to_list() == ["job"]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Yield a file system of 200 kB; skip where none may be mounted."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_fails_no_request_and_is_counted_and_rows_go_on_when_there_is_room(
    bundle: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        filler = disk / "filler"
        filler.write_bytes(b"0" * (196 << 10))
        with server_process(bundle, tmp_path, "--log", str(disk / "log"), "--jobs", "off") as server:
            with load_on(server) as load:
                until(lambda: counts(server)["lost"] > 0, "rows are lost")
            refused = httpx.post(
                f"{server.url}/v1/feedback", json={"id": load.ids[0], "label": "sport", "text": "x" * 9_000}
            )
            assert refused.status_code == 503 and "Come again later" in refused.text
            filler.unlink()
            with load_on(server) as after:
                until(lambda: counts(server)["written"] > 0, "rows are written")
            given = len(load.ids) + len(after.ids)
            until(lambda: counts(server).total() == given, "every answer is accounted for")
            found = counts(server)
            accepted = httpx.post(f"{server.url}/v1/feedback", json={"id": load.ids[0], "label": "sport"})
            assert accepted.status_code == 204
        assert set(load.statuses) == set(after.statuses) == {200}
        log = open_log(str(disk / "log"))
        assert log.read().collect().height == found["written"]
        assert log.corrections().height == 1
        assert server.log.read_text().count("rows cannot be written and wait") == 1


def test_a_database_that_is_away_killed_and_back_fails_no_request(bundle: Path, tmp_path: Path) -> None:
    with new_postgres() as database:
        with server_process(bundle, tmp_path, "--log", database.url, "--jobs", "off") as server:
            assert "cannot be written now" in server.log.read_text()
            with load_on(server) as load:
                until(lambda: len(load.ids) > 50, "texts are answered without the database")
                database.start()
                until(lambda: counts(server)["written"] > 0, "the database comes and rows are written")
                database.kill()
                until(lambda: "rows cannot be written" in server.log.read_text()[-600:], "its end is noticed")
                before = counts(server)["written"]
                database.start()
                until(lambda: counts(server)["written"] > before, "rows are written again")
            until(lambda: counts(server).total() == len(load.ids), "every answer is accounted for")
            found = counts(server)
            assert (
                httpx.post(f"{server.url}/v1/feedback", json={"id": load.ids[0], "label": "sport"}).status_code == 204
            )
        assert set(load.statuses) == {200}
        log = open_log(database.url)
        kept = log.read().select("id").collect()["id"]
        assert set(kept) <= set(load.ids) and kept.n_unique() >= found["written"]
        assert log.corrections()["id"].to_list() == [load.ids[0]]


def test_killed_workers_leave_files_that_any_tool_reads(bundle: Path, tmp_path: Path) -> None:
    command_line = ("--log", "log", "--jobs", "off", "--workers", "2")
    killed: list[int] = []
    with pytest.raises(AssertionError), server_process(bundle, tmp_path, *command_line) as server:
        with load_on(server):
            until(
                lambda: len({file.stem.split("-")[0] for file in (tmp_path / "log").rglob("*.parquet")}) > 1,
                "both write",
            )
            children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
            for process in [server.process.pid, *map(int, children)]:
                os.kill(process, signal.SIGKILL)
                killed.append(process)
            until(lambda: server.process.poll() is not None, "it is dead")
    assert len(killed) >= 3
    rows = pl.read_parquet(tmp_path / "log" / "**" / "*.parquet")
    assert rows.height > 0 and rows["id"].n_unique() == rows.height
    assert rows.height == open_log(str(tmp_path / "log")).read().collect().height


def test_a_log_that_cannot_be_written_at_all_is_told_at_the_start(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with server_process(bundle, tmp_path, "--log", "file/log", "--jobs", "off") as server:
        with load_on(server) as load:
            until(lambda: len(load.ids) > 20, "texts are answered")
        assert "The prediction log at file/log cannot be written now" in " ".join(server.log.read_text().split())
    assert set(load.statuses) == {200}
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert sum("cannot be written and wait" in line["event"] for line in lines) == 1
