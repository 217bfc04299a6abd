"""Whether a checkout may become a release: all committed, a changelog that tells of this version, a place for it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from release.packages import ROOT

_HEADING = re.compile(r"^## (?P<version>\S+) (?:—|-) (?P<when>.+)$", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_RELEASED = ("copydesk-*.whl", "copydesk-*.tar.gz", "copydesk-*.cdx.json", ".gitignore")
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")


@dataclass(frozen=True)
class Checkout:
    """What a release is made of: the version, the newest heading of the changelog, what git knows."""

    version: str
    changelog: str
    uncommitted: tuple[str, ...]
    tags: tuple[str, ...]
    committed_at: int

    @property
    def tag(self) -> str:
        """The tag that publishes this version."""
        return f"v{self.version}"


def checkout(root: Path = ROOT) -> Checkout:
    """Read a checkout. Raises `subprocess.CalledProcessError` where there is no git repository."""
    source = (root / "src" / "copydesk" / "__init__.py").read_text("utf-8")
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    assert version is not None, "src/copydesk/__init__.py names no __version__"
    return Checkout(
        version[1],
        (root / "CHANGELOG.md").read_text("utf-8"),
        tuple(_git(root, "status", "--porcelain").splitlines()),
        tuple(_git(root, "tag", "--list").split()),
        int(_git(root, "log", "-1", "--format=%ct")),
    )


def faults_of(found: Checkout, *, tag: str | None = None, dated: bool = False) -> list[str]:
    """Return why a checkout is no release yet; `tag` is the one that was pushed, `dated` asks for a date beside it."""
    newest = _HEADING.search(found.changelog)
    faults = [f"not committed: {line}" for line in found.uncommitted]
    if not VERSION.fullmatch(found.version):
        faults.append(f"__version__ is {found.version!r}; expected is one like 1.2.3 or 1.2.3rc1.")
    if newest is None or newest["version"] != found.version:
        told = newest["version"] if newest else "no version"
        faults.append(f"CHANGELOG.md tells of {told}, and __version__ is {found.version}. Write what is new under it.")
    elif dated and not _DATE.fullmatch(newest["when"].strip()):
        faults.append(f"CHANGELOG.md calls {found.version} {newest['when']!r}. Write the day, as 2026-12-01.")
    if tag is not None and tag != found.tag:
        faults.append(f"the tag is {tag!r}, and __version__ is {found.version}. Expected is {found.tag}.")
    if tag is None and found.tag in found.tags:
        faults.append(f"the tag {found.tag} exists. Raise __version__ in src/copydesk/__init__.py.")
    return faults


def faults_of_folder(out: Path) -> list[str]:
    """Return why a folder may not be replaced by a release: it holds what none put there."""
    files = sorted(out.iterdir()) if out.is_dir() else [out] if out.exists() else []
    strange = [file.name for file in files if not any(fnmatch(file.name, form) for form in _RELEASED)]
    return [f"--out '{out}' would be replaced, and holds {', '.join(strange[:5])}. Name another."] if strange else []


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout
