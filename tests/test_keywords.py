from pathlib import Path

import numpy as np
import pytest

import copydesk
from copydesk.errors import RecipeError, UsageError
from copydesk.models.keywords import KeywordsModel
from copydesk.recipe import load_recipe, shipped_recipe
from copydesk.runtime.fallback import keywords_classifier, load_model
from copydesk.tasks import make_task
from copydesk.types import Prediction
from fakes import toy_rows, write_csv

CATEGORIES = {"emergencies": ["fire", "accident"], "sports": ["football"]}
SIGNALS = make_task("signals", list(CATEGORIES), categories=CATEGORIES)
FILE = """
en:
  emergencies: {score: -0.7, tags: {fire: [wildfire, {"house fire": -0.9}], accident: [crash site]}, words: [rescue]}
  sports: {score: 0.6, tags: {football: [football]}}
sv:
  emergencies: {score: -0.7, tags: {fire: [brand]}}
ja:
  emergencies: {score: -0.8, tags: {fire: [火事]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "words.yaml"
    path.write_text(FILE, "utf-8")
    return path


def _sheet(file: Path, text: str) -> dict[str, tuple[float, str]]:
    scores = SIGNALS.scores(KeywordsModel.from_file(file, SIGNALS).logits([text]))
    signals = SIGNALS.decode(scores)[0].signals or []
    return {signal.category: (round(signal.score, 2), signal.tag) for signal in signals}


@pytest.mark.parametrize(
    ("text", "emergencies"),
    [
        ("A WILDFIRE near the town", (-0.7, "fire")),
        ("House  fire in the night", (-0.9, "fire")),
        ("Rescue at the crash site after a wildfire", (-0.7, "accident")),
        ("the rescue", (-0.7, "")),
        ("brand i hamnen", (-0.7, "fire")),
        ("昨夜の火事で", (-0.8, "fire")),
        ("wildfires, brandy and rescuers", (0.0, "")),
        ("", (0.0, "")),
    ],
)
def test_whole_words_of_every_language_speak_for_a_category(
    file: Path, text: str, emergencies: tuple[float, str]
) -> None:
    found = _sheet(file, text)
    assert found["emergencies"][0] == emergencies[0]
    assert found["emergencies"][1] == emergencies[1] or "crash site" in text
    assert found["sports"] == (0.0, "")


def test_the_strongest_word_decides_score_and_tag(file: Path) -> None:
    assert _sheet(file, "house fire at the crash site")["emergencies"] == (-0.9, "fire")


@pytest.mark.parametrize(
    ("task", "word", "answer"),
    [("single", "goal", Prediction(label="sport")), ("multi", "goal bank", Prediction(labels=["money", "sport"]))],
)
def test_labels_have_words_too(tmp_path: Path, task: str, word: str, answer: Prediction) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text("en: {money: [bank], sport: [goal, match]}", "utf-8")
    made = make_task(task, ["money", "sport"])
    found = made.decode(made.scores(KeywordsModel.from_file(path, made).logits([word])))[0]
    assert (found.label, found.labels) == (answer.label, answer.labels)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("why C++ is fast", "code"),
        ("the C++11 standard", "code"),
        ("vitamin C helps", "none"),
        ("ABC++", "none"),
        ("it costs $5", "money"),
        ("it costs nothing", "none"),
        ("flight 911", "help"),
    ],
)
def test_words_with_signs_are_found_as_they_are_written(tmp_path: Path, text: str, label: str) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text("en: {code: [C++], money: [$, EUR], help: [911]}", "utf-8")
    made = make_task("single", ["none", "code", "money", "help"])
    found = made.decode(made.scores(KeywordsModel.from_file(path, made).logits([text])))[0]
    assert found.label == label


def test_a_neutral_event_and_one_without_a_tag_are_there(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("en: {sports: {score: 0.0, tags: {football: [football]}, words: [athletes]}}", "utf-8")
    model = KeywordsModel.from_file(path, SIGNALS)
    for text, tag in (("football tonight", "football"), ("the athletes", "")):
        signals = SIGNALS.decode(SIGNALS.scores(model.logits([text])))[0].signals or []
        assert [(s.category, s.score, s.tag) for s in signals if s.present] == [("sports", 0.0, tag)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "en: {sprots: {words: [ball]}}",
            "'sprots' is not one of the task's: emergencies, sports. Did you mean",
        ),
        ("en: {sports: {tags: {chess: [chess]}}}", "'chess' is not one of the task's: football"),
        ("en: {sports: {score: 2, words: [ball]}}", "the score 2 is not between -1 and 1"),
        ("en: {sports: {words: ball}}", "'ball' is no list of words"),
        ("en: {sports: {word: [ball]}}", "expected a list of words, or `score`, `tags` and `words`"),
        ("en: {sports: {words: ['']}}", "a word is empty"),
        ("en: {sports: {words: [no]}}", "YAML needs quotes around words like 'no'"),
        ("[ball]", "holds no languages"),
        ("en: {}", "holds no words"),
        ("en: {", "is not valid YAML"),
    ],
)
def test_what_is_wrong_in_a_keyword_file_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(RecipeError, match=message.replace("(", r"\(")):
        KeywordsModel.from_file(path, SIGNALS)


def test_tags_are_for_signals(file: Path) -> None:
    with pytest.raises(RecipeError, match="tags are for task 'signals'; this recipe's is 'single'"):
        KeywordsModel.from_file(file, make_task("single", list(CATEGORIES)))


def test_the_shipped_keywords_read_the_shipped_sample() -> None:
    recipe = load_recipe(shipped_recipe("signals"))
    answer = keywords_classifier(recipe).predict([["Wildfire forces evacuation of two villages", "Homes burned."]])[0]
    assert answer.fallback is None and len(answer.signals or []) == 9
    assert {signal.category for signal in answer.signals or [] if signal.score < -0.5} == {"emergencies"}


def _recipe(tmp_path: Path) -> Path:
    (tmp_path / "words.yaml").write_text("en: {money: [bank], sport: [goal, match]}", "utf-8")
    path = tmp_path / "toy.yaml"
    path.write_text("name: toy\nmodel: {kind: linear, keywords: words.yaml}\n", "utf-8")
    return path


def test_without_a_bundle_the_keywords_answer_and_say_so(tmp_path: Path) -> None:
    answer = copydesk.load(_recipe(tmp_path)).predict(["a late goal"])[0]
    assert answer.label == "sport"
    assert answer.fallback == "keywords: no trained bundle of recipe 'toy' in 'bundles'"
    assert answer.to_json()["fallback"] == answer.fallback


def test_with_a_bundle_the_newest_one_answers(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    data = write_csv(tmp_path / "toy.csv", toy_rows())
    for _ in range(2):
        copydesk.train(recipe, data=data)
    found = load_model(recipe)
    assert found.path.name == "toy-2" and found.fallback is None
    (found.path / "model" / "linear.json").write_text("{}", "utf-8")
    older = load_model(recipe)
    assert older.path.name == "toy-1"
    assert "toy-2" in (older.predict(["a goal"])[0].fallback or "")


def test_folders_of_other_names_are_not_the_recipes_bundles(tmp_path: Path) -> None:
    (Path("bundles") / "toy-compare-1").mkdir(parents=True)
    answer = load_model(_recipe(tmp_path)).predict(["a late goal"])[0]
    assert answer.fallback == "keywords: no trained bundle of recipe 'toy' in 'bundles'"


def test_keywords_that_stand_in_decide_as_the_recipe_says(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path)
    text = recipe.read_text("utf-8")
    recipe.write_text(f"{text}decide: {{abstain_below: 0.9}}\n", "utf-8")
    assert load_model(recipe).predict(["neither"])[0].abstained
    recipe.write_text(f"{text}task: multi\ndecide: {{min_labels: 1}}\n", "utf-8")
    assert len(load_model(recipe).predict(["neither"])[0].labels or []) == 1


def test_a_recipe_without_keywords_has_to_be_trained(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text("name: toy\n", "utf-8")
    with pytest.raises(UsageError, match="Train one: copydesk train"):
        load_model(tmp_path / "toy.yaml")


def test_keywords_are_a_model_like_any_other(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "toy.csv", toy_rows())
    trained = copydesk.train(_recipe(tmp_path), data=data, overrides={"model.kind": "keywords"})
    assert trained.report.model == "keywords" and trained.report.baseline is not None
    texts = ["goal", "bank", "neither"]
    again = copydesk.load(trained.path)
    assert again.predict(texts, scores=True) == trained.predict(texts, scores=True)
    assert np.isfinite(again.model.logits(texts)).all()
