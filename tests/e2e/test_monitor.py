"""`copydesk monitor report` and `watch` as commands, on a bundle and a log as training and serving write them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from typer.testing import CliRunner

from copydesk.cli.main import app
from copydesk.cli.monitor_watch import Options, _watch
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.log_files import LogFiles
from copydesk.monitor.reference import Reference
from copydesk.recipe import parse_recipe
from copydesk.registry.references import opened
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from fakes import toy_rows, write_csv
from receiver import Receiver, receiving

pytestmark = pytest.mark.e2e
_THERE_IN_S = 60.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model of toy headlines with enough test texts for a reference."""
    folder = tmp_path_factory.mktemp("trained")
    return trained(folder, seed=7)


def trained(folder: Path, *, seed: int) -> Path:
    recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}, "prepare": {"split": {"test": 0.4}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        data = write_csv(folder / "toy.csv", toy_rows(900, seed=seed))
        return train_bundle(recipe, data=data, out=folder / "bundle").path


def logged(bundle: Path, log: Path, change: Callable[[str], str] = str, *, minutes: int = 30, seed: int = 1) -> None:
    """Write the answers to 400 texts of the last minutes, as the server does."""
    model = opened(bundle)
    texts = [change(text) for text, _ in toy_rows(400, seed=seed)]
    now, version = datetime.now(UTC), model.digest[:12]
    answers = Classifier.of(model).predict(texts)
    ids = np.random.default_rng(seed).integers(2**62, size=400)
    entries = [
        Entry(
            (now - timedelta(minutes=minutes) * (1 - place / 400)).timestamp(),
            f"{version}.{ids[place]:016x}",
            "toy",
            version,
            text,
            (str(one.label),),
            (float(one.score or 0),),
            float(one.score or 0),
        )
        for place, (text, one) in enumerate(zip(texts, answers, strict=True))
    ]
    rows = table_of(entries, Reference.load(model.layout.reference).vocabulary, kept=str)
    LogFiles(log).write(rows)


def shouted(text: str) -> str:
    return f"{text.upper()} !!! 10/10 #42"


def asked(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["monitor", *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_report_is_a_page_that_opens_from_a_disk_and_the_json_beside_it(
    bundle: Path, tmp_path: Path, browser: Any
) -> None:
    logged(bundle, tmp_path / "log", shouted)
    words = ("report", str(bundle), "--log", str(tmp_path / "log"), "--every", "1h", "--out", str(tmp_path / "out"))
    code, out, _ = asked(*words, "--json")
    printed = json.loads(out)
    assert code == 0 and printed["verdict"]["status"] == "alarm" and printed["own_texts"] == 400
    assert {
        **json.loads((tmp_path / "out" / "monitor.json").read_text("utf-8")),
        "report": printed["report"],
    } == printed
    page, wrong = browser.new_page(viewport={"width": 360, "height": 800}), list[str]()
    page.on("console", lambda message: wrong.append(message.text))
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith("file:") else None)
    page.goto((tmp_path / "out" / "monitor.html").as_uri())
    assert page.locator(".verdict").inner_text().removeprefix("⚠").strip().startswith(printed["verdict"]["sentence"])
    assert page.locator("[data-detector]").count() == len(printed["drift"]["states"])
    assert page.evaluate("document.documentElement.scrollWidth") == 360 and not wrong
    page.close()


def test_in_a_terminal_the_verdict_comes_first_and_the_place_last(bundle: Path, tmp_path: Path) -> None:
    logged(bundle, tmp_path / "log")
    code, out, _ = asked("report", str(bundle), "--log", str(tmp_path / "log"))
    lines = out.strip().splitlines()
    assert code == 0 and lines[0].startswith("✓ Nothing is wrong") and lines[-1] == "report: monitoring/toy-1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("report", "--since", "soon"), "'soon' is no time"),
        (("report", "--log", "nowhere"), "'nowhere' holds no prediction log"),
        (("report", "--set", "monitor.max_age=3"), "max_age_days"),
        (("watch", "--window", "10", "--once"), "--window is 10 texts"),
        (("watch", "--webhook", "file:///etc/passwd", "--once"), "is no address"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(bundle: Path, words: tuple[str, ...], told: str) -> None:
    LogFiles(Path("log")).prepare()
    command, *rest = words
    log = () if "--log" in rest else ("--log", "log")
    code, _, error = asked(command, str(bundle), *log, *rest)
    assert code == 2 and told in error and "Traceback" not in error


def test_once_exits_with_one_where_something_alarms_and_with_nothing_where_nothing_does(
    bundle: Path, tmp_path: Path
) -> None:
    once = ("watch", str(bundle), "--log", str(tmp_path / "log"), "--window", "200", "--once")
    assert asked(*once, "--state", "none") == (0, "nothing alarms\n", "WARNING: there is no log yet\n")
    logged(bundle, tmp_path / "log")
    assert asked(*once, "--state", "calm")[:2] == (0, "nothing alarms\n")
    logged(bundle, tmp_path / "log", shouted, seed=2, minutes=5)
    code, out, _ = asked(*once, "--state", "loud", "--json")
    assert code == 1 and "drift.capitals" in {alarm["rule"] for alarm in json.loads(out)["alarms"]}


def test_the_watch_serves_gauges_tells_a_webhook_once_and_ends_at_once(bundle: Path, tmp_path: Path) -> None:
    logged(bundle, tmp_path / "log", shouted)
    with receiving() as receiver:
        for _ in range(2):  # the second is a restart: nobody is told again
            with watching(bundle, tmp_path, receiver) as (process, url):
                gauges = _until(lambda url=url: _alarming(url))
                assert 'copydesk_monitor_drift{detector="capitals",model="toy"} 1.0' in gauges
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
        told = [json.loads(body) for _, _, body in receiver.came]
    assert told and len({one["id"] for one in told}) == len(told)
    assert all(one["state"] == "begins" and one["text"].startswith("⚠ toy") for one in told)
    lines = [json.loads(line) for line in (tmp_path / "errors").read_text("utf-8").splitlines()]
    assert {"alarm begins", "window judged", "ended"} <= {line["event"] for line in lines}


def test_a_name_that_leads_to_another_model_is_watched_as_that_one(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    link, second = tmp_path / "current", trained(tmp_path / "second", seed=8)
    link.symlink_to(bundle)
    logged(bundle, tmp_path / "log", shouted)
    watch = _watch(Options(str(link), str(tmp_path / "log"), "200", "7d", tmp_path / "state", None, {}))
    before = watch.look(datetime.now(UTC))
    link.unlink()
    assert watch.look(datetime.now(UTC)).version == before.version, "what cannot be found is kept"
    link.symlink_to(second)
    after = watch.look(datetime.now(UTC))
    assert before.alarms and not after.alarms and after.version == opened(second).digest[:12] != before.version


@contextmanager
def watching(bundle: Path, folder: Path, receiver: Receiver) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = ["watch", str(bundle), "--log", "log", "--window", "200", "--every", "0.2", "--port", "0"]
    command = [sys.executable, "-m", "copydesk", "monitor", *words, "--webhook", receiver.url]
    with (
        (folder / "errors").open("a", encoding="utf-8") as errors,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, (folder / "errors").read_text("utf-8")
            yield process, found[0]
        finally:
            process.kill()


def _alarming(url: str) -> str:
    gauges = urlopen(url).read().decode()
    return gauges if re.search(r"copydesk_monitor_alarms\{[^}]*\} [1-9]", gauges) else ""


def _until(look: Callable[[], str]) -> str:
    end = time.monotonic() + _THERE_IN_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("nothing alarmed in time")
