"""The server as its users have it: processes that are told to end, killed, and given another version under load."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from copydesk.recipe import parse_recipe
from copydesk.training import train_bundle
from fakes import toy_rows, write_csv

pytestmark = pytest.mark.e2e
CLIENTS = 32
_TEXTS = [text for text, _ in toy_rows(64, seed=3)]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two bundles of the same texts, one with English and one with Spanish labels."""
    folder = tmp_path_factory.mktemp("served")
    spanish = {"sport": "deporte", "money": "dinero"}
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        for name, rows in (("en", toy_rows()), ("es", [(text, spanish[label]) for text, label in toy_rows()])):
            recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}})
            made[name] = train_bundle(recipe, data=write_csv(folder / f"{name}.csv", rows), out=folder / name).path
    return made


@dataclass
class Server:
    """A running server: its address, its process, and its log so far."""

    url: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def logged(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in found if line["event"] == event]


@contextmanager
def _server(model: Path, *options: object) -> Iterator[Server]:
    command = [sys.executable, "-m", "copydesk", "serve", model, "--port", 0, *options]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen(list(map(str, command)), **pipes) as process:
        assert process.stdout is not None and process.stderr is not None
        said = process.stdout.readline()
        assert said.startswith("serving: "), process.stderr.read()
        server = Server(said.split()[1], process)
        reader = threading.Thread(target=lambda: server.lines.extend(process.stderr or ()))
        reader.start()
        try:
            _until_ready(server)
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)
            reader.join()


def _until_ready(server: Server) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("\n".join(server.lines))


