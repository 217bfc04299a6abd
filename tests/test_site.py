"""The documentation site: every page in its navigation, links that lead somewhere, references as the code has them."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from copydesk.recipe import Recipe, json_schema
from copydesk.recipe.base import sections_of
from copydesk.serve.explain_routes import Explanations
from copydesk.serve.job_routes import JobAnswers, JobState
from copydesk.serve.schemas import Answers, Invalid, Refusal

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
MADE_BY_THE_BUILD = {"changelog.md"}

sys.path.append(str(DOCS))

from links import anchors, broken, links, slug  # noqa: E402 (the scripts of docs/ are no package)
from make_reference import references  # noqa: E402
from make_site import as_python_markdown, documents, stage  # noqa: E402
from schema_words import default_of, reference_of, type_of  # noqa: E402


def _pages(navigation: Any) -> Iterator[str]:
    if isinstance(navigation, str):
        yield navigation
    elif isinstance(navigation, list):
        for one in navigation:
            yield from _pages(one)
    else:
        yield from _pages(list(navigation.values()))


def test_the_navigation_lists_every_page_once() -> None:
    listed = Counter(_pages(SITE["nav"]))
    assert {page: count for page, count in listed.items() if count > 1} == {}
    there = {path.name for path in DOCS.glob("*.md")} | MADE_BY_THE_BUILD
    assert there - set(listed) == set(), "Add these pages to `nav` in mkdocs.yml."
    assert set(listed) - there == set(), "These pages of mkdocs.yml do not exist."


def test_the_readme_lists_the_pages_as_the_navigation_does() -> None:
    rows = re.findall(r"^\| ([A-Z][\w ]+) \| (\[.*) \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    told = {
        part: [Path(page).name.replace("CHANGELOG", "changelog") for page in _linked(links)] for part, links in rows
    }
    assert told == {part: list(_pages(pages)) for one in SITE["nav"] for part, pages in one.items()}


def _linked(cell: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", cell)


def test_the_site_takes_nothing_from_elsewhere() -> None:
    assert SITE["theme"]["font"] is False
    assert not any("://" in str(SITE.get(key, "")) for key in ("extra_css", "extra_javascript", "theme"))
    assert "offline" not in str(SITE["plugins"])  # its pages fetch a script from a CDN


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    assert broken(documents()) == []


def test_a_link_to_a_missing_file_or_heading_is_named(tmp_path: Path) -> None:
    here, there = tmp_path / "here.md", tmp_path / "there.md"
    texts = {here: "[a](there.md#a-b) [b](there.md#c) [c](gone.md) [d](#here) `[e](code.md)`", there: "# A: *b*"}
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    assert broken(texts) == [
        "here.md links to there.md#c: no such heading",
        "here.md links to gone.md: no such file",
        "here.md links to #here: no such heading",
    ]


def test_what_stands_in_a_block_of_code_is_no_link_and_no_heading() -> None:
    text = "# One\n\n```text\n# Two\n[x](y.md)\n```\n\n![picture](images/z.png)\n"
    assert anchors(text) == {"one"} and [str(link) for link in links(text)] == ["images/z.png"]


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("What *retraining* does", "what-retraining-does"),
        ("`POST /v1/jobs`", "post-v1jobs"),
        ("Is it worth it?", "is-it-worth-it"),
        ("[Gate](gate.md): why", "gate-why"),
    ],
)
def test_headings_are_called_as_github_calls_them(heading: str, name: str) -> None:
    assert slug(heading) == name


def test_the_staged_pages_hold_copies_of_what_they_link_to(tmp_path: Path) -> None:
    stage(tmp_path)
    texts = {path: path.read_text("utf-8") for path in tmp_path.rglob("*.md")}
    assert broken(texts) == []
    assert (tmp_path / "files" / "deploy" / "index.md").exists() and (tmp_path / "changelog.md").exists()
    assert not any(link.path.startswith("../") for path in tmp_path.glob("*.md") for link in links(texts[path]))


def test_pipes_in_a_tables_code_are_pipes() -> None:
    assert as_python_markdown("| `a\\|b` | c\\|d |") == "| `a|b` | c\\|d |"


def test_what_stands_in_a_list_item_is_indented_as_the_site_wants_it() -> None:
    page = "- one\n  goes on\n\n  | a |\n  |---|\n\n  text\n\n```text\n  x\n\n  y\n```"
    assert (
        as_python_markdown(page) == "- one\n  goes on\n\n    | a |\n    |---|\n\n    text\n\n```text\n  x\n\n  y\n```"
    )


def test_the_generated_documents_are_what_the_code_makes() -> None:
    old = [name for name, text in references().items() if (DOCS / name).read_text("utf-8") != text]
    assert not old, "Run: make reference"


def test_every_recipe_key_says_what_it_is() -> None:
    def silent(section: type[BaseModel], before: str = "") -> Iterator[str]:
        for key, field in section.model_fields.items():
            below = sections_of(section, key)
            if not field.description and not below:
                yield before + key
            for part in below:
                yield from silent(part, f"{before}{key}.")

    assert list(silent(Recipe)) == []


def test_defaults_that_the_recipes_page_states_are_the_codes() -> None:
    """Its tables teach and may say more than a value; a lone value must be the right one."""
    schema = json_schema()
    by_section = {"Top level": schema, "source": schema["$defs"]["SourceFile"]}
    by_section |= {name.lower(): part for name, part in schema["$defs"].items() if name.lower() not in by_section}
    checked = 0
    for block in re.split(r"^## ", (DOCS / "recipe.md").read_text("utf-8"), flags=re.MULTILINE)[1:]:
        part = by_section.get(block.splitlines()[0].strip("`"))
        for key, default in re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", block, re.MULTILINE):
            if part and key in part["properties"] and re.fullmatch(r"[\d.,]+|[a-z_0-9]+", default):
                found = default_of(part, key).strip("`")
                if found and default not in ("none", "yes"):
                    assert _number(default) == _number(found), f"{block.splitlines()[0]}: {key}"
                    checked += 1
    assert checked > 40


def _number(text: str) -> float | str:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text


@pytest.mark.parametrize("model", [Answers, Invalid, Refusal, JobState, JobAnswers, Explanations])
def test_examples_of_answers_are_such_answers(model: type[BaseModel]) -> None:
    examples: Any = model.model_config["json_schema_extra"]
    for example in examples["examples"]:
        assert model.model_validate(example).model_dump(mode="json", exclude_unset=True) == example


def test_a_schema_is_told_in_words() -> None:
    assert type_of({"type": "number", "minimum": 0, "exclusiveMaximum": 1}) == "number ≥ 0, < 1"
    assert type_of({"anyOf": [{"type": "string"}, {"type": "null"}]}) == "text or null"
    assert type_of({"type": "array", "items": {"enum": ["a", "b"]}}) == "list of `a`, `b`"
    assert type_of({"type": "object", "additionalProperties": {"$ref": "#/$defs/Rule"}}) == "by name: [Rule](#rule)"
    assert default_of({"properties": {"a": {"default": None}}}, "a") == "none"
    assert list(reference_of({"items": {"$ref": "#/$defs/X"}})) == [("X", ".N")]


def test_the_capacity_page_states_only_figures_of_other_documents() -> None:
    """Figures have one place, the log; what is derived from them stands in tables of servers."""
    sources = "".join(
        path.read_text("utf-8") for path in [ROOT / "README.md", *DOCS.glob("*.md")] if path.name != "capacity.md"
    )
    known = set(re.findall(r"[\d,.]*\d", sources))
    for section in re.split(r"^## ", (DOCS / "capacity.md").read_text("utf-8"), flags=re.MULTILINE)[1:]:
        if not section.startswith("How many servers"):
            rows = [line for line in section.splitlines() if line.startswith("|")]
            missing = set(re.findall(r"[\d,.]*\d", "\n".join(rows))) - known
            assert not missing, section.splitlines()[0]


def test_the_number_of_servers_follows_from_its_rule() -> None:
    page = (DOCS / "capacity.md").read_text("utf-8")
    rates = [float(rate) for rate in re.findall(r"\((\d+) each\)", page)]
    rows = re.findall(r"^\| ([\d,]+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    assert len(rates) == 2 and len(rows) == 4
    for peak, *servers in rows:
        assert [int(count) for count in servers] == [-(-float(peak.replace(",", "")) // rate) + 1 for rate in rates]


def test_pictures_of_the_pages_are_small_enough_to_travel() -> None:
    pictures = list((DOCS / "images").glob("*.png"))
    assert len(pictures) >= 8 and all(path.stat().st_size < 200_000 for path in pictures)


def test_every_alert_has_its_place_in_the_incident_page_or_its_own() -> None:
    alerts = (DOCS / "alerts.md").read_text("utf-8")
    named = re.findall(r"Copydesk[A-Z]\w+", (DOCS / "incidents.md").read_text("utf-8"))
    assert named and all(f"### {name}" in alerts for name in named)
