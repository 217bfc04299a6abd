from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from copydesk.errors import RecipeError
from copydesk.recipe import (
    GdeltSource,
    SourceFile,
    dump_recipe,
    json_schema,
    load_recipe,
    override,
    parse_recipe,
    parse_setting,
    shipped_recipe,
)


def test_a_name_is_all_a_recipe_must_say() -> None:
    recipe = parse_recipe({"name": "demo"})
    assert (recipe.task, recipe.text, recipe.label, recipe.model.kind) == ("single", ["text"], "label", "encoder")
    assert recipe.train.epochs == "auto"


@pytest.mark.parametrize("name", ["arxiv", "clickbait", "restaurant", "tweets"])
def test_shipped_recipes_are_valid_and_survive_being_written_and_read(name: str) -> None:
    recipe = load_recipe(shipped_recipe(name))
    assert recipe.name == name
    assert parse_recipe(yaml.safe_load(dump_recipe(recipe))) == recipe


def test_an_unknown_shipped_recipe_names_those_there_are() -> None:
    with pytest.raises(RecipeError, match="Shipped: arxiv, clickbait, restaurant"):
        shipped_recipe("klickbait")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x", "lable": "y"}, "unknown key 'lable'. Did you mean 'label'\\?"),
        ({"name": "x", "train": {"epoch": 3}}, "unknown key 'train.epoch'. Did you mean 'epochs'\\?"),
        ({"name": "x", "prepare": {"split": {"bye": "group"}}}, "'prepare.split.bye'. Did you mean 'by'\\?"),
        (
            {"name": "x", "source": [{"url": "a.csv", "sha": "1"}]},
            "unknown key 'source.0.sha'. Did you mean 'sha256'\\?",
        ),
        ({"name": "x", "source": [{"url": "a.csv", "gdlet": {}}]}, "'source.0.gdlet'. Did you mean 'gdelt'\\?"),
        ({"name": "x", "source": [{"url": "a.csv", "gdelt": {}}]}, "'source.0.url' does not go with the other keys"),
        ({"name": "x", "zzz": 1}, "unknown key 'zzz'. Known here: name, task"),
        ({}, "'name' is missing"),
        ({"name": "Not A Name"}, "name: 'Not A Name' is not valid"),
        ({"name": "x", "task": "sinlge"}, "task: 'sinlge' is not valid"),
        ({"name": "x", "train": {"learning_rate": 7}}, "train.learning_rate: 7 is not valid"),
        ({"name": "x", "prepare": {"normalise": "wbe"}}, "prepare.normalise: 'wbe' is not one of: web, none"),
        ({"name": "x", "prepare": {"split": {"validation": 0.5, "test": 0.5}}}, "at most 0.9 leaves rows to train on"),
        ({"name": "x", "text": ["a"], "label": "a"}, "'a' is also a text column"),
        ({"name": "x", "text": ["a"], "weak": {"gold": "a"}}, "weak.gold: 'a' is also a text column"),
        ({"name": "x", "text": []}, "text: \\[\\] is not valid"),
        ({"name": "x", "task": "multi", "unlisted": "absent"}, "`unlisted` is for task 'signals'"),
    ],
)
def test_a_mistake_is_refused_with_the_key_and_the_remedy(values: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"querry": "flood"}, "unknown key 'source.0.gdelt.querry'. Did you mean 'query'\\?"),
        ({"until": None}, "source.0.gdelt.until: None is not a date such as 2026-01-31"),
        ({"until": "2026-01-01"}, r"since \(2026-01-01 00:00\) is not before until \(2026-01-01 00:00\)"),
        ({"since": 20260101}, "20260101 is not a date such as 2026-01-31, or a time"),
        ({"since": "1767225600"}, "'1767225600' is not a date such as"),
        ({"since": "2026-02-30"}, "source.0.gdelt.since: '2026-02-30' is not valid"),
        (
            {"countries": ["Sweden", "NO"]},
            "'NO' is a code, and GDELT's are not the usual ones; write a name like Sweden",
        ),
        ({"countries": "USA"}, "'USA' is a code"),
        ({"languages": "sv"}, "'sv' is a code, .* write a name like Swedish"),
        ({"countries": "x) OR (y"}, "is not a name such as Sweden"),
        ({"query": " "}, "nothing is asked for; give a query, countries or languages"),
        ({"window_hours": 0.1}, "window_hours: 0.1 is not valid"),
        ({"seconds_per_request": -1}, "seconds_per_request: -1 is not valid"),
        ({"endpoint": "file:///etc/passwd"}, "endpoint: 'file:///etc/passwd' is not valid"),
    ],
)
def test_a_mistake_in_a_search_is_refused_with_the_key_and_the_remedy(changes: dict[str, object], message: str) -> None:
    gdelt = {"query": "flood", "since": "2026-01-01", "until": "2026-02-01", **changes}
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"name": "x", "source": {"gdelt": gdelt}})


