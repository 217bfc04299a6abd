"""A project's folder on the disk, whole or not at all, and a git repository in it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from copydesk.errors import CopydeskError, UsageError
from copydesk.files import new_folder
from copydesk.project.contents import SAMPLED, contents
from copydesk.recipe.recipe import NAME

_SECONDS = 30
_SAMPLE = "It starts on the built-in sample, which says nothing about the world; README.md says how to change over."
_TEXTS = {
    "clickbait": "The first run downloads its texts from GitHub.",
    "arxiv": "Before the first run put Kaggle's file at data/arxiv-metadata-oai-snapshot.json; see README.md.",
    "restaurant": "Before the first run put your reviews at data/reviews.tsv; see README.md.",
    "signals": "The first run collects news from GDELT for about 20 minutes.",
    "tweets": "The first run downloads its texts from the Hugging Face Hub.",
    "blank": "data/texts.csv holds made-up messages, so that it runs at once: put your own texts there.",
}
_WITHOUT_GIT = "[core]\n    no_scm = true\n"


@dataclass(frozen=True)
class Project:
    """A project as it was written. `git` says whether it is part of a repository: its own, or one around it."""

    path: Path
    recipe: str
    model: str
    sample: bool
    files: int
    git: bool

    @property
    def notes(self) -> list[str]:
        """What to know before the first run."""
        texts = _TEXTS[self.recipe] if not self.sample else _SAMPLE
        outside = [] if self.git else ["Not in git: DVC runs without it, and keeps no history."]
        return [f"{self.files} files in {self.path}", texts, *outside]

    @property
    def commands(self) -> list[str]:
        """What to type next, in order."""
        return [f"cd {shlex.quote(str(self.path))}", "dvc repro", f"copydesk serve models:/{self.model}@production"]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "path": str(self.path), "notes": self.notes, "commands": self.commands}


def write_project(path: Path, kind: str, *, sample: bool | None = None, git: bool = True) -> Project:
    """Write a new project. `sample` of None: on the built-in texts where the recipe has some.

    Raises `UsageError` for a name that is none, a folder that exists, a recipe or a sample that there is not;
    `CopydeskError` if it cannot be written, or git makes no repository of it.
    """
    name = path.name
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"'{name}' is no name for a project: up to 64 small letters, digits, '.', '_' and '-', the first a letter "
            f"or digit, e.g. {_nearest(name)}."
        )
    if path.exists():
        raise UsageError(f"'{path}' exists already, and nothing is overwritten. Choose another name, or remove it.")
    if sample and kind not in SAMPLED:
        raise UsageError(
            f"Recipe '{kind}' has no built-in sample; {' and '.join(SAMPLED)} have one. Leave --source out."
        )
    on_sample = kind in SAMPLED if sample is None else sample
    files = contents(name, kind, sample=on_sample)
    in_repository = git and shutil.which("git") is not None
    with new_folder(path) as folder:
        for relative, content in files.items():
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o755 if content.startswith(b"#!") else 0o644)
        if not in_repository:
            config = folder / ".dvc" / "config"
            config.write_text(config.read_text("utf-8").replace("[core]\n", _WITHOUT_GIT), "utf-8")
        elif not _inside_repository(folder):
            _begin_repository(folder)
    model = name if kind == "blank" else kind
    return Project(path, kind, model, on_sample, len(files), in_repository)


def _inside_repository(folder: Path) -> bool:
    try:
        _git(folder, "rev-parse", "--is-inside-work-tree")
    except subprocess.SubprocessError:
        return False
    return True


def _begin_repository(folder: Path) -> None:
    try:
        _git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    except subprocess.SubprocessError as error:
        told = getattr(error, "stderr", b"") or str(error).encode()
        raise CopydeskError(
            f"git made no repository: {' '.join(told.decode('utf-8', 'replace').split())}. It must be 2.28 or newer; "
            "--no-git leaves it out."
        ) from None


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, timeout=_SECONDS)


def _nearest(name: str) -> str:
    """Return a name that may be used and resembles this one."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64]
    return plain or "news-desk"
