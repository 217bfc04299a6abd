"""The wheel and the sdist: built, compared, and what is in them held against what should be.

It builds with what is installed (`python -m build`), and knows nothing of where packages are published.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDED = (
    "py.typed",
    "recipes/clickbait.yaml",
    "recipes/behaviours/clickbait.yaml",
    "recipes/keywords/signals.yaml",
    "templates/report.html",
    "serve/page/index.html",
    "review/page/index.html",
    "data/sample_grammar.yaml",
)
"""Files without which an installed Copydesk fails only when somebody uses it."""
SDIST_FOLDERS = ("src", "recipes", "tests", "docs", "bench", "deploy", "release", ".github", ".ci")
UNWANTED = ("__pycache__", ".pyc", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".DS_Store", ".env", "mlflow.db")


def build(out: Path, *, source: Path = ROOT, epoch: int) -> tuple[Path, Path]:
    """Build sdist and, from it, the wheel, as of a time in seconds; return wheel and sdist.

    Raises `subprocess.CalledProcessError` with what the build wrote.
    """
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(source)]
    subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def build_wheel(out: Path, *, source: Path = ROOT, epoch: int) -> Path:
    """Build the wheel straight from a folder of sources, without a sdist between."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(source)]
    subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return next(out.glob("*.whl"))


def digest(file: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def names_in(package: Path) -> list[str]:
    """Return the names of a wheel's files, or of a sdist's without its outermost folder."""
    if package.suffix == ".whl":
        return zipfile.ZipFile(package).namelist()
    with tarfile.open(package) as archive:
        return [entry.name.partition("/")[2] for entry in archive.getmembers() if entry.isfile()]


def faults_of_wheel(names: Iterable[str], tracked: Iterable[str]) -> list[str]:
    """Return what is wrong with a wheel's files, given those that git knows.

    Every tracked file of the package must be in it, and nothing else.
    """
    names = set(names)
    own = {name for name in names if not name.startswith("copydesk-")}
    wanted = {moved for name in tracked if (moved := _in_wheel(name))}
    faults = [f"missing from the wheel: {name}" for name in sorted(wanted - own)]
    faults += [f"in the wheel, and not in the sources: {name}" for name in sorted(own - wanted)]
    faults += [f"missing from the wheel: copydesk/{name}" for name in NEEDED if f"copydesk/{name}" not in names]
    return faults + _unwanted(names)


def faults_of_sdist(names: Iterable[str], tracked: Iterable[str]) -> list[str]:
    """Return what is wrong with a sdist's files: it holds what builds the wheel and what tests it."""
    names = set(names)
    wanted = {name for name in tracked if name.split("/")[0] in SDIST_FOLDERS}
    wanted |= {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt"}
    return [f"missing from the sdist: {name}" for name in sorted(wanted - names)] + _unwanted(names)


def tracked_files(root: Path = ROOT) -> list[str]:
    """Return the files that git knows, as paths from the root."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True)
    return [name for name in done.stdout.split("\0") if name]


def _in_wheel(name: str) -> str:
    """Return where a tracked file is in the wheel, as pyproject.toml says; "" where it is not."""
    if name.startswith("src/copydesk/"):
        return name.removeprefix("src/")
    for source, target in shipped().items():
        if name == source or name.startswith(f"{source}/"):
            return target + name.removeprefix(source)
    return ""


@cache
def shipped() -> dict[str, str]:
    """Return what of the checkout travels in the wheel beside the sources, and where it is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: dict[str, str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    return found


def _unwanted(names: Iterable[str]) -> list[str]:
    return [f"does not belong there: {name}" for name in sorted(names) if any(part in name for part in UNWANTED)]
