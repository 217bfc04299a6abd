"""The weekly report on ten million logged predictions: seconds and peak memory of the command as a process.

    python bench/monitor_report.py --data FOLDER [--rows 10000000] [--measured 0.05] [--rounds 3]

FOLDER holds clickbait/headlines.parquet, on which a linear model is trained first. The log it is then asked about is
made up: seven days that end now, as files by hour, more by day than by night; the last hour is still in the parts that
a process writes every ten seconds. What was measured of a text (numbers and vector, of a share of the rows, as the log
does where texts come fast) is drawn from the model's own reference, so nothing drifts but what is planted: from the
sixth day on a fifth of the texts have other vectors and lower confidence. One answer in a thousand was corrected.
Nothing of it is kept.
"""

from __future__ import annotations

import argparse
import binascii
import json
import multiprocessing
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from copydesk.monitor.entry import SCHEMA
from copydesk.monitor.reference import Reference
from copydesk.monitor.traits import NUMBERS, in_steps

HOURS = 7 * 24
CORRECTED = 0.001
_PARTS = 360
_COPYDESK = (sys.executable, "-m", "copydesk")


def main() -> None:
    """Train, make the log, run the command, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--measured", type=float, default=0.05, help="the share of rows with numbers and a vector")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = Path(__file__).parent.parent / "recipes" / "clickbait.yaml"
        data = options.data / "clickbait" / "headlines.parquet"
        train = ("train", str(recipe), "--data", str(data), "--set", "model.kind=linear", "--out", "bundle")
        _run(folder, *train)
        started = time.perf_counter()
        # In a process of its own: what the system says of a command's memory begins at what this process has held.
        making = multiprocessing.get_context("spawn").Process(
            target=make_log, args=(folder / "bundle", folder / "log", options.rows, options.measured)
        )
        making.start()
        making.join()
        if making.exitcode:
            sys.exit(1)
        megabytes = sum(file.stat().st_size for file in (folder / "log").rglob("*.*")) / 1e6
        print(f"{options.rows:,} rows, {megabytes:,.0f} MB, made in {time.perf_counter() - started:,.0f} s\n")
        print(f"{'':24} {'seconds':>8} {'processor':>10} {'MB':>6}")
        for round_ in range(options.rounds):
            arguments = ("monitor", "report", "bundle", "--log", "log", "--since", "7d", "--out", f"report-{round_}")
            seconds, processor, peak = _run(folder, *arguments)
            print(f"{'monitor report, 7 days':24} {seconds:8.1f} {processor:10.1f} {peak:6,.0f}", flush=True)


def make_log(bundle: Path, folder: Path, rows: int, measured: float) -> None:
    """Write the log of a week that ends now, and its corrections."""
    reference = Reference.load(bundle / "reference.safetensors")
    version = _version(bundle)
    random = np.random.default_rng(1)
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [end - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
    busy = np.array([1.0 + 0.8 * np.sin((hour.hour - 8) / 24 * 2 * np.pi) for hour in hours])
    counts = np.floor(busy / busy.sum() * rows).astype(int)
    counts[-1] += rows - counts.sum()
    corrections = []
    for place, (hour, count) in enumerate(zip(hours, counts, strict=True)):
        frame = hour_of(hour, count, reference, random, measured=measured, is_odd=place >= HOURS * 5 // 7)
        named = {"model": bundle_name(bundle), "version": version}
        frame = frame.with_columns(pl.lit(value).alias(name) for name, value in named.items())
        frame = frame.with_columns(id=pl.concat_str(pl.lit(f"{version}."), "id")).select(list(SCHEMA))
        folder_of = folder / hour.strftime("%Y-%m-%d/%H")
        folder_of.mkdir(parents=True)
        if place < HOURS - 1:
            frame.write_parquet(folder_of / "0a1b2c3d-000361-all.parquet", compression_level=7)
        else:
            for number, start in enumerate(np.linspace(0, count, _PARTS, endpoint=False).astype(int), 1):
                part = frame.slice(start, -(-count // _PARTS))
                part.write_parquet(folder_of / f"0a1b2c3d-{number:06d}.parquet")
        corrections += _corrections(frame, random)
    (folder / "feedback.jsonl").write_text("".join(json.dumps(line) + "\n" for line in corrections), "utf-8")


def hour_of(
    hour: datetime, count: int, reference: Reference, random: np.random.Generator, *, measured: float, is_odd: bool
) -> pl.DataFrame:
    """Return an hour's rows without model and version."""
    window = reference.window
    drawn = random.integers(0, window.n, count)
    other = (random.random(count) < 0.2) & is_odd
    confidence = np.where(other, random.beta(5, 2, count), window.numbers["confidence"][drawn]).astype(np.float32)
    vectors = window.vectors[drawn]
    vectors[other] = np.roll(vectors[other], 7, axis=1)
    is_news = random.random(count) < 0.5
    seen = pl.Series(random.random(count) < measured)
    ids = _hex(random, count)
    at = np.sort(random.random(count) * 3.6e9).astype(np.int64) + int(hour.timestamp() * 1e6)
    labels = pl.Series(np.where(is_news, "news", "clickbait").tolist(), dtype=pl.String)
    columns: dict[str, Any] = {
        "at": pl.Series(at).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        "id": ids,
        "text_hash": _hex(random, count),
        "text": pl.Series([None], dtype=pl.String).new_from_index(0, count),
        "labels": labels.reshape((count, 1)).cast(pl.List(pl.String)),
        "scores": pl.Series(confidence).reshape((count, 1)).cast(pl.List(pl.Float32)),
        "tags": pl.Series([[]], dtype=pl.List(pl.String)).new_from_index(0, count),
        "confidence": confidence,
        **{name: window.numbers[name][drawn] for name in NUMBERS},
        "vector": in_steps(vectors),
    }
    frame = pl.DataFrame(columns).with_columns(
        pl.lit("live").alias("source"),
        pl.lit("").alias("stage"),
        pl.Series("language", random.choice(window.kinds["languages"], count).tolist()),
    )
    rare = [*NUMBERS, "vector", "language"]
    return frame.with_columns(pl.when(seen).then(pl.col(name)).alias(name) for name in rare).cast(
        {name: kind for name, kind in SCHEMA.items() if name in frame.columns}
    )


