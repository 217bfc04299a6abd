"""What git says of the recipe that a bundle was trained with: whether it is checked in, unchanged, and reviewed.

A review is believed where git itself shows a second person: a `Reviewed-by` line, a committer who is not the author (as
merged pull requests have), or a later merge by somebody else. What that person looked at it does not know.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copydesk.errors import CopydeskError, Undecided
from copydesk.recipe import Recipe, load_recipe

_FORMAT = "%h%x1f%ae%x1f%ce%x1f%aI%x1f%b"
_TIMEOUT_S = 30
_TRAILERS = ("reviewed-by:", "approved-by:")


@dataclass(frozen=True)
class CheckedIn:
    """A recipe file in git: its last commit, whether it was edited since, what differs from the bundle's, who read it.

    `reviewed` says how git shows a second person; empty where it does not.
    """

    path: str
    commit: str
    date: str
    edited: bool
    differs: list[str]
    reviewed: str


def checked_in(recipe: Recipe, folder: Path) -> CheckedIn:
    """Find the recipe of this name among the files that git tracks; of several the one that differs least.

    Raises `Undecided` where there is no git, no repository or no such file.
    """
    root = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    found = []
    for name in _git(root, "ls-files", "-z", "--", "*.yaml", "*.yml").split("\0"):
        differs = _differences(root / name, recipe) if name else None
        if differs is not None:
            found.append((len(differs), name, differs))
    if not found:
        raise Undecided(
            f"no recipe named '{recipe.name}' is checked in in '{root}'; commit it, or run this where it is"
        )
    _, name, differs = min(found)
    edited = bool(_git(root, "status", "--porcelain", "--", name).strip())
    commit, author, committer, date, body = _git(root, "log", "-1", f"--format={_FORMAT}", "--", name).split("\x1f", 4)
    return CheckedIn(name, commit, date[:10], edited, differs, _review(root, commit, (author, committer), body))


def _review(root: Path, commit: str, people: tuple[str, str], body: str) -> str:
    for line in body.splitlines():
        if line.lower().startswith(_TRAILERS):
            return line.strip()
    if people[0] != people[1]:
        return "committed by another than its author"
    merges = _git(root, "log", "--merges", "--ancestry-path", "--format=%ae", f"{commit}..HEAD").split()
    return "merged by another than its author" if any(person != people[0] for person in merges) else ""


def _differences(path: Path, recipe: Recipe) -> list[str] | None:
    """Return the sections in which a file differs from the bundle's recipe; None for a file that is another's."""
    try:
        if f"name: {recipe.name}" not in path.read_text("utf-8"):
            return None
        other = load_recipe(path)
    except (CopydeskError, OSError, ValueError):
        return None
    if other.name != recipe.name:
        return None
    mine, theirs = _comparable(recipe), _comparable(other)
    for values in (mine, theirs):
        values["behaviours"] = values["behaviours"] is not None  # the bundle has the file itself
    if other.separator == "auto":
        mine.pop("separator"), theirs.pop("separator")  # decided when the data was read
    return [key for key in mine if mine[key] != theirs.get(key)]


def _comparable(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's values with paths as file names: where the folder lay differs between machines."""

    def placed(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
        if isinstance(value, dict):
            return {key: placed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [placed(inner) for inner in value]
        return Path(value).name if isinstance(value, str) and value.startswith("/") else value

    found: dict[str, Any] = placed(json.loads(recipe.model_dump_json()))
    return found


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
        )
    except FileNotFoundError:
        raise Undecided("git is not installed, so nothing is known of reviews") from None
    except subprocess.TimeoutExpired:
        raise Undecided(f"git did not answer within {_TIMEOUT_S} s") from None
    except subprocess.CalledProcessError:
        raise Undecided(
            f"'{folder.resolve()}' is in no git repository; run this where the recipe is checked in"
        ) from None
    return done.stdout