@dataclass
class Told:
    """What the clients of a load were told."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


async def _load(url: str, told: Told, stop: asyncio.Event) -> None:
    """Ask with many clients, each again as soon as it has its answer, until told to stop or the server is gone."""

    async def ask(client: httpx.AsyncClient) -> None:
        place = 0
        while not stop.is_set():
            place += 1
            texts = [_TEXTS[(place + offset) % len(_TEXTS)] for offset in range(1 + place % 4)]
            try:
                answer = await client.post(f"{url}/v1/classify", json={"texts": texts})
            except httpx.TransportError as error:
                told.others[type(error).__name__] += 1
                return
            if answer.status_code == 200:
                told.answers.append(answer.json())
            else:
                told.others[str(answer.status_code)] += 1

    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=CLIENTS)) as client:
        await asyncio.gather(*(ask(client) for _ in range(CLIENTS)))


def test_under_load_a_version_follows_another_without_a_failed_or_mixed_answer(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    link = tmp_path / "current"
    link.symlink_to(bundles["en"])
    told = Told()

    async def scenario(url: str) -> None:
        stop = asyncio.Event()
        load = asyncio.create_task(_load(url, told, stop))
        for name in ("es", "en", "es"):
            await asyncio.sleep(3)
            new = tmp_path / "new"
            new.symlink_to(bundles[name])
            os.replace(new, link)
        await asyncio.sleep(3)
        stop.set()
        await load

    with _server(link, "--jobs", "off") as server:
        asyncio.run(scenario(server.url))
        assert len(server.logged("swapped")) == 3
    assert not told.others
    labels: dict[str, set[str]] = {}
    for answer in told.answers:
        version = answer["model"]["version"]
        assert {one["id"].partition(".")[0] for one in answer["predictions"]} == {version}
        labels.setdefault(version, set()).update(one["label"] for one in answer["predictions"])
    assert sorted(map(sorted, labels.values())) == [["deporte", "dinero"], ["money", "sport"]]


@pytest.mark.parametrize("workers", [1, 2])
def test_told_to_end_under_load_it_answers_all_it_accepted(bundles: dict[str, Path], workers: int) -> None:
    told = Told()
    unready: list[int] = []

    async def scenario(server: Server) -> None:
        stop = asyncio.Event()
        load = asyncio.create_task(_load(server.url, told, stop))
        await asyncio.sleep(2)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.8)
        async with httpx.AsyncClient() as client:
            unready.append((await client.get(f"{server.url}/readyz")).status_code)
        await asyncio.wait_for(load, 60)

    with _server(bundles["en"], "--jobs", "off", "--workers", workers, "--drain", 2) as server:
        asyncio.run(scenario(server))
        assert server.process.wait(30) == 0
    assert unready == [503]
    accepted = [line for line in server.logged("request") if line["path"] == "/v1/classify"]
    assert {line["status"] for line in accepted} == {200}
    assert len(accepted) == len(told.answers) > 100
    assert set(told.others) <= {"ConnectError", "ReadError", "RemoteProtocolError"}  # of those that were not accepted


def _children(process: subprocess.Popen[str]) -> list[int]:
    """Return the ids of the server's worker processes."""
    tasks = Path(f"/proc/{process.pid}/task")
    found = [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]
    return [child for child in found if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def test_several_workers_count_as_one_and_a_killed_one_is_replaced(bundles: dict[str, Path]) -> None:
    def ask(times: int) -> None:
        for _ in range(times):
            assert httpx.post(f"{server.url}/v1/classify", json={"text": "the bank"}).status_code == 200

    def counted() -> float:
        page = httpx.get(f"{server.url}/metrics").text
        wanted = 'copydesk_http_requests_total{method="POST",route="/v1/classify",status="200"} '
        return sum(float(line.removeprefix(wanted)) for line in page.splitlines() if line.startswith(wanted))

    with _server(bundles["en"], "--jobs", "off", "--workers", 2) as server:
        ask(40)
        assert {counted() for _ in range(8)} == {40}
        first = _children(server.process)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        deadline = time.monotonic() + 60
        while set(_children(server.process)) <= set(first) and time.monotonic() < deadline:
            time.sleep(0.1)
        _until_ready(server)
        ask(10)
        assert counted() == 50


def test_workers_whose_server_was_killed_leave_the_port(bundles: dict[str, Path]) -> None:
    with _server(bundles["en"], "--jobs", "off", "--workers", 2) as server:
        workers = _children(server.process)
        assert len(workers) == 2
        server.process.kill()
        deadline = time.monotonic() + 60
        while any(map(_lives, workers)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/healthz")


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_jobs_go_on_after_the_server_and_its_worker_were_killed(bundles: dict[str, Path], tmp_path: Path) -> None:
    texts = [f"{text} {number}" for number in range(300) for text in _TEXTS]
    state = tmp_path / "state"
    with _server(bundles["en"], "--state", state) as server:
        made = httpx.post(f"{server.url}/v1/jobs", json={"texts": texts}, timeout=30).json()
        url = f"/v1/jobs/{made['id']}"
        while httpx.get(f"{server.url}{url}").json()["done"] == 0:
            time.sleep(0.05)
        server.process.kill()
    with _server(bundles["en"], "--state", state) as server:
        deadline = time.monotonic() + 120
        while (answer := httpx.get(f"{server.url}{url}", timeout=30)).status_code == 202:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        found = answer.json()["predictions"]
        assert len(found) == len(texts) and len({one["id"] for one in found}) == len(texts)
        direct = httpx.post(f"{server.url}/v1/classify", json={"texts": texts[:200]}, timeout=30).json()["predictions"]
    assert [one["label"] for one in found[:200]] == [one["label"] for one in direct]


def test_wrong_usage_is_told_in_a_line_before_anything_starts(bundles: dict[str, Path], tmp_path: Path) -> None:
    def said(*options: object) -> tuple[int, str]:
        command = [sys.executable, "-m", "copydesk", "serve", *map(str, options)]
        environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
        return done.returncode, done.stderr

    assert said(tmp_path / "none") == (2, f"copydesk: Bundle '{tmp_path / 'none'}' does not exist.\n")
    with _server(bundles["en"], "--jobs", "off") as server:
        code, message = said(bundles["en"], "--port", server.url.rpartition(":")[2])
        assert code == 2 and "cannot be had" in message and message.count("\n") == 1
    code, message = said(bundles["en"], "--log-level", "loud")
    assert code == 2 and "loud" in message
    code, message = said(bundles["en"], "--api-keys", tmp_path / "keys")
    assert code == 2 and "API keys cannot be read" in message
    code, message = said(bundles["en"], "--jobs", "mysql://x")
    assert code == 2 and "is no job store" in message
