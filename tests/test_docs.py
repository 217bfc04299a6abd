"""What the documents say, held against what is there."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

import copydesk
from copydesk.cli.main import app
from copydesk.data.trained_on import MOST_SKETCHES
from copydesk.monitor.queue import POOL
from copydesk.monitor.reference import MOST_TEXTS
from copydesk.recipe import Recipe, json_schema
from copydesk.recipe.base import sections_of
from copydesk.remote.base import CONNECT_TIMEOUT_S, READ_TIMEOUT_S
from copydesk.retraining.run import LEAST
from copydesk.serve.metrics import DECLARED, JOBS, JOBS_TEXT
from copydesk.serve.schemas import MAX_JOB_TEXTS
from copydesk.signals.aggregate import MOST_PLACES
from copydesk.signals.windows import MOST_WINDOWS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PIN = re.compile(r"[A-Za-z0-9._-]+==[^=@/:\s]+")


def _source_files() -> set[str]:
    folder = ROOT / "src" / "copydesk"
    kinds = (".py", ".html", ".css", ".js", ".svg", ".yaml")
    kept = (path for path in folder.rglob("*") if path.suffix in kinds and path.name != "__init__.py")
    return {path.relative_to(folder).as_posix() for path in kept if "__pycache__" not in path.parts}


def test_the_readmes_map_lists_every_file_with_a_comment() -> None:
    block = README.split("```text\nsrc/copydesk/\n")[1].split("```")[0]
    listed: set[str] = set()
    folders: list[str] = []
    for line in filter(str.strip, block.splitlines()):
        name, _, comment = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2 - 1
        folders = folders[:depth]
        if name.endswith("/"):
            folders.append(name)
        else:
            listed.add("".join(folders) + name)
            assert comment.strip(), f"{name} has no comment"
    assert listed == _source_files()


def test_the_architecture_names_every_folder_of_the_code() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    section = page.split("## In the code")[1].split("\n## ")[0]
    named = re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE)[1:]))
    assert sorted(named) == sorted({path.split("/")[0] for path in _source_files() if "/" in path})


def test_the_changelogs_newest_version_is_the_packages() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest is not None and newest[1] == copydesk.__version__


def test_every_recipe_key_is_documented() -> None:
    reference = (ROOT / "docs" / "recipe.md").read_text("utf-8")

    def keys(section: type[BaseModel]) -> set[str]:
        own = set(section.model_fields)
        below = (part for key in own for part in sections_of(section, key))
        return own.union(*(keys(part) for part in below))

    missing = {key for key in keys(Recipe) if f"`{key}`" not in reference}
    assert not missing


def test_the_published_json_schema_is_the_recipes() -> None:
    assert json.loads((ROOT / "docs" / "recipe.schema.json").read_text("utf-8")) == json_schema()


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command with its whole name, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def test_every_command_has_a_section_with_its_options_and_no_others() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    sections = dict(re.findall(r"^### `copydesk ([a-z ]+?)(?: [A-Z\[][^`]*)?`\n(.*?)(?=^##|\Z)", page, re.M | re.S))
    found = dict(_commands(typer.main.get_command(app)))
    assert set(sections) == set(found)
    of_all = {"--json", "--quiet", "--debug", "--help"}
    for name, command in found.items():
        taken = {one for parameter in command.params for one in (*parameter.opts, *parameter.secondary_opts)}
        first_cells = re.findall(r"^\| (`--.*?) \| ", sections[name], re.M)
        told = " ".join([*first_cells, *re.findall(r"\*Also\* ([^|]*?)\.\n", sections[name])])
        assert set(re.findall(r"--[a-z-]+", told)) == {one for one in taken if one.startswith("--")} - of_all, name


def test_every_metric_is_documented_as_it_is_declared() -> None:
    reference = (ROOT / "docs" / "serve.md").read_text("utf-8")
    for name, metric in DECLARED.items():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        assert f"| `{name}` | {labels} | {metric.kind.__name__}. {metric.text} |" in reference
    assert f"| `{JOBS}` | `status` | Gauge. {JOBS_TEXT} |" in reference


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("retrain.md", f"a pool of some {POOL:,} texts"),
        ("retrain.md", f"up to {MOST_TEXTS:,} texts of the last days"),
        ("retrain.md", f"fewer than `--least` ({LEAST}) answers"),
        ("sources.md", f"A connection has {CONNECT_TIMEOUT_S:g} s, silence {READ_TIMEOUT_S:g} s."),
        ("jobs.md", f"takes up to {MAX_JOB_TEXTS:,}"),
        ("bundle.md", f"From {MOST_SKETCHES:,} texts of a part on"),
        ("signals-report.md", f"{MOST_WINDOWS} windows are the most"),
        ("signals-report.md", f"beyond the {MOST_PLACES} largest"),
    ],
)
def test_a_number_that_a_page_states_is_the_codes(page: str, said: str) -> None:
    assert said in (ROOT / "docs" / page).read_text("utf-8")


def test_every_environment_variable_is_documented() -> None:
    used = {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r'"(COPYDESK_[A-Z_]+)"', path.read_text("utf-8"))
    }
    documents = "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert used and all(name in documents for name in used)


def test_constraints_are_exact_pins_without_addresses() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line and line[0] != "#"]
    assert all(PIN.fullmatch(line) for line in lines)
    assert "torch==2.13.0" in lines


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[\[<>=! ]", requirement)[0].lower().replace("_", "-") for requirement in wanted} - {"copydesk"}
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    assert names <= pinned


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
