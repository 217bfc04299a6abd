"""The description's page: one file that asks for nothing, whatever stands in texts and labels."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from copydesk.data.sources import read_sources, source_of_path
from copydesk.describe.facts import Facts, Finding, LanguageFacts, Pair
from copydesk.describe.page import _alike, render_description
from copydesk.describe.plots import growth_svg, length_svg, ranks_svg
from copydesk.describe.run import describe
from copydesk.recipe import parse_recipe
from fakes import toy_rows
from test_describe import NOWHERE, write_rows

SECTIONS = ["first", "rows", "labels", "lengths", "copies", "languages", "time", "words", "signs", "prepare", "how"]
OF_SEVERAL = ["first", "rows", "labels", "together", "lengths"]
OF_SIGNALS = ["first", "rows", "labels", "strength", "together", "lengths"]


def facts_from(folder: Path, rows: list[dict[str, Any]], **values: Any) -> Facts:
    return describe(parse_recipe({"name": "toy", **NOWHERE, **values}), write_rows(folder / "rows.jsonl", rows))


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Return what is found about toy texts with dates, signs and a pair that is alike."""
    rows = [
        {"text": f"{text}?" if label == "sport" else text, "label": label, "date": f"2026-{1 + n % 9:02}-01"}
        for n, (text, label) in enumerate(toy_rows(120))
    ]
    return facts_from(tmp_path_factory.mktemp("page"), [*rows, {**rows[0], "text": rows[0]["text"] + "!"}])


@pytest.fixture(scope="module")
def page(facts: Facts) -> str:
    """Return these facts' page: drawing its plots takes most of the time."""
    return render_description(facts)


def sections(page: str) -> list[str]:
    return re.findall(r'<section aria-labelledby="([^"]+)"', page)


def test_importing_the_page_imports_neither_jinja_nor_matplotlib() -> None:
    script = "import sys, copydesk.describe.page; sys.exit(bool({'jinja2', 'matplotlib', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_page_asks_for_nothing(page: str) -> None:
    assert all(link.startswith("#") for link in re.findall(r'(?:src|href|srcset)="([^"]*)"', page))
    assert not re.search(r"<(?:script|link|iframe|img|object)\b|@import|url\((?!#)", page)


def test_sections_stand_in_their_order_and_the_navigation_leads_to_each(page: str) -> None:
    assert sections(page) == SECTIONS
    assert re.findall(r'<a href="#([^"]+)"', page) == SECTIONS
    assert set(SECTIONS) <= set(re.findall(r'id="([^"]+)"', page))


def test_ids_in_the_page_are_unique(page: str) -> None:
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_same_facts_give_the_same_page(facts: Facts, page: str) -> None:
    assert render_description(facts) == page


def test_findings_come_first_with_what_to_do(facts: Facts) -> None:
    found = [Finding("stop", "Nothing <can> be trained.", "Add labels."), Finding("look", "Mind the gap.")]
    page = render_description(replace(facts, findings=found, settled=["every row has a text"]))
    assert page.index("Nothing &lt;can&gt; be trained.") < page.index("Add labels.") < page.index("Mind the gap.")
    assert 'class="stop"' in page
    assert "In order: every row has a text." in page
    assert "Nothing that needs doing." in render_description(replace(facts, findings=[]))


def test_parts_that_do_not_apply_are_left_out(facts: Facts) -> None:
    bare = replace(facts, labels=None, time=None, words=None, signs=[], outcome=None)
    page = render_description(bare)
    assert sections(page) == ["first", "rows", "lengths", "copies", "languages", "how"]
    assert "no labels" in page


def test_labels_that_stand_together_are_a_matrix(tmp_path: Path) -> None:
    rows = [{"text": f"{text} {n}", "labels": ["a", "b"][: 1 + n % 2]} for n, (text, _) in enumerate(toy_rows(60))]
    page = render_description(facts_from(tmp_path, rows, task="multi", label="labels"))
    assert sections(page)[:5] == OF_SEVERAL
    assert "30<small>50\u00a0%</small>" in page
    assert "would leave" in page  # the resampling that the recipe does not ask for


