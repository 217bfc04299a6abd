from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from copydesk.errors import DataError, RecipeError
from copydesk.pipeline.run import Outcome, run_recipe
from copydesk.pipeline.stages import stages_of
from copydesk.recipe import Recipe, override, parse_recipe
from fakes import Listener, toy_rows, write_csv

FUNCTIONS = "en:\n  sport: [goal, match, league, striker]\n  money: [bank, shares, profit, market]\n"


@pytest.fixture
def recipe(toy_csv: Path) -> Recipe:
    return parse_recipe({"name": "toy", "source": {"url": str(toy_csv)}, "model": {"kind": "linear"}})


@pytest.fixture
def weak_recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "words.yaml").write_text(FUNCTIONS)
    texts = write_csv(tmp_path / "texts.csv", [(text,) for text, _ in toy_rows()], ["text"])
    return parse_recipe(
        {
            "name": "toy",
            "source": {"url": str(texts)},
            "weak": {"functions": str(tmp_path / "words.yaml")},
            "model": {"kind": "linear", "keywords": str(tmp_path / "words.yaml")},
        }
    )


def _done(outcome: Outcome) -> list[str]:
    return [step.stage for step in outcome.steps if not step.unchanged]


def test_labelled_files_are_prepared_and_trained_on(recipe: Recipe) -> None:
    outcome = run_recipe(recipe)
    assert [(step.stage, str(step.output)) for step in outcome.steps] == [
        ("prepare", "datasets/toy-1"),
        ("train", "bundles/toy-1"),
    ]
    assert list(outcome.figures) == ["linear"] and outcome.keywords is None
    assert outcome.figures["linear"]["accuracy"] > 0.9


def test_texts_without_labels_are_collected_and_labelled_first(weak_recipe: Recipe) -> None:
    listener = Listener()
    outcome = run_recipe(weak_recipe, progress=listener)
    assert _done(outcome) == ["collect", "label", "prepare", "train"]
    assert list(outcome.figures) == ["keywords", "linear"]
    assert set(outcome.figures["keywords"]) == set(outcome.figures["linear"])
    assert any("labelling functions" in note for note in outcome.bundle.report.notes)
    value = json.loads(json.dumps(outcome.to_json()))
    assert [stage["stage"] for stage in value["stages"]] == ["collect", "label", "prepare", "train"]


def test_a_model_that_loses_to_its_keywords_is_told(weak_recipe: Recipe) -> None:
    outcome = run_recipe(weak_recipe)
    assert outcome.keywords is not None and outcome.notes == outcome.bundle.report.notes
    better = replace(outcome.keywords, metrics=dict.fromkeys(outcome.keywords.metrics, 1.1))
    notes = replace(outcome, keywords=better).notes
    assert notes[:-1] == outcome.bundle.report.notes
    assert "The keywords do better: accuracy 1.1000 against" in notes[-1]


def test_a_recipe_without_a_source_is_refused_before_any_stage() -> None:
    with pytest.raises(
        RecipeError, match=r"'toy' has no source, .* --set source.url=FILE; .* copydesk train RECIPE --data"
    ):
        run_recipe(parse_recipe({"name": "toy"}))
    assert not Path("runs").exists()


def test_what_is_unchanged_is_not_done_again(weak_recipe: Recipe) -> None:
    first = run_recipe(weak_recipe)
    listener = Listener()
    second = run_recipe(weak_recipe, progress=listener)
    assert _done(second) == []
    assert second.bundle.path == first.bundle.path
    assert "train: unchanged, bundles/toy-1" in listener.said


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        ({"train.seed": 7}, ["train"]),
        ({"prepare.split.test": 0.2}, ["prepare", "train"]),
        ({"weak.votes": "majority"}, ["label", "prepare", "train"]),
        ({"gate.floors": {"accuracy": 0.5}}, []),
    ],
)
def test_a_change_repeats_the_stages_that_depend_on_it(
    changes: dict[str, object], done: list[str], weak_recipe: Recipe
) -> None:
    run_recipe(weak_recipe)
    assert _done(run_recipe(override(weak_recipe, changes))) == done


def test_an_edited_labelling_file_labels_anew_and_collects_nothing(weak_recipe: Recipe) -> None:
    run_recipe(weak_recipe)
    Path(weak_recipe.weak.functions[0]).write_text(FUNCTIONS.replace("striker", "striker, coach"))
    assert _done(run_recipe(weak_recipe)) == ["label", "prepare", "train"]


def test_an_edited_source_is_read_anew(weak_recipe: Recipe) -> None:
    run_recipe(weak_recipe)
    source = Path(weak_recipe.source[0].url)
    source.write_text(source.read_text() + "a late goal in the league match\n")
    assert _done(run_recipe(weak_recipe)) == ["collect", "label", "prepare", "train"]


def test_an_output_that_was_removed_is_made_again_under_a_new_name(recipe: Recipe) -> None:
    first = run_recipe(recipe)
    (first.steps[0].output / "manifest.json").unlink()
    again = run_recipe(recipe)
    assert [str(step.output) for step in again.steps] == ["datasets/toy-2", "bundles/toy-1"]
    assert _done(again) == ["prepare"]


def test_a_stage_that_fails_leaves_the_ones_before_it_done(recipe: Recipe, tmp_path: Path) -> None:
    few = write_csv(tmp_path / "few.csv", [("one text", "a"), ("another one", "a"), ("third", "a")])
    with pytest.raises(DataError, match="at least two labels"):
        run_recipe(override(recipe, {"source": {"url": str(few)}}))
    assert _done(run_recipe(recipe)) == ["prepare", "train"]


def test_a_recipe_that_collects_does_so_first() -> None:
    news = {"gdelt": {"query": "storm", "since": "2026-01-01", "until": "2026-01-02"}}
    recipe = parse_recipe({"name": "news", "source": news})
    assert [stage.name for stage in stages_of(recipe)] == ["collect", "prepare", "train"]
