"""Which commit the working folder is at; nothing where git is missing or there is no repository."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

_SECONDS = 5


@dataclass(frozen=True)
class Commit:
    """A commit, and whether tracked files differ from it."""

    sha: str
    changed: bool

    def __str__(self) -> str:
        return f"{self.sha}+" if self.changed else self.sha


def commit_of(folder: str | None = None) -> Commit | None:
    """Return the commit of the folder's repository; None outside of one."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=True, errors="replace"
        )
        return done.stdout.strip()

    try:
        return Commit(git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no")))
    except (OSError, subprocess.SubprocessError):
        return None
