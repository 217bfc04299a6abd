"""Recipes that stand at an address, with the files that they name beside them."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from copydesk.errors import RecipeError, SourceError
from copydesk.files import cache_folder
from copydesk.recipe import SourceFile
from copydesk.remote.fetch import Fetched
from copydesk.remote.recipes import recipe_at

RECIPE = """name: toy
source: [{url: data/toy.csv}, {url: "https://example.com/more.csv"}]
behaviours: behaviours/toy.yaml
aliases: ../shared/aliases.yaml
weak: {functions: [rules.yaml, own.py]}
prepare: {reviewed: [/data/reviewed.jsonl]}
"""


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Return an address below which the recipe and its files stand."""
    place = f"memory://{tmp_path.name}"
    for name, text in (
        ("team/toy.yaml", RECIPE),
        ("team/behaviours/toy.yaml", "behaviours"),
        ("shared/aliases.yaml", "aliases"),
        ("team/rules.yaml", "rules"),
        ("team/own.py", "code"),
    ):
        _write(f"{place}/{name}", text)
    return place


def _write(address: str, text: str) -> None:
    with fsspec.open(address, "w") as file:
        file.write(text)


def test_its_files_are_local_copies_and_its_sources_addresses(place: str) -> None:
    recipe = recipe_at(f"{place}/team/toy.yaml", {"train.seed": 7})
    sources = [source.url for source in recipe.source if isinstance(source, SourceFile)]
    assert sources == [f"{place}/team/data/toy.csv", "https://example.com/more.csv"]
    assert Path(recipe.behaviours or "").read_text() == "behaviours"
    assert Path(recipe.aliases or "").read_text() == "aliases"
    assert [Path(path).read_text() for path in recipe.weak.functions] == ["rules", "code"]
    assert recipe.prepare.reviewed == ["/data/reviewed.jsonl"] and recipe.train.seed == 7
    assert recipe.behaviours is not None and "/memory/" in recipe.behaviours
    assert recipe.behaviours.endswith("/team/behaviours/toy.yaml")  # an error that names it says which


def test_a_file_that_changes_gets_a_new_copy_and_the_old_one_stays(place: str) -> None:
    before = recipe_at(f"{place}/team/toy.yaml").behaviours or ""
    assert recipe_at(f"{place}/team/toy.yaml").behaviours == before
    _write(f"{place}/team/behaviours/toy.yaml", "changed behaviours")
    after = recipe_at(f"{place}/team/toy.yaml").behaviours or ""
    assert (Path(before).read_text(), Path(after).read_text()) == ("behaviours", "changed behaviours")


def test_what_is_missing_or_wrong_is_named_by_its_address(place: str) -> None:
    with pytest.raises(SourceError, match=f"'{place}/team/none.yaml' does not exist"):
        recipe_at(f"{place}/team/none.yaml")
    with pytest.raises(SourceError, match=f"'{place}/team/none.yaml' does not exist"):
        recipe_at(f"{place}/team/toy.yaml", {"behaviours": "none.yaml"})
    _write(f"{place}/team/wrong.yaml", "nam: toy")
    with pytest.raises(RecipeError, match=f"Recipe '{place}/team/wrong.yaml'"):
        recipe_at(f"{place}/team/wrong.yaml")
    _write(f"{place}/team/wrong.yaml", "name: [")
    with pytest.raises(RecipeError) as error:
        recipe_at(f"{place}/team/wrong.yaml")
    assert place in str(error.value) and str(cache_folder()) not in str(error.value)


@pytest.mark.parametrize("file", ["../../../other/x.yaml", "../../x.yaml"])
def test_a_path_that_leads_out_of_the_bucket_is_refused(place: str, file: str) -> None:
    with pytest.raises(RecipeError, match="leads out of memory://"):
        recipe_at(f"{place}/team/toy.yaml", {"behaviours": file})


def test_python_from_the_web_is_not_run(place: str) -> None:
    with pytest.raises(RecipeError, match="'https://example.com/own.py' is Python, and would be run unseen"):
        recipe_at(f"{place}/team/toy.yaml", {"weak.functions": ["https://example.com/own.py"]})


@pytest.mark.parametrize(
    "file", ["https://example.com/own.py?x=1", "https://example.com/own.py#2", "hf://team/rules/own.py@3"]
)
def test_python_with_a_revision_after_its_name_is_python(place: str, file: str) -> None:
    with pytest.raises(RecipeError, match=r"own\.py.* is Python, and would be run unseen"):
        recipe_at(f"{place}/team/toy.yaml", {"weak.functions": [file]})


@pytest.mark.parametrize("file", ["own.py", "s3://anybodys/own.py", "file:///data/own.py", "/data/own.py"])
def test_a_recipe_from_the_web_has_no_python_run_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    (tmp_path / "fetched").write_text(f"name: toy\nevaluate: {{functions: ['{file}']}}\n", "utf-8")
    monkeypatch.setattr("copydesk.remote.fetch.fetch", lambda *_, **__: Fetched(tmp_path / "fetched", None))
    with pytest.raises(RecipeError, match=r"own\.py' is Python, and would be run unseen"):
        recipe_at("https://example.com/toy.yaml")


def test_a_path_is_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text("name: toy\nbehaviours: b.yaml\n", "utf-8")
    assert recipe_at(tmp_path / "toy.yaml").behaviours == str(tmp_path / "b.yaml")
