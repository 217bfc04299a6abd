"""What each page needs beforehand, what of it is replaced and why, and what is not run and why.

A page that is not in `NEEDS` runs as it stands, in an empty folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from documents.pages import ROOT
from documents.place import Place


@dataclass(frozen=True)
class Replaced:
    """What the page says, what is run in its place (with the place's `values` in braces), and why."""

    old: str
    new: str
    why: str


@dataclass(frozen=True)
class NotRun:
    """A block that is not run, known by its first line, and why."""

    first_line: str
    why: str


@dataclass(frozen=True)
class Fails:
    """A command that must end with this exit code."""

    command: str
    code: int
    why: str


@dataclass(frozen=True)
class Needs:
    """What a page needs. `python` is run before its first Python block."""

    made: tuple[str, ...] = ()
    before: tuple[Callable[[Place], object], ...] = ()
    replaced: tuple[Replaced, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    fails: tuple[Fails, ...] = ()
    python: str = ""


def repository(place: Place) -> None:
    """Let the page find the repository's own `deploy/`."""
    (place.folder / "deploy").symlink_to(ROOT / "deploy")


def copied(made: str, name: str) -> Callable[[Place], Path]:
    """Return what gives something that is made a name of the page's own."""
    return lambda place: place.take(made, name)


MODEL = ("recipes", "headlines.csv", "datasets/clickbait-1", "bundles/clickbait-1")
REGISTERED = (*MODEL, "mlflow.db")

NEEDS: dict[str, Needs] = {
    "README.md": Needs(made=("recipes", "YOUR.csv", "MORE.csv")),
    "docs/registry.md": Needs(made=REGISTERED),
    "docs/serve.md": Needs(made=MODEL),
}
