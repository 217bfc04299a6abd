"""Time and memory of a million headlines: labelled by 500 keywords, and a linear model trained on what came out.

    python bench/million.py --data FOLDER [--rows 1000000]

FOLDER holds clickbait/headlines.parquet. Its 28,162 headlines are too few, so a row is the first half of one and the
second half of another of the same kind, drawn at random (seed 1); equal rows may occur. The keywords are the 284 of
bench/weak/headlines.yaml without its regular expressions and the commonest other words of five letters or more, which
makes more votes than a list written by hand would. Each command runs in a process of its own, as a user starts it;
memory is that process's largest resident set. Threads are what the environment says (OMP_NUM_THREADS,
POLARS_MAX_THREADS, taskset).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import yaml

WRITTEN = Path(__file__).with_name("weak") / "headlines.yaml"
_KEYWORDS = 500
_LETTERS = 5
_LABELS = ("clickbait", "news")


def main() -> None:
    """Make the files, run the commands, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: what the system says of a command's memory begins at what this process has held.
        making = multiprocessing.get_context("spawn").Process(target=_make, args=(options.data, options.rows, folder))
        making.start()
        making.join()
        if making.exitcode:
            sys.exit(1)
        print(f"{'':36} {'seconds':>8} {'processor':>10} {'MB':>6}")
        _measure("label, 500 keywords", folder, "label", "million.yaml", "texts.parquet", "--out", "weak.parquet")
        _measure("train, on the weak labels", folder, "train", "million.yaml", "--data", "weak.parquet", "--out", "a")
        _measure(
            "train, on one label each", folder, "train", "million.yaml", "--data", "labelled.parquet", "--out", "b"
        )


def _make(data: Path, count: int, folder: Path) -> None:
    """Write the texts, their labels, the labelling functions and the recipe, and print what the texts are like."""
    headlines = pl.read_parquet(data / "clickbait" / "headlines.parquet")
    rows = recombined(headlines, count)
    rows.select("text").write_parquet(folder / "texts.parquet")
    rows.write_parquet(folder / "labelled.parquet")
    (folder / "functions.yaml").write_text(yaml.safe_dump({"functions": functions(headlines["text"])}), "utf-8")
    recipe = {"name": "million", "weak": {"functions": "functions.yaml"}, "model": {"kind": "linear"}}
    (folder / "million.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    characters = rows["text"].str.len_chars().mean()
    print(f"{rows.height:,} rows, {rows['text'].n_unique():,} different, {characters:.0f} characters on average\n")


def recombined(headlines: pl.DataFrame, rows: int) -> pl.DataFrame:
    """Return rows of `text` and `label`, as many of either label."""
    chance, made = random.Random(1), []
    halves = {label: [text.split() for text in headlines.filter(pl.col("label") == label)["text"]] for label in _LABELS}
    for number in range(rows):
        label = _LABELS[number % 2]
        first, second = chance.choices(halves[label], k=2)
        made.append((" ".join([*first[: (len(first) + 1) // 2], *second[len(second) // 2 :]]), label))
    return pl.DataFrame(made, {"text": pl.String(), "label": pl.String()}, orient="row")


def functions(texts: Sequence[str]) -> dict[str, object]:
    """Return labelling functions with 500 keywords together."""
    written = yaml.safe_load(WRITTEN.read_text("utf-8"))["functions"]
    chosen = {name: rule for name, rule in written.items() if "words" in rule}
    known = {word for rule in chosen.values() for word in rule["words"]}
    common = Counter(word for text in texts for word in set(re.findall(r"[a-z]+", text.casefold())))
    others = [word for word, _ in common.most_common() if len(word) >= _LETTERS and word not in known]
    more = others[: _KEYWORDS - len(known)]
    for place, label in enumerate(_LABELS):
        chosen[f"more_{label}"] = {"label": label, "words": more[place::2]}
    return chosen


def _measure(name: str, folder: Path, *arguments: str) -> None:
    """Run a command, and print how long it took and its peak memory."""
    started = time.perf_counter()
    process = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", 'cd "$1" && shift && exec "$@" >> output.txt 2>&1', "sh", str(folder), *_COPYDESK, *arguments],
        os.environ,
    )
    _, status, used = os.wait4(process, 0)
    seconds = time.perf_counter() - started
    if status:
        sys.exit((folder / "output.txt").read_text("utf-8"))
    print(f"{name:36} {seconds:8.1f} {used.ru_utime + used.ru_stime:10.1f} {used.ru_maxrss / 1024:6,.0f}", flush=True)


_COPYDESK = (sys.executable, "-m", "copydesk")


if __name__ == "__main__":
    main()
