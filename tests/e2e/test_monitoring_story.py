"""The life of a deployed model: it drifts, is noticed, reviewed, trained anew, promoted, swapped in, quiet again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from copydesk.cli.main import app
from copydesk.review.session import open_session
from fakes import COMMON, toy_rows, write_csv
from monitored import DEPLOY
from prometheus_server import PrometheusServer, free_port, needed
from server_process import ServerProcess, server_process

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
RECIPE = """
name: toy
source: {url: toy.csv}
model: {kind: linear}
prepare: {split: {validation: 0.1, test: 0.3}}
gate: {against_production: {require: better}, max_drops: {calibration: 1, slice_accuracy: 1}}
serve: {log: {text: full, measured_per_second: 100000}}
monitor: {alarm_after: 1, alarm_of: 1}
"""
NEW = {
    "sport": ("padel", "parkour", "drone", "racing", "esports", "bouldering", "slackline", "freeride"),
    "money": ("stablecoin", "tokens", "neobank", "wallet", "staking", "airdrop", "crypto", "ledger"),
}
"""Words of matters that nobody wrote of when the model was made."""
WINDOW = 400


def new_matters(count: int, seed: int) -> list[tuple[str, str]]:
    """Return texts with the same labels, in other words."""
    chance = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < count:
        label = ("sport", "money")[len(rows) % 2]
        words = [*chance.sample(NEW[label], 3), *chance.choices(COMMON, k=chance.randint(4, 9))]
        chance.shuffle(words)
        rows.setdefault(" ".join(words), label)
    return list(rows.items())


def _copydesk(*words: str) -> dict[str, Any]:
    """Run a command, and return what it prints as JSON."""
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def _watching(port: int, folder: Path) -> Iterator[None]:
    """Run `copydesk monitor watch`; told to end with the block, it must do so in order."""
    words = ("monitor", "watch", "models:/toy@production", "--log", "log", "--every", "1", "--port", str(port))
    log = folder / "watch.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "copydesk", *words, "--window", str(WINDOW)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()[-3_000:]
    finally:
        process.kill()
        process.wait()


def _at_once(folder: Path, server: int, watch: int) -> Path:
    """Return our Prometheus configuration with this machine's addresses, looking each second, waiting for nothing."""
    copy = folder / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", copy)
    file = copy / "prometheus.yml"
    text = file.read_text("utf-8").replace("15s", "1s").replace("10s", "1s")
    text = text.replace("api:8000", f"127.0.0.1:{server}").replace("monitor:9464", f"127.0.0.1:{watch}")
    file.write_text(text, encoding="utf-8")
    for rules in (copy / "rules").glob("*.yml"):
        groups = yaml.safe_load(rules.read_text("utf-8"))
        for rule in (rule for group in groups["groups"] for rule in group["rules"] if "alert" in rule):
            rule["for"] = "1s"
        rules.write_text(yaml.safe_dump(groups), encoding="utf-8")
    return file


def _firing(prometheus: PrometheusServer) -> set[str]:
    """Return the alerts about the model that fire."""
    alerts = prometheus.ask("alerts")["alerts"]
    return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"} & {
        "CopydeskDrift",
        "CopydeskAccuracyLow",
        "CopydeskExpectedAccuracyLow",
        "CopydeskLabelShareMoved",
    }


def _until(holds: Callable[[], Any], told: Callable[[], object], seconds: float = 60) -> Any:
    """Return the first true value of a call that is made again and again."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.2)
    return found


def _version(server: ServerProcess) -> str:
    return str(httpx.get(f"{server.url}/v1/models").json()["models"][0]["version"])


def _ask(server: ServerProcess, rows: dict[str, str]) -> float:
    """Ask for all texts, and return the share of right answers."""
    texts, right = list(rows), 0
    for place in range(0, len(texts), 20):
        part = texts[place : place + 20]
        answer = httpx.post(f"{server.url}/v1/classify", json={"texts": part}).json()
        found = [one["label"] for one in answer["predictions"]]
        right += sum(rows[text] == label for text, label in zip(part, found, strict=True))
    return right / len(texts)


def _reviewed(truth: dict[str, str], *choice: str) -> str:
    """Have texts chosen, decide on them as the review page does, and tell the log; return the review file."""
    queue = _copydesk("monitor", "queue", "models:/toy@production", "--log", "log", *choice)
    with open_session(Path(queue["review"])) as session:
        for place, item in enumerate(session.items):
            label, seen = truth[item.text], session.seen(place).revision
            if label == item.label:
                session.decide(place, "keep", None, seen=seen)
            else:
                session.decide(place, "change", label, seen=seen)
    told = _copydesk("monitor", "feedback", queue["review"], "--log", "log")
    assert told["joined"] == queue["texts"] == int(choice[1])
    return str(queue["review"])


def test_a_model_that_has_become_wrong_is_noticed_taught_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'registry.db'}")
    write_csv(Path("toy.csv"), toy_rows(1_500))
    Path("recipe.yaml").write_text(RECIPE)
    _copydesk("register", _copydesk("run", "recipe.yaml")["bundle"], "--alias", "staging")
    assert _copydesk("promote", "toy")["action"] == "promoted"

    gauges = free_port()
    with (
        server_process(Path("models:/toy@production"), tmp_path, "--log", "log") as server,
        _watching(gauges, tmp_path),
    ):
        prometheus = PrometheusServer(_at_once(tmp_path, server.port, gauges), tmp_path / "data").start()

        def told() -> object:
            logs = (tmp_path / "watch.log").read_text()[-2_000:], server.log.read_text()[-2_000:]
            return _firing(prometheus), prometheus.query('{__name__=~"copydesk_monitor_.+"}'), *logs

        def is_calm() -> bool:
            """Tell whether windows of the present version have been judged, and nothing speaks for an alarm."""
            drift = prometheus.query("copydesk_monitor_drift")
            return bool(drift) and all(float(one["value"][1]) == 0 for one in drift) and not _firing(prometheus)

        try:
            assert _ask(server, dict(toy_rows(1_500 + WINDOW)[1_500:])) > 0.95
            _until(is_calm, told)

            changed_at = datetime.now(UTC).isoformat()
            strange = dict(new_matters(WINDOW, seed=1))
            assert _ask(server, strange) < 0.8
            _until(lambda: "CopydeskDrift" in _firing(prometheus), told)

            reviewed = _reviewed(strange, "--limit", "200", "--random", "0.4", "--since", changed_at)
            _until(lambda: "CopydeskAccuracyLow" in _firing(prometheus), told)
            done = _copydesk("retrain", "recipe.yaml", "--review", reviewed, "--log", "log", "--recent", changed_at)
            assert (done["reference"], done["aliases"]) == ("models:/toy/2", ["staging"])
            assert "CopydeskDrift" in _firing(prometheus)
            assert _copydesk("promote", "toy")["why"] == "better"

            _until(lambda: _version(server) == "2", told)
            swapped_at = datetime.now(UTC).isoformat()
            later = dict(new_matters(2 * WINDOW, seed=2))
            assert _ask(server, later) > 0.95
            _until(lambda: prometheus.query('copydesk_monitor_model_age_seconds{version="2"}'), told)
            _until(is_calm, told)
            _reviewed(later, "--limit", "100", "--random", "1", "--since", swapped_at)
            _until(lambda: prometheus.query('copydesk_monitor_accuracy{version="2"} > 0.95'), told)
            assert is_calm(), told()
        finally:
            prometheus.stop()
