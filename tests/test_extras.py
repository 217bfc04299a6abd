"""What a command says where a part of Copydesk is not installed, and the tables behind it, held against what is."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from copydesk.cli.main import app
from copydesk.errors import MissingExtra
from copydesk.extras import BROUGHT_BY, NEEDED_BY, missing_extra, whole

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = {canonicalize_name(name): wanted for name, wanted in PROJECT["optional-dependencies"].items()}


@cache
def _closure(extra: str) -> frozenset[str]:
    """Return every distribution that an extra brings ("": the base install), by what is installed here."""
    todo = [Requirement(text) for text in (EXTRAS[extra] if extra else PROJECT["dependencies"])]
    done: set[str] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name == "copydesk":
            todo += [Requirement(text) for below in requirement.extras for text in EXTRAS[below]]
            continue
        for extra_of in ("", *requirement.extras):
            if f"{name}[{extra_of}]" not in done:
                done.add(f"{name}[{extra_of}]")
                todo += _wanted(name, extra_of)
    return frozenset(entry.partition("[")[0] for entry in done)


def _wanted(name: str, extra: str) -> list[Requirement]:
    try:
        found = [Requirement(text) for text in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:  # for another platform
        return []
    return [entry for entry in found if entry.marker is None or entry.marker.evaluate({"extra": extra})]


@cache
def _distributions() -> dict[str, set[str]]:
    found = metadata.packages_distributions()
    return {module: {canonicalize_name(name) for name in names} for module, names in found.items()}


def _brings(extra: str, module: str) -> bool:
    return bool(_distributions()[module] & _closure(extra))


def _imported() -> set[str]:
    """Return the modules of others that the sources import, at the top of a file or in a function."""
    names: set[str] = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"copydesk"}


def test_every_module_that_is_imported_comes_with_the_base_install_or_with_an_extra() -> None:
    nowhere = {module for module in _imported() if module not in BROUGHT_BY and not _brings("", module)}
    assert not nowhere


@pytest.mark.parametrize("module", BROUGHT_BY)
def test_the_extras_that_bring_a_module_do(module: str) -> None:
    assert not _brings("", module), "the base install has it"
    assert BROUGHT_BY[module] and all(_brings(extra, module) for extra in BROUGHT_BY[module])


def test_the_commands_and_extras_in_the_table_exist() -> None:
    commands = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    names = {f"{group} {name}" for group, own in commands.items() for name in getattr(own, "commands", ())}
    assert set(NEEDED_BY) <= set(commands) | names
    assert {extra for needed in NEEDED_BY.values() for extra in needed.split(",")} <= set(EXTRAS)


def test_a_command_names_the_extra_that_is_enough_for_it() -> None:
    assert "pip install 'copydesk[train]'" in str(missing_extra("train", "polars.exceptions"))
    assert "pip install 'copydesk[data]'" in str(missing_extra("prepare", "polars"))
    assert "pip install 'copydesk[monitor]'" in str(missing_extra("monitor report", "polars"))
    assert "pip install 'copydesk[data]'" in str(missing_extra("predict", "polars")), "the first that brings it"
    assert "pip install 'copydesk[data,monitor]'" in str(missing_extra("monitor queue", "pyarrow"))
    assert missing_extra("train", "no_such_module") is None


def test_what_a_part_says_is_replaced_by_what_is_enough_for_the_command() -> None:
    reading = MissingExtra("Reading data", "data", "polars")
    assert whole("train", reading).extra == "train"
    assert whole("prepare", reading) is reading
    jobs = MissingExtra("A job store in Redis", "jobs", "celery")
    assert whole("serve", jobs) is jobs, "serve does not bring celery"


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["train", "recipe.yaml"], "train"),
        (["prepare", "recipe.yaml"], "data"),
        (["evaluate", "bundle", "data.csv"], "data"),
        (["monitor", "feedback", "data.csv", "--log", "log"], "data,monitor"),
        (["monitor", "report", "bundle", "--log", "log"], "monitor"),
    ],
)
def test_a_command_without_its_extra_says_how_to_get_it(words: list[str], extra: str, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(BROUGHT_BY)!r}))\n"
        "from copydesk.cli.main import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"Run: pip install 'copydesk[{extra}]'" in done.stderr and len(done.stderr.splitlines()) == 1
