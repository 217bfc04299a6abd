"""Scoring as users do it: killed, in a bucket, over a cluster one of whose machines dies, and a million rows."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from fakes import COMMON, MONEY, SPORT, toy_rows, write_csv

pytestmark = pytest.mark.e2e
ROWS = 100_000
MILLION = 1_000_000


def _headlines(count: int, seed: int = 1) -> list[str]:
    chance, words = random.Random(seed), [*SPORT, *MONEY, *COMMON]
    return [
        f"{' '.join(chance.choices(words, k=chance.randint(5, 10)))} {chance.randrange(10**6)}" for _ in range(count)
    ]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_csv(folder / "toy.csv", toy_rows())
    (folder / "toy.yaml").write_text("name: toy\nmodel: {kind: linear}\n")
    _run("train", folder / "toy.yaml", "--data", folder / "toy.csv", "--out", folder / "bundle", "--quiet")
    return folder / "bundle"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    texts = _headlines(ROWS)
    texts[500::1_000] = [""] * len(texts[500::1_000])
    pl.DataFrame({"id": range(ROWS), "text": texts}).write_csv(path)
    return path


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "copydesk", *map(str, arguments)]


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": ":".join(sys.path), "COPYDESK_TRACKING": "off", **more}


def _run(*arguments: object, **more: str) -> dict[str, Any]:
    command = _command(*arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(**more))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in command else {}


def _answers(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out if out.is_file() else out / "*.parquet")


@pytest.fixture(scope="module")
def whole(bundle: Path, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    out = tmp_path_factory.mktemp("whole") / "out"
    _run("score", bundle, rows, out, "--quiet")
    frame = _answers(out)
    assert frame["id"].to_list() == list(map(str, range(ROWS)))
    assert frame["error"].drop_nulls().to_list() == ["missing text"] * (ROWS // 1_000)
    return frame


@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_killed_at_many_moments_no_row_is_lost_or_doubled(
    bundle: Path, rows: Path, whole: pl.DataFrame, tmp_path: Path, name: str
) -> None:
    """Kills come while it starts, reads, scores and finishes; parts are small, so that there are many."""
    code = (
        "import sys\n"
        "from copydesk.score import parts\n"
        "parts.PartWriter.__init__.__kwdefaults__['most_rows'] = 8_192\n"
        "from copydesk.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, "score", str(bundle), str(rows), name, "--json"]
    chance, kills, parts = random.Random(4), 0, 0
    where = tmp_path / (".out.parquet.scoring" if name.endswith(".parquet") else name)
    for _ in range(7):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=_environment())
        wanted, deadline = parts + chance.randint(0, 3), time.monotonic() + 120
        while len(list(where.glob("part-*"))) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += process.returncode == -signal.SIGKILL
        parts = len(list(where.glob("part-*")))
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment())
    assert kills >= 3 and json.loads(done.stdout)["done_before"] > 0
    assert _answers(tmp_path / name).equals(whole)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert not list((tmp_path / name).glob(".*")) and not (tmp_path / name / "request.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_keep_what_was_scored(
    bundle: Path, rows: Path, whole: pl.DataFrame, tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        _command("score", bundle, rows, "out"), stderr=subprocess.PIPE, env=_environment(), text=True
    )
    while not list(Path("out").glob(".copydesk-*")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(1)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in said
    assert sorted(path.name for path in Path("out").iterdir() if not path.name.startswith("part-")) == ["request.json"]
    assert _run("score", bundle, rows, "out", "--json")["done_before"] > 0
    assert _answers(tmp_path / "out").equals(whole)


def test_an_s3_bucket_is_read_and_written_and_resumed(bundle: Path, s3: Any, tmp_path: Path) -> None:
    for number in range(2):
        write_csv(tmp_path / "rows.csv", toy_rows(100, seed=number))
        s3.put_object(Bucket="bucket", Key=f"in/{number}.csv", Body=(tmp_path / "rows.csv").read_bytes())
    _run("score", bundle, "s3://bucket/in/*.csv", "whole", "--quiet")
    for out in ("s3://bucket/deep/out", "s3://bucket/out.parquet"):
        assert _run("score", bundle, "s3://bucket/in", out, "--json")["rows"] == 200
        assert _run("score", bundle, "s3://bucket/in", out, "--json")["done_before"] == 200
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert keys == [
        "deep/out/manifest.json",
        "deep/out/part-000000000000-200.parquet",
        "in/0.csv",
        "in/1.csv",
        "out.parquet",
    ]
    for key in (keys[1], keys[4]):
        s3.download_file("bucket", key, str(tmp_path / "got.parquet"))
        assert pl.read_parquet("got.parquet").equals(_answers(tmp_path / "whole"))
    done = subprocess.run(
        _command("score", bundle, "s3://bucket/in", "s3://nowhere/out"),
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    assert done.returncode == 1 and "'s3://nowhere/out' cannot be used" in done.stderr


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a Ray cluster of two machines on this one, and a way to end the second."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", ":".join(map(os.path.abspath, filter(None, sys.path))))  # the workers' too
    ray_cluster = pytest.importorskip("ray.cluster_utils")
    memory = 100 * 1024 * 1024
    made = ray_cluster.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": memory, "include_dashboard": False}
    )
    second = made.add_node(num_cpus=1, object_store_memory=memory)
    made.wait_for_nodes()
    yield made, second
    made.shutdown()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # Ray's own
def test_a_cluster_loses_a_machine_half_way_and_no_row(
    bundle: Path, rows: Path, whole: pl.DataFrame, cluster: Any, tmp_path: Path
) -> None:
    made, second = cluster
    code = (
        "from copydesk.score import on_ray\n"
        "on_ray.score_on_ray.__kwdefaults__['unit_rows'] = 4_096\n"
        "from copydesk.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, "score", bundle, rows, "out", "--engine", "ray", "--json"]
    environment = {**_environment(), "PYTHONPATH": os.environ["PYTHONPATH"], "RAY_ADDRESS": made.address}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    out, deadline = tmp_path / "out", time.monotonic() + 240
    while len(list(out.glob("part-*"))) < 8 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    made.remove_node(second, allow_graceful=False)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0 and json.loads(said)["rows"] == ROWS
    assert json.loads((out / "manifest.json").read_text())["engine"] == "ray"
    assert _answers(out).equals(whole)


_SCORE = (
    "import json, sys\n"
    "from memory import peak_mb\n"
    "from copydesk.runtime.fallback import load_model\n"
    "from copydesk.score.run import score\n"
    "classifier = load_model(sys.argv[1])\n"
    "classifier.predict(['warm up'])\n"
    "before = peak_mb()\n"
    "done = score(classifier, sys.argv[2], sys.argv[3])\n"
    "print(json.dumps({'rows': done.rows, 'more_mb': peak_mb() - before}))\n"
)


_READ = (
    "import json, sys\n"
    "from memory import peak_mb\n"
    "from copydesk.progress import Silent\n"
    "from copydesk.score.inputs import read_input\n"
    "before = peak_mb()\n"
    "found = read_input(sys.argv[1], ['text'], Silent())\n"
    "rows = sum(batch.table.num_rows for batch in found.batches())\n"
    "print(json.dumps({'rows': rows, 'more_mb': peak_mb() - before}))\n"
)


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("million")
    texts = _headlines(MILLION)
    pl.DataFrame({"text": texts}).write_csv(folder / "rows.csv")
    pl.DataFrame({"text": texts}).write_parquet(folder / "rows.parquet")
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    return folder


def _measured(code: str, *arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_million_rows_are_scored_within_300_mb_of_the_start(bundle: Path, million: Path) -> None:
    found = _measured(_SCORE, bundle, million / "rows.parquet", "out.parquet")
    assert found["rows"] == pq.read_metadata("out.parquet").num_rows == MILLION
    assert found["more_mb"] < 300


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_million_rows_are_read_piece_by_piece(million: Path, name: str) -> None:
    found = _measured(_READ, million / name)
    assert found["rows"] == MILLION
    assert found["more_mb"] < 200
