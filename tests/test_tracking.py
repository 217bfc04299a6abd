"""Runs on record: what is recorded, that it arrives in a real MLflow and W&B, and that trouble never reaches a run."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from copydesk.errors import DataError, Terminated
from copydesk.recipe import Recipe, override, parse_recipe
from copydesk.tracking import follow
from copydesk.tracking.backends import Guarded
from copydesk.tracking.follow import Recorder, environment_tags, tracked, wanted
from copydesk.tracking.record import (
    Closing,
    Opening,
    Point,
    chosen_params,
    point_of,
    recipe_params,
    report_metrics,
)
from copydesk.tracking.sidecar import batches, git_facts, serve
from copydesk.training import train_bundle
from copydesk.types import Calibration, Report, Step
from fakes import Listener, toy_rows, write_csv

OPENING = Opening("toy", "toy-1", "0" * 64, {"model.kind": "linear"}, {"python": "3"})
REPORT = Report(
    task="single",
    model="linear",
    n=3,
    metrics={"accuracy": 0.5, "macro_f1": float("nan")},
    intervals={},
    per_label={},
    slices=[],
    calibration=Calibration(0.1, 0.2),
    confusion=None,
    mistakes=[],
    latency_ms={"p50": 1.5},
    costs={"train_seconds": 2.0},
    baseline={"model": "linear", "accuracy": 0.4},
    training={"choices": {"learning_rate": 0.0002, "epochs": 3.0, "warmup": 0.1}, "processor": "abacus"},
)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COPYDESK_TRACKING")
    for name in ("MLFLOW_TRACKING_URI", "WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)


class Remembering:
    """A tracker that remembers what it was given, or refuses."""

    def __init__(self, *failing: str) -> None:
        self.failing, self.calls, self.points = failing, [], []  # type: ignore[var-annotated]

    def _called(self, name: str, value: Any) -> None:
        self.calls.append((name, value))
        if name in self.failing:
            raise RuntimeError(f"no {name}\nand more")

    def open(self, opening: Opening) -> str:
        self._called("open", opening)
        return "a notebook"

    def log(self, points: Sequence[Point]) -> None:
        self.points.append([point.step for point in points])
        self._called("log", points)

    def close(self, closing: Closing) -> None:
        self._called("close", closing.status)


def _serve(tracker: Remembering, *batches: list[dict[str, Any]]) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    serve(batches, lambda kind, line: told.append((kind, line)), {"fake": lambda: tracker})
    return told


def _open() -> dict[str, Any]:
    return {"open": {"experiment": "toy", "name": "toy-1", "data": "0"}, "trackers": ["fake"]}


def _point(step: int) -> dict[str, Any]:
    return {"point": {"step": step, "time_ms": 1, "values": {"curve/loss": 1.0}}}


def test_a_recipe_becomes_dotted_parameters_without_what_is_not_chosen_yet() -> None:
    params = recipe_params(parse_recipe({"name": "toy", "train": {"epochs": 3}, "gate": {"floors": {"accuracy": 0.9}}}))
    assert params["train.epochs"] == "3.0"
    assert params["text"] == '["text"]'
    assert params["gate.floors.accuracy"] == "0.9"
    assert "train.learning_rate" not in params and "auto" not in params.values()


def test_what_auto_chose_stands_under_the_recipes_own_keys() -> None:
    recipe = parse_recipe({"name": "toy", "train": {"epochs": 3}})
    chosen = chosen_params(recipe, REPORT.training)
    assert chosen == {"train.learning_rate": "0.0002", "train.warmup": "0.1", "train.chosen": "learning_rate, warmup"}
    assert chosen_params(recipe, {"features": {}}) == {}


def test_passwords_and_signatures_in_addresses_are_not_recorded() -> None:
    url = "https://me:secret@example.com/a.csv?X-Amz-Signature=abc"
    source = recipe_params(parse_recipe({"name": "toy", "source": {"url": url}}))["source"]
    assert "https://example.com/a.csv" in source
    assert "secret" not in source and "Signature" not in source


def test_the_reports_numbers_are_grouped_and_what_is_no_number_is_left_out() -> None:
    assert report_metrics(REPORT) == {
        "test/accuracy": 0.5,
        "calibration/ece": 0.1,
        "calibration/brier": 0.2,
        "latency_ms/p50": 1.5,
        "cost/train_seconds": 2.0,
        "baseline/accuracy": 0.4,
    }


def test_a_step_is_recorded_with_what_was_measured_there() -> None:
    point = point_of(Step(7, 0.5, 100, validation_quality=0.9), 1_000)
    assert point == Point(7, 1_000, {"curve/validation_quality": 0.9, "curve/epoch": 0.5})


def test_points_that_came_together_are_logged_together() -> None:
    tracker = Remembering()
    told = _serve(tracker, [_open(), _point(1), _point(2)], [_point(3), {"close": {"status": "FINISHED"}}])
    assert tracker.points == [[1, 2], [3]]
    assert tracker.calls[-1] == ("close", "FINISHED")
    assert told == [("say", "tracked in a notebook")]


def test_a_run_whose_end_is_never_told_was_killed() -> None:
    tracker = Remembering()
    _serve(tracker, [_open(), _point(1)])
    assert tracker.calls[-1] == ("close", "KILLED")


def test_a_tracker_that_raises_everywhere_is_told_of_once() -> None:
    tracker = Remembering("open", "log", "close")
    told = _serve(tracker, [_open(), _point(1), _point(2), {"close": {"status": "FINISHED"}}])
    assert told == [("warn", "The run is not (fully) tracked in fake: RuntimeError: no open")]
    assert [name for name, _ in tracker.calls] == ["open"]


def test_a_record_that_was_begun_is_ended_even_after_trouble() -> None:
    tracker = Remembering("log", "close")
    told = _serve(tracker, [_open(), _point(1)], [_point(2)], [{"close": {"status": "FAILED"}}])
    assert [name for name, _ in tracker.calls] == ["open", "log", "close"]
    assert len([line for kind, line in told if kind == "warn"]) == 1


def test_long_reasons_are_cut() -> None:
    told: list[str] = []

    class Wordy(Remembering):
        def open(self, opening: Opening) -> str:
            raise RuntimeError("x" * 1_000)

    Guarded("fake", Wordy(), lambda kind, line: told.append(line)).open(OPENING)
    assert len(told[0]) < 400


@pytest.mark.parametrize(
    ("recipe", "environ", "expected"),
    [
        ({}, {}, ["mlflow"]),
        ({}, {"COPYDESK_TRACKING": "off", "MLFLOW_TRACKING_URI": "http://x"}, []),
        ({}, {"RANK": "1"}, []),
        ({}, {"RANK": "0"}, ["mlflow"]),
        ({}, {"WANDB_API_KEY": "k"}, ["mlflow", "wandb"]),
        ({}, {"WANDB_MODE": "offline"}, ["mlflow", "wandb"]),
        ({}, {"WANDB_API_KEY": "k", "WANDB_MODE": "disabled"}, ["mlflow"]),
        ({"mlflow": False}, {"WANDB_MODE": "offline"}, ["wandb"]),
        ({"mlflow": False, "wandb": False}, {"WANDB_API_KEY": "k"}, []),
    ],
)
def test_recipe_and_environment_say_where_a_run_is_tracked(
    recipe: dict[str, bool], environ: dict[str, str], expected: list[str]
) -> None:
    listener = Listener()
    assert wanted(parse_recipe({"name": "toy", "track": recipe}), environ, listener) == expected
    assert listener.warned == []


def test_a_missing_package_is_told_of_only_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_version", lambda distribution: None)
    silent, told = Listener(), Listener()
    recipe = parse_recipe({"name": "toy"})
    assert wanted(recipe, {}, silent) == [] and silent.warned == []
    assert wanted(recipe, {"MLFLOW_TRACKING_URI": "http://x", "WANDB_MODE": "offline"}, told) == []
    assert [line.rpartition("Run: ")[2] for line in told.warned] == [
        "pip install 'copydesk[train]'",
        "pip install 'copydesk[wandb]'",
    ]


def test_the_environment_names_versions_and_processor() -> None:
    tags = environment_tags()
    assert {"copydesk", "python", "torch", "transformers", "processor"} <= set(tags) and all(tags.values())


def test_the_commit_and_whether_it_is_all(tmp_path: Path) -> None:
    assert git_facts(str(tmp_path)) == {}

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "one")
    facts = git_facts(str(tmp_path))
    assert len(facts["git.commit"]) == 40 and facts["git.dirty"] == "no"
    (tmp_path / "a").write_text("2")
    assert git_facts(str(tmp_path))["git.dirty"] == "yes"


def _recorder(code: str, listener: Listener, finish_s: float = 20.0) -> Recorder:
    return Recorder(OPENING, ["fake"], listener, command=(sys.executable, "-c", code), finish_s=finish_s)


def test_a_recorder_that_dies_is_one_warning(toy_recipe: Recipe) -> None:
    listener = Listener()
    recorder = _recorder("import sys; sys.exit(3)", listener)
    for step in range(3):
        recorder.step(Step(step, 0.1, step))
    recorder.finish(toy_recipe, REPORT, [])
    assert listener.warned == ["The run is not fully tracked: the recorder ended with exit code 3."]


def test_a_recorder_that_hangs_is_left_after_a_while(toy_recipe: Recipe) -> None:
    listener = Listener()
    _recorder("import time; time.sleep(60)", listener, finish_s=0.3).finish(toy_recipe, REPORT, [])
    assert listener.warned == ["The run is not fully tracked: the recorder was not done after 0.3 s."]


def test_a_recorder_that_reads_nothing_does_not_hold_up_the_training(toy_recipe: Recipe) -> None:
    listener = Listener()
    recorder = _recorder("import time; time.sleep(60)", listener)
    for step in range(2_000):  # far more than a pipe holds
        recorder.step(Step(step, 0.1, step, loss=1.0))
    recorder.finish(toy_recipe, REPORT, [])
    assert listener.warned == ["The run is not fully tracked: the recorder does not keep up."]


def test_a_recorder_that_cannot_be_started_is_one_warning(on: None, toy_recipe: Recipe) -> None:
    def refuse(*args: object) -> Recorder:
        raise OSError("out of processes")

    listener = Listener()
    with tracked(toy_recipe, name="a", data="b", progress=listener, start=refuse) as run:
        run.step(Step(1, 0.1, 1))
    assert listener.warned == ["The run is not tracked: out of processes."]


# Real trackers: making MLflow's database takes seconds, so these share one.


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracked")


@pytest.fixture
def at_home(on: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def _query(home: Path, question: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(home / "mlflow.db")
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()


def _statuses(home: Path) -> dict[str, str]:
    return dict(_query(home, "SELECT name, status FROM runs"))


def test_a_run_arrives_whole_in_mlflow(at_home: Path, encoder_recipe: Recipe, toy_csv: Path) -> None:
    listener = Listener()
    auto = override(encoder_recipe, {"train.frozen_layers": "auto"})
    bundle = train_bundle(auto, data=toy_csv, progress=listener)
    assert listener.warned == []
    line = "tracked in mlflow.db (toy: mlflow ui --backend-store-uri sqlite:///mlflow.db)"
    assert line in listener.said
    assert _statuses(at_home) == {"toy-1": "FINISHED"}
    params = dict(_query(at_home, "SELECT key, value FROM params"))
    assert params["train.learning_rate"] == "0.01" and params["train.frozen_layers"] == "0"
    assert "frozen_layers" in params["train.chosen"]
    metrics = dict(_query(at_home, "SELECT key, value FROM latest_metrics"))
    assert metrics["test/accuracy"] == pytest.approx(bundle.report.metrics["accuracy"])
    curve = _query(at_home, "SELECT step, value FROM metrics WHERE key = 'curve/loss' ORDER BY step")
    assert curve == [(step.step, pytest.approx(step.loss)) for step in bundle.report.history if step.loss is not None]
    tags = dict(_query(at_home, "SELECT key, value FROM tags"))
    assert tags["data.sha256"] == bundle.manifest["data"] and tags["torch"]
    assert {file.name for file in (at_home / "mlartifacts").rglob("*.*")} >= {"report.json", "report.html"}


@pytest.mark.parametrize(
    ("error", "status"),
    [(DataError("nothing left"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (Terminated("Terminated."), "KILLED")],
)
def test_a_run_that_fails_or_is_interrupted_is_marked_so(
    at_home: Path, toy_recipe: Recipe, error: BaseException, status: str
) -> None:
    listener = Listener()
    with (
        pytest.raises(type(error)),
        tracked(toy_recipe, name=status, data="0", progress=listener) as run,
    ):
        _until_said(run, listener)
        raise error
    assert _statuses(at_home)[status] == status
    assert listener.warned == []


def _until_said(run: Any, listener: Listener) -> None:
    deadline = time.monotonic() + 60
    while not listener.said and time.monotonic() < deadline:
        time.sleep(0.1)
        run._pass_on()


@pytest.mark.e2e
def test_a_training_process_that_is_killed_outright_is_marked_killed(
    at_home: Path, toy_csv: Path, tiny_encoder: Path
) -> None:
    (at_home / "slow.yaml").write_text(
        f"name: slow\nmodel: {{encoder: '{tiny_encoder}', max_tokens: 32}}\ntrain: {{epochs: 10000, early_stop: 0}}\n"
    )
    command = [sys.executable, "-m", "copydesk", "train", "slow.yaml", "--data", str(toy_csv)]
    environ = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen(command, cwd=at_home, stderr=subprocess.PIPE, text=True, env=environ)
    assert process.stderr is not None
    assert any("tracked in" in line for line in process.stderr)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 30
    while _statuses(at_home).get("slow-1") != "KILLED" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _statuses(at_home)["slow-1"] == "KILLED"


@pytest.fixture
def dead_server() -> Iterator[str]:
    with socket.socket() as taken:  # bound but not listening: every connection is refused
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_dead_server_is_one_warning_and_the_bundle_is_there(
    on: None, toy_recipe: Recipe, dead_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead_server)
    listener = Listener()
    bundle = train_bundle(toy_recipe, data=write_csv(tmp_path / "t.csv", toy_rows()), progress=listener)
    assert bundle.layout.is_complete()
    assert len(listener.warned) == 1 and "not (fully) tracked in mlflow" in listener.warned[0]


def test_a_broken_database_is_one_warning(on: None, toy_recipe: Recipe, toy_csv: Path) -> None:
    Path("mlflow.db").write_text("this is no database")
    listener = Listener()
    assert train_bundle(toy_recipe, data=toy_csv, progress=listener).layout.is_complete()
    assert len(listener.warned) == 1 and "not (fully) tracked in mlflow" in listener.warned[0]


def test_a_run_arrives_in_wandb_offline(
    on: None, toy_recipe: Recipe, toy_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    listener = Listener()
    train_bundle(override(toy_recipe, {"track.mlflow": False}), data=toy_csv, progress=listener)
    assert listener.warned == []
    (run,) = Path("wandb").glob("offline-run-*")
    assert any(f"tracked in {run} (toy: wandb sync {run})" in line for line in listener.said)
    (record,) = run.glob("*.wandb")
    stored = record.read_bytes()
    assert all(word in stored for word in (b"test/accuracy", b"model.kind", b"data.sha256"))
    assert json.loads(Path("bundles/toy-1/manifest.json").read_text())["name"] == "toy"


def test_reading_the_pipe_to_its_end_leaves_the_process_that_reads_alone() -> None:
    reader, writer = os.pipe()
    os.write(writer, b'{"number": 1}\n')
    os.close(writer)
    ended: list[bool] = []
    assert list(batches(reader, at_end=lambda: ended.append(True))) == [[{"number": 1}]]
    assert ended == [True]
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_the_pipe_is_emptied_while_a_tracker_is_busy() -> None:
    reader, writer = os.pipe()
    arriving = batches(reader)
    os.write(writer, b'{"number": -1}\n')
    first = next(arriving)
    lines = [json.dumps({"number": number}).encode() + b"\n" for number in range(20_000)]
    assert sum(map(len, lines)) > 4 * 65_536  # a pipe holds 64 kB; nobody asks for a batch meanwhile
    for line in lines:
        os.write(writer, line)
    os.close(writer)
    rest = [message for batch in arriving for message in batch]
    assert first + rest == [{"number": number} for number in range(-1, 20_000)]