def bundle_name(bundle: Path) -> str:
    """Return a bundle's name."""
    return str(json.loads((bundle / "manifest.json").read_text("utf-8"))["name"])


def _version(bundle: Path) -> str:
    from copydesk.bundle import open_bundle

    return open_bundle(bundle, ours=True).digest[:12]


def _hex(random: np.random.Generator, count: int) -> pl.Series:
    """Return random ids of 16 hexadecimal digits."""
    digits = binascii.hexlify(random.bytes(8 * count))
    offsets = np.arange(0, 16 * count + 1, 16, dtype=np.int32)
    strings = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(digits))
    return pl.Series(strings)


def _corrections(frame: pl.DataFrame, random: np.random.Generator) -> list[dict[str, Any]]:
    """Return what users said of some answers: that half of them were right."""
    some = frame.filter(pl.Series(random.random(frame.height) < CORRECTED))
    right = random.random(some.height) < 0.5
    other = {"news": "clickbait", "clickbait": "news"}
    return [
        {"at": at.isoformat(timespec="milliseconds"), "id": id_, "label": label[0] if was_right else other[label[0]]}
        for at, id_, label, was_right in zip(some["at"], some["id"], some["labels"], right, strict=True)
    ]


def _run(folder: Path, *arguments: str) -> tuple[float, float, float]:
    """Run a command; return its seconds, its processor's seconds and its peak megabytes."""
    started = time.perf_counter()
    script = 'cd "$1" && shift && exec "$@" > output.txt 2>&1'
    process = os.posix_spawn("/bin/sh", ["sh", "-c", script, "sh", str(folder), *_COPYDESK, *arguments], os.environ)
    _, status, used = os.wait4(process, 0)
    if status:
        sys.exit((folder / "output.txt").read_text("utf-8"))
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
