"""A million headlines within two gigabytes, measured in a process of their own."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.e2e
ROWS = 1_000_000
_READ = (
    "import sys\n"
    "from memory import peak_mb\n"
    "from copydesk.data.sources import read_sources, source_of_path\n"
    "assert read_sources([source_of_path(sys.argv[1])], label_column='label').frame.height == 1_000_000\n"
    "print(peak_mb())\n"
)
_PREPARE = "from memory import peak_mb\nfrom copydesk.cli.main import main\ntry: main()\nfinally: print(peak_mb())\n"


@pytest.fixture(scope="module")
def headlines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a million texts of 5 to 11 made-up words, 55 characters on average, in all formats."""
    folder, chance = tmp_path_factory.mktemp("million"), random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(3, 10))) for _ in range(30_000)]
    texts = [" ".join(chance.choices(words, k=chance.randint(5, 10))) for _ in range(ROWS)]
    frame = pl.DataFrame({"text": texts, "label": ["news", "clickbait"] * (ROWS // 2)})
    frame.write_csv(folder / "rows.csv")
    frame.write_csv(folder / "rows.tsv", separator="\t", quote_style="never")
    frame.write_parquet(folder / "rows.parquet")
    (folder / "rows.txt").write_text("\n".join(texts), "utf-8")
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in frame.iter_rows(named=True))
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes(), 1))
    return folder


def _peak_mb(code: str, *arguments: object) -> float:
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


def test_what_the_tests_themselves_hold_is_not_counted() -> None:
    held = bytearray(1) * 300_000_000
    assert _peak_mb("from memory import peak_mb; print(peak_mb())") < len(held) / 1_000_000 / 2


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl", "rows.parquet", "rows.txt", "rows.csv.gz"])
def test_they_are_read_in_half_a_gigabyte(headlines: Path, name: str) -> None:
    assert _peak_mb(_READ, headlines / name) < 500


def test_a_quarter_of_them_is_prepared_in_600_megabytes(headlines: Path, tmp_path: Path) -> None:
    """130 MB are the program's; all of them are prepared within 2 GB, which takes minutes more."""
    quarter = tmp_path / "quarter.csv"
    pl.read_csv(headlines / "rows.csv", n_rows=ROWS // 4).write_csv(quarter)
    recipe = tmp_path / "toy.yaml"
    recipe.write_text("name: toy\n", "utf-8")
    out = tmp_path / "dataset"
    assert _peak_mb(_PREPARE, "prepare", recipe, "--data", quarter, "--out", out) < 600
    assert pl.read_parquet(out / "data.parquet", columns=["id"])["id"].n_unique() > 0.99 * ROWS / 4
