"""Every expression of every rule and panel, asked of a real Prometheus that watches a real server under load."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import copydesk
from copydesk.errors import UsageError
from copydesk.monitor.log import Log, open_log
from copydesk.recipe import parse_recipe
from copydesk.training import train_bundle
from fakes import tiny_recipe, toy_rows, write_csv
from monitored import DASHBOARDS, DEPLOY, all_rules, asked
from prometheus_server import PrometheusServer, free_port, needed
from promql import selectors, uncompared
from server_process import ServerProcess, server_process

pytestmark = pytest.mark.e2e
_TEXTS = [text for text, _ in toy_rows(2_000, seed=3)]  # of fewer than 100 different ones no drift is judged
_THERE_IN_S = 60.0
_CLIENTS = 6
_ROWS = 720
"""A tenth of them are test texts, and of fewer than 50 a bundle keeps no reference."""


@dataclass(frozen=True)
class Watched:
    """A Prometheus that has seen all there is to see, and the server it watches."""

    prometheus: PrometheusServer
    server: ServerProcess


@pytest.fixture(scope="module")
def watched(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Yield a Prometheus with our configuration, a server under load that went through everything, and the watch."""
    needed()
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        patch.setenv("COPYDESK_CACHE", str(folder / "cache"))
        first = _trained(folder / "first", {"model": {"kind": "linear"}})
        second = _trained(folder / "second", _encoder(tiny_encoder))
    link, log, port = folder / "current", folder / "log", free_port()
    link.symlink_to(first)
    options = ("--state", "state", "--log", str(log), "--shadow", str(second), "--shadow-share", "1")
    with server_process(link, folder, *options) as server, _watch(link, log, port):
        own = free_port()
        configuration = _set_up(folder / "prometheus", server.port, port, own)
        prometheus = PrometheusServer(configuration, folder / "data", *_kept(), port=own).start()
        try:
            with _load(server.url):
                _change_version(server.url, link, second)
                _go_through_everything(server.url, log)
                yield Watched(prometheus, server)
        finally:
            prometheus.stop()


def _encoder(tiny: Path) -> dict[str, Any]:
    """Return a recipe whose encoder is exported: it pads, as the linear model does not."""
    recipe = tiny_recipe(tiny).model_dump(mode="json", exclude_unset=True)
    return recipe | {"runtime": {"precision": "fp32"}}


def _trained(folder: Path, recipe: dict[str, Any]) -> Path:
    """Train a bundle whose server refuses more than a few texts at a time."""
    folder.mkdir()
    data = write_csv(folder / "toy.csv", toy_rows(_ROWS))
    whole = parse_recipe({**recipe, "name": "toy", "serve": {"queue_texts": 8}})
    return train_bundle(whole, data=data, out=folder / "bundle").path