def test_signals_have_their_strength(tmp_path: Path) -> None:
    rows = [
        {
            "text": text,
            "signals": [{"category": "crime" if n % 2 else "sports", "score": -0.7, "tag": "theft" if n % 2 else ""}],
        }
        for n, (text, _) in enumerate(toy_rows(60))
    ]
    categories = {"crime": ["theft"], "sports": ["game"]}
    page = render_description(facts_from(tmp_path, rows, task="signals", label="signals", categories=categories))
    assert sections(page)[:5] == [name for name in OF_SIGNALS if name != "together"]
    assert "theft</bdi> 30" in page


def test_what_stands_in_texts_and_labels_is_never_taken_for_html(tmp_path: Path) -> None:
    nasty = '<script>alert(1)</script> & "quotes" \u202e'
    rows = [
        {"text": f"{nasty} {text}", "label": nasty if n % 2 else "plain"} for n, (text, _) in enumerate(toy_rows(60))
    ]
    rows += [{"text": rows[0]["text"], "label": label} for label in (nasty, "plain")]
    page = render_description(facts_from(tmp_path, rows, prepare={"normalise": "none"}))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_half_a_character_does_not_stop_the_page(facts: Facts) -> None:
    languages = LanguageFacts(1, {"": 1}, {"": ["half \ud83d"]})
    assert "half ?" in render_description(replace(facts, languages=languages))


def test_languages_that_are_rare_share_a_row(facts: Facts) -> None:
    counts = {"en": 9_900, "": 60, "fr": 20, "de": 20}
    examples = {"": ["?!"], "fr": ["Bonjour à tous"], "de": ["Guten Tag zusammen"]}
    page = render_description(replace(facts, languages=LanguageFacts(10_000, counts, examples)))
    assert '<th scope="row">2 others</th><td class="num">40</td>' in page
    assert "Guten Tag zusammen" in page


def test_what_only_one_of_two_similar_texts_has_is_marked() -> None:
    alike = _alike(Pair("Alonso wins 2010 Singapore race", "Alonso wins 2008 Singapore race", 0.8, ("a", "a")))
    assert alike.first == [("Alonso wins", False), ("2010", True), ("Singapore race", False)]
    assert alike.second[1] == ("2008", True)


def test_long_similar_texts_are_shown_around_what_differs() -> None:
    same = " ".join(f"word{n}" for n in range(300))
    alike = _alike(Pair(f"{same} here {same}", f"{same} there {same}", 0.9, ("a", "b")))
    assert [words for words, only in alike.first if only] == ["here"]
    assert all(len(words.split()) <= 15 for words, _ in alike.first)
    assert alike.first[0][0].startswith("word0 word1") and alike.first[0][0].endswith("word298 word299")


def test_plots_are_well_formed_with_a_spoken_title(facts: Facts) -> None:
    assert facts.time is not None
    drawn = [
        length_svg(facts.lengths.words),
        length_svg(facts.lengths.characters, limit=40),
        growth_svg(facts.time),
        ranks_svg([900, 50, 3, 0], [90, 50, 3]),
    ]
    for svg in drawn:
        root = ElementTree.fromstring(svg)
        assert root[0].text and root[1].text
        colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg))
        assert colours <= {"none", *(f"var(--{name})" for name in ("ink", "muted", "line", "accent", "alert"))}


def test_only_what_lies_beyond_a_limit_stands_out(facts: Facts) -> None:
    assert "var(--alert)" not in length_svg(facts.lengths.characters)
    assert "var(--alert)" in length_svg(facts.lengths.characters, limit=40)
    assert "The encoder reads 40." in length_svg(facts.lengths.characters, limit=40)


def test_the_source_stands_with_its_checksum(facts: Facts, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", [{"text": "one"}])
    files = read_sources([source_of_path(data)]).files
    page = render_description(replace(facts, rows=replace(facts.rows, sources=files)))
    assert files[0]["sha256"][:16] in page
