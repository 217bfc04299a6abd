"""Whole `copydesk collect` commands that are killed again and again, against a server that misbehaves."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from gdelt_server import copies_of, made_up_articles, serve

pytestmark = pytest.mark.e2e


def test_killed_eight_times_it_ends_without_a_duplicate_or_a_gap(tmp_path: Path) -> None:
    articles = made_up_articles(2_000)
    recipe = tmp_path / "news.yaml"
    environment = {**os.environ, "COPYDESK_ALLOW_PRIVATE_HOSTS": "1"}
    command = [sys.executable, "-m", "copydesk", "collect", str(recipe), "--quiet"]
    journal = tmp_path / "raw" / ".news-1.parquet.collecting" / "journal.jsonl"
    chance = random.Random(3)
    with serve([*articles, *copies_of(articles[:90])], faults=0.4) as server:
        recipe.write_text(
            "name: news\ntext: title\nsource:\n  gdelt:\n    {query: storm, since: 2026-01-01, until: 2026-01-15,\n"
            f"    window_hours: 6, seconds_per_request: 0.02, endpoint: '{server.url}'}}\n",
            "utf-8",
        )
        kills = 0
        while kills < 8:
            process = subprocess.Popen(command, env=environment)
            before, deadline = _size(journal), time.monotonic() + 60
            while _size(journal) <= before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.15))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        asked = [(one["startdatetime"], one["enddatetime"]) for one in server.asked]
    assert kills == 8
    assert done.stdout == "raw: raw/news-1.parquet\n"
    frame = pl.read_parquet(tmp_path / "raw" / "news-1.parquet")
    assert frame["url"].n_unique() == frame["title"].n_unique() == frame.height == 2_000
    assert set(frame["url"].str.extract(r"(story-\d+)")) == {f"story-{number}" for number in range(2_000)}
    repeated = len(asked) - len(set(asked)) - sum(server.fault_counts.values())
    assert repeated <= 8  # at most the request that was under way when it was killed
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["news-1.parquet"]


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