@contextmanager
def _watch(model: Path, log: Path, port: int) -> Iterator[None]:
    """Run `copydesk monitor watch` on windows of 200 texts, looking every two seconds."""
    command = f"-m copydesk monitor watch {model} --log {log} --port {port} --window 200 --every 2 --quiet"
    environment = {**os.environ, "PYTHONPATH": str(Path(copydesk.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    told = model.with_name("watch.log")
    with told.open("wb") as file:
        arguments = [sys.executable, *command.split()]
        process = subprocess.Popen(arguments, cwd=model.parent, env=environment, stdout=file, stderr=file)
    try:
        yield
        process.terminate()
        assert process.wait(30) == 0, told.read_text()[-2_000:]
    finally:
        process.kill()
        process.wait()


def _set_up(folder: Path, server: int, watch: int, own: int) -> Path:
    """Copy our configuration with this machine's ports, and two seconds for its fifteen; return its file."""
    shutil.copytree(DEPLOY / "prometheus", folder)
    file = folder / "prometheus.yml"
    text = file.read_text("utf-8")
    for before, after in (
        ("api:8000", f"127.0.0.1:{server}"),
        ("monitor:9464", f"127.0.0.1:{watch}"),
        ("localhost:9090", f"127.0.0.1:{own}"),
        ("15s", "2s"),
        ("10s", "2s"),
    ):
        assert before in text
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    return file


def _kept() -> list[str]:
    """Return the options that say how long data is kept, as the compose file has them."""
    compose = yaml.safe_load((DEPLOY / "monitoring.compose.yml").read_text("utf-8"))
    return [option for option in compose["services"]["prometheus"]["command"] if "retention" in option]


def _ask(url: str, ending: threading.Event, seed: int) -> None:
    """Ask again and again: one text, many at once, wrongly, and with no time to wait."""
    path, chance = f"{url}/v1/classify", random.Random(seed)
    with httpx.Client(timeout=30) as client:
        place = 0
        while not ending.wait(0.04):
            place += 1
            client.post(path, json={"texts": chance.sample(_TEXTS, 1 + place % 8)})
            if place % 5 == 0:
                client.post(path, json={"text": ""})
                client.post(path, json={"text": _TEXTS[0]}, headers={"X-Request-Timeout": "0.000001"})


@contextmanager
def _load(url: str) -> Iterator[None]:
    """Let clients ask while the block lasts."""
    ending = threading.Event()
    clients = [threading.Thread(target=_ask, args=(url, ending, seed)) for seed in range(_CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        ending.set()
        for client in clients:
            client.join()


def _change_version(url: str, link: Path, bundle: Path) -> None:
    """Let the served name lead to another bundle, and wait until that answers."""
    before = _version(url)
    new = link.with_name("new")
    new.symlink_to(bundle)
    os.replace(new, link)
    _until(lambda: _version(url) != before)


def _version(url: str) -> str:
    return str(httpx.get(f"{url}/v1/models").json()["models"][0]["version"])


def _go_through_everything(url: str, log: Path) -> None:
    """Run a job, send a correction, and say of texts that were drawn from the log which answers were right."""
    job = httpx.post(f"{url}/v1/jobs", json={"texts": _TEXTS[:64]}).json()["id"]
    _until(lambda: httpx.get(f"{url}/v1/jobs/{job}").status_code == 200)
    assert "ended" in httpx.get(f"{url}/v1/jobs/{job}/events").text
    opened, version = open_log(str(log)), _version(url)
    rows = _until(lambda: _logged(opened, version))
    at = datetime.now(UTC).isoformat()
    opened.correct([{"at": at, "id": name, "label": "money", "weight": 1.0} for name in rows])
    opened.close()
    httpx.post(f"{url}/v1/feedback", json={"id": rows[0], "label": "sport"}).raise_for_status()


def _logged(log: Log, version: str) -> list[str]:
    """Return the ids of some answers of a version, once it has enough of them for a window."""
    try:
        rows = log.read().filter(version=version, source="live").select("id").collect()
    except UsageError:  # no log yet
        return []
    return rows["id"].head(50).to_list() if rows.height >= 250 else []


def _until(there: Callable[[], Any]) -> Any:
    """Return the first true value of a call that is made again and again."""
    deadline = time.monotonic() + _THERE_IN_S
    while not (found := there()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def troubles(prometheus: PrometheusServer, expression: str) -> list[str]:
    """Return what is wrong with an expression: an error, no series for a part of it, nothing but what is no number."""
    try:
        parts = [str(selector) for selector in selectors(expression)]
        return [f"empty: {part}" for part in (*parts, expression) if not prometheus.query(part)]
    except ValueError as error:
        return [str(error)]


def _all_troubles(prometheus: PrometheusServer, expressions: dict[str, str]) -> dict[str, list[str]]:
    """Return what is wrong once everything has been read often enough for a rate: until then it is asked again."""
    wrong = {name: ["not asked"] for name in expressions}
    deadline = time.monotonic() + _THERE_IN_S
    while wrong and time.monotonic() < deadline:
        found = {name: troubles(prometheus, expressions[name]) for name in wrong}
        wrong = {name: trouble for name, trouble in found.items() if trouble}
        time.sleep(0.5 if wrong else 0)
    return wrong


def test_every_panel_of_every_dashboard_shows_something(watched: Watched) -> None:
    for file in DASHBOARDS:
        expressions = dict(asked(file))
        assert len(expressions) > 20
        assert not _all_troubles(watched.prometheus, expressions), file.name


def test_every_rule_reads_series_that_are_there(watched: Watched) -> None:
    expressions = {rule.get("alert") or rule["record"]: uncompared(rule["expr"]) for rule in all_rules()}
    assert not _all_troubles(watched.prometheus, expressions)


def test_prometheus_itself_finds_no_fault_with_rules_and_targets(watched: Watched) -> None:
    groups = _until(lambda: _evaluated(watched.prometheus))
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(all_rules())
    assert {rule["health"] for rule in rules} == {"ok"}, [rule["lastError"] for rule in rules if "lastError" in rule]
    targets = watched.prometheus.ask("targets")["activeTargets"]
    assert {target["labels"]["job"]: target["health"] for target in targets} == {
        "copydesk": "up",
        "copydesk-monitor": "up",
        "prometheus": "up",
    }


def _evaluated(prometheus: PrometheusServer) -> list[dict[str, Any]]:
    """Return the groups of rules once each has been evaluated."""
    groups: list[dict[str, Any]] = prometheus.ask("rules")["groups"]
    return groups if all(rule["health"] != "unknown" for group in groups for rule in group["rules"]) else []


@pytest.mark.parametrize(
    ("before", "after", "trouble"),
    [
        ("copydesk_stage_seconds", "copydesk_stage_second", "empty"),
        ('stage="queue"', 'stage="queues"', "empty"),
        ('stage="queue"', 'step="queue"', "empty"),
        ("[5m]", "", "error"),
        ("sum by", "sum of", "error"),
    ],
)
def test_an_expression_that_is_mistaken_is_found(watched: Watched, before: str, after: str, trouble: str) -> None:
    (rule,) = [rule for rule in all_rules() if rule.get("record") == "copydesk:queue_seconds:p90_5m"]
    assert not _all_troubles(watched.prometheus, {"sound": rule["expr"]})
    assert before in rule["expr"]
    found = troubles(watched.prometheus, rule["expr"].replace(before, after))
    assert found and all(trouble in one or "bad_data" in one for one in found)


def test_what_prometheus_has_seen_survives_its_death(watched: Watched) -> None:
    counted = 'sum(copydesk_http_requests_total{route="/v1/classify"})'
    then = time.time()
    (before,) = _until(lambda: watched.prometheus.query(counted, at=then))
    watched.prometheus.stop(signal.SIGKILL)
    watched.prometheus.start()
    (after,) = watched.prometheus.query(counted, at=then)
    assert after == before
