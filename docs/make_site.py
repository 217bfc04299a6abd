"""Build the documentation site: `python docs/make_site.py` (`make docs`) writes build/site.

The documents are read on GitHub as well, so they stay as they are. They are copied to build/docs first, with what they
link to outside this folder (files of deploy/, the changelog) beside them as pages of their own, so that the site is
whole by itself. Zensical then builds it in its strict mode: a link or a heading that is not there ends it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from links import Link, broken, links

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
STAGED = ROOT / "build" / "docs"
SITE = ROOT / "build" / "site"
CHANGES = "changelog.md"
LARGEST = 40_000
"""Larger files (Grafana's dashboards) are offered as they are, not shown: nobody reads them on a page."""
LANGUAGES = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".json": "json", ".sh": "bash", ".toml": "toml"}


def stage(staged: Path) -> None:
    """Copy the documents, their pictures and what they link to outside `docs/` into an empty folder."""
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(DOCS, staged, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(ROOT / "src" / "copydesk" / "serve" / "page" / "mark.svg", staged / "images")
    outside: set[Path] = set()
    for page in DOCS.glob("*.md"):
        (staged / page.name).write_text(_inside(page, outside), "utf-8")
    (staged / CHANGES).write_text(_inside(ROOT / "CHANGELOG.md", outside), "utf-8")
    for path in sorted(outside):
        _include(path, staged)


def _inside(page: Path, outside: set[Path]) -> str:
    """Return a page's text with its links that leave `docs/` led to copies; add what these are of to `outside`."""
    text = page.read_text("utf-8")
    for link in {link for link in links(text) if link.path}:
        target = (page.parent / link.path).resolve()
        if target.is_relative_to(DOCS):
            new = Link(target.relative_to(DOCS).as_posix(), link.anchor)
        else:
            new = Link(_page_of(target), link.anchor)
            outside.add(target)
        text = text.replace(f"]({link})", f"]({new})")
    return as_python_markdown(text)


def as_python_markdown(text: str) -> str:
    """Return a page as Python-Markdown wants it, where GitHub is content with less.

    What stands in list items below an empty line is indented by four, and in a table's code a pipe is itself.
    """
    lines, fenced, before, deep = [], False, "", False
    for line in text.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        own = re.match(r" {1,3}(?=\S)", line)
        deep = bool(own) and not fenced and (deep or not before.strip())
        line = f"    {line.lstrip()}" if deep else line
        is_row = line.startswith("|") and not fenced
        lines.append(re.sub(r"`[^`]+`", lambda code: code[0].replace("\\|", "|"), line) if is_row else line)
        before = line
    return "\n".join(lines)


def _page_of(path: Path) -> str:
    """Return the page, from the site's root, that shows a file or folder of the repository."""
    if path == ROOT / "CHANGELOG.md":
        return CHANGES
    if path == ROOT / "README.md":
        return "index.md"
    return f"files/{path.relative_to(ROOT).as_posix()}{'/index.md' if path.is_dir() else '.md'}"


def _include(path: Path, staged: Path) -> None:
    """Write a file's page, or a folder's and those of all that is in it."""
    if path in (ROOT / "CHANGELOG.md", ROOT / "README.md"):
        return
    inner = _files_of(path) if path.is_dir() else []
    for file in inner:
        _include(file, staged)
    page = staged / _page_of(path)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(_listing(path, inner) if path.is_dir() else _shown(path, page), "utf-8")


def _files_of(folder: Path) -> list[Path]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]


def _listing(folder: Path, files: list[Path]) -> str:
    names = [file.relative_to(folder).as_posix() for file in files]
    rows = "\n".join(f"- [`{name}`]({name}.md)" for name in names)
    return (
        f"# {folder.relative_to(ROOT).as_posix()}/\n\nFiles of the repository, as they are in this version.\n\n{rows}\n"
    )


def _shown(path: Path, page: Path) -> str:
    shutil.copy(path, page.parent / path.name)
    title = f"# {path.relative_to(ROOT).as_posix()}\n\n[The file as it is]({path.name})\n"
    if path.stat().st_size > LARGEST:
        return title
    return f"{title}\n~~~~{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text('utf-8').rstrip()}\n~~~~\n"


def documents() -> dict[Path, str]:
    """Return what is read on GitHub and in the site, by path."""
    paths = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
    return {path: path.read_text("utf-8") for path in paths}


def build() -> int:
    """Build the site and return the exit code."""
    if faults := broken(documents()):
        sys.stderr.write("".join(f"{fault}\n" for fault in faults))
        return 1
    stage(STAGED)
    zensical = Path(sys.executable).with_name("zensical")
    if not zensical.exists():
        sys.stderr.write(f"{zensical} is not there. It comes with the extra `dev`: pip install 'copydesk[dev]'.\n")
        return 2
    shutil.rmtree(SITE, ignore_errors=True)
    command = [str(zensical), "build", "--clean", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        told = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        sys.stderr.write(told.partition("Traceback")[0])
    return done.returncode


if __name__ == "__main__":
    sys.exit(build())
