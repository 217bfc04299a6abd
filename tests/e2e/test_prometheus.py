"""Every expression of every rule and panel, asked of a real Prometheus that watches a real server under load."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from copydesk.recipe import parse_recipe
from copydesk.training import train_bundle
from fakes import toy_rows, write_csv
from monitor_gauges import telling
from monitored import DASHBOARDS, DEPLOY, all_rules, asked
from prometheus_server import PrometheusServer, free_port, needed
from promql import selectors, uncompared
from server_process import ServerProcess, server_process

pytestmark = pytest.mark.e2e
_TEXTS = [text for text, _ in toy_rows(64, seed=3)]
_THERE_IN_S = 30.0
_CLIENTS = 12


@dataclass(frozen=True)
class Watched:
    """A Prometheus that has seen all there is to see, and the server it watches."""

    prometheus: PrometheusServer
    server: ServerProcess


@pytest.fixture(scope="module")
def watched(encoder_bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Yield a Prometheus with our configuration, a server under load that went through everything, and the watch."""
    needed()
    folder = tmp_path_factory.mktemp("watched")
    link = folder / "current"
    link.symlink_to(_trained(folder / "first", seed=7))
    second = _trained(folder / "second", seed=8)
    port = free_port()
    options = ("--state", "state", "--shadow", str(encoder_bundles["fp32"]), "--shadow-share", "1")
    with server_process(link, folder, *options) as server, telling(port, "toy", "1"):
        prometheus = PrometheusServer(*_set_up(folder, server.port, port), *_kept()).start()
        ending = threading.Event()
        clients = [threading.Thread(target=_ask, args=(server.url, ending)) for _ in range(_CLIENTS)]
        for client in clients:
            client.start()
        try:
            _go_through_everything(server.url, link, second)
            yield Watched(prometheus, server)
        finally:
            ending.set()
            for client in clients:
                client.join()
            prometheus.stop()


def _trained(folder: Path, *, seed: int) -> Path:
    folder.mkdir()
    recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}, "serve": {"queue_texts": 8}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        data = write_csv(folder / "toy.csv", toy_rows(seed=seed))
        return train_bundle(recipe, data=data, out=folder / "bundle").path


def _set_up(folder: Path, server: int, watch: int) -> tuple[Path, Path]:
    """Copy our configuration with this machine's addresses and seconds for its 15; return it and where data goes."""
    copy = folder / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", copy)
    file = copy / "prometheus.yml"
    text = file.read_text("utf-8")
    for before, after in (
        ("api:8000", f"127.0.0.1:{server}"),
        ("monitor:9464", f"127.0.0.1:{watch}"),
        ("15s", "1s"),
        ("10s", "1s"),
    ):
        assert before in text
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    return file, folder / "data"


def _kept() -> list[str]:
    """Return the options that say how long data is kept, as the compose file has them."""
    compose = yaml.safe_load((DEPLOY / "monitoring.compose.yml").read_text("utf-8"))
    return [option for option in compose["services"]["prometheus"]["command"] if "retention" in option]


def _ask(url: str, ending: threading.Event) -> None:
    """Ask again and again: one text, many at once, wrongly, and with no time to wait."""
    path = f"{url}/v1/classify"
    with httpx.Client(timeout=30) as client:
        place = 0
        while not ending.wait(0.02):
            place += 1
            client.post(path, json={"texts": _TEXTS[place % 50 :][: 1 + place % 8]})
            if place % 5 == 0:
                client.post(path, json={"text": ""})
                client.post(path, json={"text": _TEXTS[0]}, headers={"X-Request-Timeout": "0.000001"})


def _go_through_everything(url: str, link: Path, second: Path) -> None:
    """Run a job, correct a prediction, and change to another version."""
    job = httpx.post(f"{url}/v1/jobs", json={"texts": _TEXTS}).json()["id"]
    _until(lambda: httpx.get(f"{url}/v1/jobs/{job}").status_code == 200)
    assert "ended" in httpx.get(f"{url}/v1/jobs/{job}/events").text
    given = _until(lambda: httpx.post(f"{url}/v1/classify", json={"text": _TEXTS[0]}).json().get("predictions"))[0]
    httpx.post(f"{url}/v1/feedback", json={"id": given["id"], "label": "money"}).raise_for_status()
    before = httpx.get(f"{url}/v1/models").json()["models"][0]["version"]
    new = link.with_name("new")
    new.symlink_to(second)
    os.replace(new, link)
    _until(lambda: httpx.get(f"{url}/v1/models").json()["models"][0]["version"] != before)


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
