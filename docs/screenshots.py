"""Take the pictures of docs/images from the real pages: `python docs/screenshots.py [FOLDER]` (`make screenshots`).

A linear model of the built-in sample is trained, checked, served and watched in an empty folder, by the commands
themselves; Chromium takes the pictures. Only the log of the monitoring report is written here: a week of the model's
own answers, in the last two days of which a feed of football results was plugged in.
"""

from __future__ import annotations

import csv
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

import copydesk
from copydesk.data.sample import headlines, write_sample
from copydesk.monitor.entry import Entry, table_of
from copydesk.monitor.log import open_log
from copydesk.monitor.reference import Reference
from copydesk.recipe import shipped_recipe

IMAGES = Path(__file__).parent / "images"
SET = ("--set", "model.kind=linear", "--set", "serve.log.text=full")
WIDTH, HEIGHT = 1120, 720
DAYS, DRIFTED, A_DAY, RESULTS = 7, 2, 400, 0.15
TEAMS = (
    "Alvik",
    "Brunna",
    "Ekeby",
    "Farsta",
    "Haga",
    "Lindö",
    "Norrvik",
    "Rydal",
    "Solberga",
    "Tuna",
    "Vallda",
    "Ytterby",
)
LARGEST = 200_000
"""Bytes of a picture, all of which travel with the repository."""


@dataclass(frozen=True)
class Shot:
    """One picture: its name, the page (`#heading` is where it begins), and how high."""

    name: str
    address: str
    height: int = HEIGHT


def command(folder: Path, *words: str) -> None:
    """Run one of Copydesk's commands in the folder; 1 is an answer too (a check failed, something alarms)."""
    done = subprocess.run(
        [sys.executable, "-m", "copydesk", *words, "--quiet"], cwd=folder, capture_output=True, text=True
    )
    if done.returncode not in (0, 1):
        sys.exit(f"copydesk {' '.join(words)}: {done.stderr}")


@contextmanager
def running(folder: Path, *words: str) -> Iterator[str]:
    """Run a command that serves a page until the block ends; yield the page's address, which it prints."""
    log = folder / f"{words[0]}.log"
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "copydesk", *words], cwd=folder, stdout=file, stderr=file)
    try:
        yield _address(process, log)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+[^\s\"']*", log.read_text("utf-8"))
        if found and _answers(found[0]):
            return found[0]
        time.sleep(0.2)
    sys.exit(f"It ended at once: {log.read_text('utf-8')}")


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5):  # nosec B310 # our own server
            return True
    except OSError:
        return False


def prepared(folder: Path) -> None:
    """Train, check, describe and look for label errors on the sample, as `demo` has it."""
    recipe = str(shipped_recipe("clickbait"))
    write_sample(folder / "headlines.csv")
    _with_mistakes(folder / "raw.csv")
    data = ("--data", "headlines.csv")
    command(folder, "train", recipe, *data, "--out", "bundle", *SET)
    command(folder, "describe", recipe, *data, "--report", "description", *SET)
    command(folder, "check", "bundle", *data, "--report", "checks")
    command(folder, "prepare", recipe, "--data", "raw.csv", "--find-label-errors", "--review-out", "doubts.jsonl", *SET)
    _log(folder)
    command(folder, "monitor", "report", "bundle", "--log", "log", "--out", "monitoring")


def _with_mistakes(path: Path) -> None:
    """Write the sample with one label in fifty turned round, as real labels are."""
    chance, swapped = random.Random(1), {"news": "clickbait", "clickbait": "news"}
    rows = [(text, swapped[label] if chance.random() < 0.02 else label) for text, label in headlines()]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


def _log(folder: Path) -> None:
    """Write a week of the model's answers to a prediction log."""
    classifier, chance, now = copydesk.load(folder / "bundle"), random.Random(2), time.time()
    bundle = classifier.bundle
    texts = [text for text, _ in headlines(DAYS * A_DAY, seed=7)]
    for place in range((DAYS - DRIFTED) * A_DAY, len(texts)):
        if chance.random() < RESULTS:
            home, away = chance.sample(TEAMS, 2)
            texts[place] = (
                f"FT {home} {chance.randint(0, 4)}–{chance.randint(0, 4)} {away}, round {chance.randint(1, 26)}"
            )
    step, version = DAYS * 86_400 / (len(texts) + 1), bundle.digest[:12]
    entries = [
        Entry(
            now - DAYS * 86_400 + step * (place + 1),
            f"{version}.{chance.getrandbits(64):016x}",
            "clickbait",
            version,
            text,
            (answer.label or "",),
            (answer.score or 0.0,),
            answer.score or 0.0,
        )
        for place, (text, answer) in enumerate(zip(texts, classifier.predict(texts), strict=True))
    ]
    vocabulary = Reference.load(bundle.layout.reference).vocabulary
    log = open_log(str(folder / "log"), keep_days=None)
    log.write(table_of(entries, vocabulary, kept=str))
    log.close()


def take(browser: Browser, shots: Sequence[Shot], images: Path, scheme: str = "light") -> None:
    """Take pictures of pages as they are."""
    for shot in shots:
        page = browser.new_page(viewport={"width": WIDTH, "height": shot.height}, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(shot.address)
        page.wait_for_load_state("networkidle")
        page.evaluate("document.getElementById(location.hash.slice(1))?.scrollIntoView()")
        _save(page, images / f"{shot.name}.png")
        page.close()


def _save(page: Page, path: Path) -> None:
    page.screenshot(path=path)
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path.name} has {path.stat().st_size:,} bytes; at most {LARGEST:,} may be committed.")


def answered(browser: Browser, address: str, images: Path) -> None:
    """Take the served page with an answer, in light and in dark."""
    for name, scheme in (("page", "light"), ("page-dark", "dark")):
        page = browser.new_page(viewport={"width": WIDTH, "height": 860}, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(address)
        page.get_by_role("textbox").first.fill("17 Things Only People Who Grew Up By The Sea Will Understand")
        page.keyboard.press("Control+Enter")
        page.get_by_role("button", name="That is wrong").wait_for()
        page.wait_for_load_state("networkidle")
        _save(page, images / f"{name}.png")
        page.close()


def main(images: Path) -> None:
    """Make what the pages show, and take them."""
    os.environ |= {"COPYDESK_TRACKING": "off", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    images.mkdir(parents=True, exist_ok=True)
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        prepared(folder)
        browser = playwright.chromium.launch(executable_path=found)
        report, data, checks, monitor = (
            (folder / path).as_uri()
            for path in ("bundle/report.html", "description/data.html", "checks/checks.html", "monitoring/monitor.html")
        )
        pages = [
            Shot("report", report, 900),
            Shot("description", f"{data}#lengths", 800),
            Shot("checks", checks, 900),
            Shot("monitor", monitor, 900),
            Shot("trends", f"{monitor}#trends", 900),
        ]
        take(browser, pages, images)
        with running(folder, "serve", "bundle", "--port", "8471") as address:
            answered(browser, address, images)
        with running(folder, "review", "doubts.jsonl", "--no-browser", "--port", "0") as address:
            take(browser, [Shot("review", address)], images)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
