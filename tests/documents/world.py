"""What several pages need beforehand, made once: headlines, recipes that train in seconds, a bundle, a registry, a log.

Everything is made by Copydesk's own commands, in one folder, when a page first asks for it.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from documents.pages import ROOT
from documents.place import Place

TRAINED, IN_ALL = 700, 1_000
"""How many of the sample's headlines there are to train with, and in all."""
CHANGES: dict[str, Any] = {
    "model": {"kind": "linear", "max_tokens": 32},
    "train": {"epochs": 1, "learning_rate": 0.01, "batch_tokens": 1_024},
    "gate": {"floors": {"accuracy": 0.6}, "max_drops": {"calibration": 1, "slice_accuracy": 1, "label_f1": 1}},
    "behaviours": None,
    "serve": {"log": {"text": "full", "measured_per_second": 100_000}},
}
"""How the pages' copies of the recipes differ: they train in seconds, on few texts, and ask little of the result."""


class World:
    """Makes things by their names, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "preloaded"
        self._made: dict[str, Path] = {}
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}
        environment |= {"HF_HUB_OFFLINE": "1", "COPYDESK_TRACKING": "off", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "documents.preload", str(self.socket)]
        self._process = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)
        self._place: Place | None = None

    def made(self, name: str) -> Path:
        """Return the path of something, made if it was not."""
        if name not in self._made:
            self._made[name] = MAKERS[name](self)
        return self._made[name]

    def need(self, *names: str) -> None:
        for name in names:
            self.made(name)

    @property
    def place(self) -> Place:
        """The folder in which things are made."""
        if self._place is None:
            self.wait()
            self._place = Place(self.folder / "made", self)
        return self._place

    def wait(self) -> None:
        """Wait until the imports are done."""
        deadline = time.monotonic() + 120
        while not self.socket.exists():
            assert time.monotonic() < deadline and self._process.poll() is None, "nothing is preloaded"
            time.sleep(0.05)

    def end(self) -> None:
        """End the process that has everything imported."""
        if self._place is not None:
            self._place.end()
        self._process.terminate()
        self._process.wait(20)


@cache
def headlines() -> Sequence[tuple[str, str]]:
    """Return headlines of the built-in sample with their labels."""
    from copydesk.data.sample import headlines

    return headlines(IN_ALL)


def write_rows(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str]) -> Path:
    """Write a CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([header, *rows])
    return path


def _rows(header: Sequence[str], start: int, stop: int) -> Callable[[World], Path]:
    def make(world: World) -> Path:
        name = next(name for name, maker in MAKERS.items() if maker is make)
        return write_rows(world.place.folder / name, headlines()[start:stop], header)

    return make


def _encoder(world: World) -> Path:
    from fakes import write_tiny_encoder

    return write_tiny_encoder(world.place.folder / "encoder")


def _recipes(world: World) -> Path:
    """Copy the shipped recipes, with `CHANGES`; the headlines' source is here."""
    import shutil

    folder = world.place.folder / "recipes"
    shutil.copytree(ROOT / "recipes", folder)
    for path in folder.glob("*.yaml"):
        values = yaml.safe_load(path.read_text("utf-8"))
        changes = {**CHANGES, "model": {**CHANGES["model"], "encoder": str(world.made("encoder"))}}
        for key, value in changes.items():
            values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
        if values["name"] == "clickbait":
            values["source"] = {"url": "../headlines.csv"}
        if values["task"] == "signals":
            values["gate"]["floors"] = {"macro_f1": 0.0}
        if values["task"] == "multi":
            values["gate"]["floors"] = {"micro_f1": 0.0}
        path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}), "utf-8")
    return folder


def _by(command: str, result: str, *needed: str) -> Callable[[World], Path]:
    def make(world: World) -> Path:
        world.need(*needed)
        world.place.run(command)
        return world.place.folder / result

    return make


def _log(world: World) -> Path:
    """Ask a server that keeps a log for some of the headlines."""
    world.need("mlflow.db", "headlines.csv")
    place = world.place
    place.run("copydesk serve models:/clickbait@production --log log")
    texts = [text for text, _ in headlines()]
    for start in range(0, 300, 20):
        body = json.dumps({"texts": texts[start : start + 20]})
        address = f"http://127.0.0.1:{place.ports['8000']}/v1/classify"
        place.run(f"curl -sf {address} -H 'Content-Type: application/json' -d @- > /dev/null <<'END'\n{body}\nEND\n")
    place.run("end-all")
    return place.folder / "log"


MAKERS: dict[str, Callable[[World], Path]] = {
    "headlines.csv": _rows(("text", "label"), 0, TRAINED),
    "YOUR.csv": _rows(("headline", "kind"), 0, TRAINED),
    "MORE.csv": _rows(("headline", "kind"), TRAINED, IN_ALL),
    "encoder": _encoder,
    "recipes": _recipes,
    "datasets/clickbait-1": _by(
        "copydesk prepare recipes/clickbait.yaml", "datasets/clickbait-1", "recipes", "headlines.csv"
    ),
    "bundles/clickbait-1": _by(
        "copydesk train recipes/clickbait.yaml --data datasets/clickbait-1",
        "bundles/clickbait-1",
        "datasets/clickbait-1",
    ),
    "mlflow.db": _by(
        "copydesk register bundles/clickbait-1 --alias staging\ncopydesk promote clickbait",
        "mlflow.db",
        "bundles/clickbait-1",
    ),
    "log": _log,
}
"""How each thing is made, by its path."""