def test_a_search_without_dates_names_both() -> None:
    with pytest.raises(RecipeError, match="'source.0.gdelt.since' is missing.\n *'source.0.gdelt.until' is missing"):
        parse_recipe({"name": "x", "source": {"gdelt": {"query": "flood"}}})


def test_the_dates_of_a_search_are_utc_and_survive_being_written_and_read(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "name: x\nsource:\n- {gdelt: {query: fire, countries: Sweden, since: 2026-01-01, until: 2026-02-01 12:30:00}}\n"
        "- {gdelt: {languages: [Swedish], since: '2026-01-01T01:00+02:00', until: 2026-02-01}}\n- url: a.csv\n"
    )
    recipe = load_recipe(tmp_path / "r.yaml")
    first, second = (source.gdelt for source in recipe.source if isinstance(source, GdeltSource))
    assert (first.since, first.until) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, 12, 30, tzinfo=UTC))
    assert (first.countries, second.since) == (["Sweden"], datetime(2025, 12, 31, 23, tzinfo=UTC))
    assert parse_recipe(yaml.safe_load(dump_recipe(recipe))) == recipe
    assert override(recipe, {"name": "y"}).source == recipe.source


def test_several_mistakes_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"name": "x", "lable": "y", "modle": {}})
    assert "label" in str(caught.value) and "model" in str(caught.value)


def test_one_column_and_one_source_may_stand_without_brackets() -> None:
    recipe = parse_recipe({"name": "x", "text": "body", "source": {"url": "https://example.org/a.csv"}})
    assert recipe.text == ["body"]
    assert recipe.source == [SourceFile(url="https://example.org/a.csv")]


def test_overrides_reach_into_lists_by_number() -> None:
    recipe = parse_recipe({"name": "x", "source": [{"url": "a.csv"}, {"url": "b.csv"}]})
    assert [source.url for source in override(recipe, {"source.1.url": "c.csv"}).source] == ["a.csv", "c.csv"]
    for key in ("source.2.url", "source.url", "source.-1"):
        with pytest.raises(RecipeError, match="is none of the list's 2 entries, counted from 0"):
            override(recipe, {key: "c.csv"})


def test_overrides_reach_into_sections_and_are_validated() -> None:
    recipe = parse_recipe({"name": "x"})
    assert override(recipe, {"train.epochs": 3, "model.kind": "linear"}).train.epochs == 3
    with pytest.raises(RecipeError, match="Did you mean 'epochs'"):
        override(recipe, {"train.epoch": 3})
    with pytest.raises(RecipeError, match="'name' is not a section"):
        override(recipe, {"name.first": "x"})


def test_settings_are_read_as_yaml() -> None:
    assert parse_setting("train.epochs=3") == ("train.epochs", 3)
    assert parse_setting("train.learning_rate=auto") == ("train.learning_rate", "auto")
    assert parse_setting("text=[a, b]") == ("text", ["a", "b"])
    assert parse_setting("source.0.gdelt.since=2026-02-30") == ("source.0.gdelt.since", "2026-02-30")
    with pytest.raises(RecipeError, match="is not KEY=VALUE"):
        parse_setting("train.epochs")


def test_relative_sources_are_taken_from_the_recipes_folder(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "r.yaml").write_text("name: x\nsource: {url: data/raw.csv}\n")
    assert load_recipe(folder / "r.yaml").source == [SourceFile(url=str(folder / "data" / "raw.csv"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [", "is not valid YAML"),
        (
            b"name: x\ntask: single\nname: y\n",
            r"the key 'name' stands twice, in line 1 and in line 3; keep one",
        ),
        (b"name: x\ntrain:\n  epochs: 1\n  epochs: 2\n", "the key 'epochs' stands twice, in line 3 and in line 4"),
        (b"- a\n- b\n", "holds list, not a mapping"),
        (b"name: x\nsource: {since: 2026-02-30}\n", r"'2026-02-30' in line 2 is not valid: day .*put it in quotes"),
        (b"name: x\ntrain:\n  epochs: !!int many\n", "'many' in line 3 is not valid"),
        (b"name: x\n2026-01-31: 1\n", "unknown key '2026-01-31'"),
        (b"name: x\ntask: \xff\xfe", "is not UTF-8: byte 0xff in line 2. Save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        load_recipe(tmp_path / "bad.yaml")


def test_a_missing_recipe_names_those_at_hand(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("name: x\n")
    (tmp_path / ".pre-commit-config.yaml").write_text("repos: []\n")
    with pytest.raises(RecipeError, match=r"does not exist. Recipes at hand: [^,]*good.yaml\."):
        load_recipe(tmp_path / "god.yaml")


def test_the_json_schema_knows_every_section() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert {"prepare", "model", "train", "gate", "serve"} <= set(schema["properties"])
