"""What several pages need beforehand, made once: headlines, recipes that train in seconds, a bundle, a registry, a log.

Everything is made by Copydesk's own commands, in one folder, when a page first asks for it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from documents.pages import ROOT
from documents.place import Place
from gdelt_server import SINCE, UNTIL
from preloaded import Preloaded

TRAINED, MORE, EARLIER, ASKED = (0, 700), (700, 1_000), (1_000, 1_200), (1_200, 1_500)
"""Which of the sample's headlines are trained with, are more of them, an earlier model's, asked for in production."""
CHANGES: dict[str, Any] = {
    "model": {"kind": "linear", "max_tokens": 32},
    "train": {"epochs": 1, "learning_rate": 0.01, "batch_tokens": 1_024},
    "gate": {"floors": {"accuracy": 0.6}, "max_drops": {"calibration": 1, "slice_accuracy": 1, "label_f1": 1}},
    "runtime": {"max_drop": 0.3, "precision": "none"},
    "behaviours": None,
    "serve": {"log": {"text": "full", "measured_per_second": 100_000}},
}
"""How the pages' copies of the recipes differ: they train in seconds, on few texts, and ask little of the result."""


class World:
    """Makes things by their names, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, Path] = {}
        self.preloaded = Preloaded(folder)
        self._place: Place | None = None
        self._servers = ExitStack()
        self.truth = folder / "truth.json"
        self.truth.write_text(json.dumps(dict(headlines())))

    @cached_property
    def gdelt(self) -> str:
        """The address of a GDELT with some hundred articles."""
        from gdelt_server import made_up_articles, serve

        return f"{self._servers.enter_context(serve(made_up_articles(400))).url}"

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
            self._place = Place(self.folder / "made", self)
        return self._place

    def end(self) -> None:
        """End the process that has everything imported."""
        if self._place is not None:
            self._place.end()
        self.preloaded.end()
        self._servers.close()


@cache
def headlines() -> Sequence[tuple[str, str]]:
    """Return headlines of the built-in sample with their labels."""
    from copydesk.data.sample import headlines

    return headlines(ASKED[1])


def of(part: tuple[int, int]) -> Sequence[tuple[str, str]]:
    """Return the headlines of a part."""
    return headlines()[slice(*part)]


def write_rows(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str]) -> Path:
    """Write a CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([header, *rows])
    return path


def _rows(name: str, header: Sequence[str], part: tuple[int, int]) -> Callable[[World], Path]:
    return lambda world: write_rows(world.place.folder / name, of(part), header)


def _earlier(world: World) -> Path:
    """Write headlines of which a third have the wrong label: a model of them is easily surpassed."""
    other = {"news": "clickbait", "clickbait": "news"}
    rows = [(text, other[label] if place % 3 == 0 else label) for place, (text, label) in enumerate(of(EARLIER))]
    return write_rows(world.place.folder / "earlier.csv", rows, ("text", "label"))


def _reviews(world: World) -> Path:
    """Write the headlines as reviews that were liked (1) or not (0)."""
    rows = [(text, "1" if label == "news" else "0") for text, label in of(TRAINED)]
    path = write_rows(world.place.folder / "reviews.csv", rows, ("Review", "Liked"))
    lines = [f"{text}\t{liked}" for text, liked in [("Review", "Liked"), *rows]]
    path.with_suffix(".tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _texts(world: World) -> Path:
    import polars as pl

    path = world.place.folder / "2026" / "01.parquet"
    path.parent.mkdir()
    pl.DataFrame({"text": [text for text, _ in of(ASKED)]}).write_parquet(path)
    return path


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
            news = {"since": f"{SINCE:%Y-%m-%d}", "until": f"{UNTIL:%Y-%m-%d}", "endpoint": world.gdelt}
            values["source"][0]["gdelt"] = {"countries": ["Sweden", "United Kingdom"], **news, "seconds_per_request": 0}
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
    world.need("mlflow.db")
    place = world.place
    place.run("copydesk serve models:/clickbait@production --log log")
    texts = [text for text, _ in of(ASKED)]
    for start in range(0, len(texts), 50):
        body = json.dumps({"texts": texts[start : start + 50]})
        address = f"http://127.0.0.1:{place.ports['8000']}/v1/classify"
        place.run(f"curl -sf {address} -H 'Content-Type: application/json' -d @- > /dev/null <<'END'\n{body}\nEND\n")
    place.run("end-all")
    return place.folder / "log"


MAKERS: dict[str, Callable[[World], Path]] = {
    "headlines.csv": _rows("headlines.csv", ("text", "label"), TRAINED),
    "YOUR.csv": _rows("YOUR.csv", ("headline", "kind"), TRAINED),
    "MORE.csv": _rows("MORE.csv", ("headline", "kind"), MORE),
    "earlier.csv": _earlier,
    "reviews.csv": _reviews,
    "reviews.tsv": lambda world: world.made("reviews.csv").with_suffix(".tsv"),
    "2026/01.parquet": _texts,
    "encoder": _encoder,
    "recipes": _recipes,
    "datasets/clickbait-1": _by(
        "copydesk prepare recipes/clickbait.yaml", "datasets/clickbait-1", "recipes", "headlines.csv"
    ),
    "bundles/clickbait-1": _by(
        "copydesk train recipes/clickbait.yaml --data datasets/clickbait-1 --out bundles/clickbait-1",
        "bundles/clickbait-1",
        "datasets/clickbait-1",
    ),
    "bundles/earlier": _by(
        "copydesk train recipes/clickbait.yaml --data earlier.csv --out bundles/earlier",
        "bundles/earlier",
        "recipes",
        "earlier.csv",
    ),
    "bundles/restaurant-1": _by(
        "copydesk train recipes/restaurant.yaml --data reviews.tsv --out bundles/restaurant-1",
        "bundles/restaurant-1",
        "recipes",
        "reviews.csv",
    ),
    "bundles/signals-1": _by("copydesk run recipes/signals.yaml", "bundles/signals-1", "recipes"),
    "recipes/clickbait.yaml": lambda world: world.made("recipes") / "clickbait.yaml",
    "raw/signals-1.parquet": lambda world: world.made("bundles/signals-1").parents[1] / "raw" / "signals-1.parquet",
    "mlflow.db": _by(
        "copydesk register bundles/earlier\n"
        "copydesk promote clickbait 1 --force --reason 'the first one' --data earlier.csv",
        "mlflow.db",
        "bundles/earlier",
    ),
    "log": _log,
}
"""How each thing is made, by its path."""
