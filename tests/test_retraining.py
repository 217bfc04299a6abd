"""From a log and what people said of it to the next version."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock

from copydesk.bundle import Bundle
from copydesk.data.review_file import Decision, Header, Item, Review, append_decision, read_review, write_review
from copydesk.errors import DataError, UsageError
from copydesk.monitor.reference import Reference
from copydesk.normalise import text_id
from copydesk.progress import Silent
from copydesk.recipe import Recipe, override, parse_recipe
from copydesk.registry.moves import Mover
from copydesk.retraining.log import Logged, read_texts
from copydesk.retraining.merge import answers_of, newest
from copydesk.retraining.queued import Queue, Wanted, review_of_log, reviewed_before
from copydesk.retraining.run import Asked, retrain
from copydesk.retraining.traffic import recent_texts
from copydesk.training import train_bundle
from fakes import Listener, toy_rows, write_csv
from log_fakes import NOON, answer, logged
from memory_registry import MemoryRegistry

WHO = Mover("ada", "2026-11-21T12:00:00+00:00")
STREAM = [text for text, _ in toy_rows(300, seed=1) if text not in dict(toy_rows(300))]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a bundle of the toy texts; nobody changes it."""
    folder = tmp_path_factory.mktemp("toy")
    recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}, "prepare": {"split": {"test": 0.3}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        return train_bundle(recipe, data=write_csv(folder / "toy.csv", toy_rows(300)), out=folder / "bundle")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Return the recipe of a model with its data beside it."""
    source = write_csv(tmp_path / "toy.csv", toy_rows(240))
    return parse_recipe({"name": "toy", "source": {"url": str(source)}, "model": {"kind": "linear"}})


def _item(text: str, label: str = "sport", decision: Decision | None = "change") -> Item:
    return Item(
        text_id(text), text, "money", decision=decision, new_label=label if decision == "change" else None, where="log"
    )


def _review(path: Path, *items: Item, task: str = "single") -> Path:
    write_review(path, Review(Header(task, ("money", "sport"), recipe="toy"), items))
    return path


def _queue(bundle: Bundle, log: Logged, wanted: Wanted | None = None) -> Queue:
    return review_of_log(bundle, log, wanted or Wanted(limit=20), progress=Silent())


def _retrained(recipe: Recipe, registry: MemoryRegistry, *reviews: Path, least: int = 1) -> int:
    return retrain(recipe, Asked(reviews, least=least), registry, WHO, progress=Silent()).version.version


def test_a_queue_is_a_review_file_that_says_which_answer_each_text_is(bundle: Bundle, tmp_path: Path) -> None:
    entries = [answer(number, text, confidence=0.6) for number, text in enumerate(STREAM[:60])]
    found = _queue(bundle, logged(entries))
    write_review(tmp_path / "queue.jsonl", found.review)
    review = read_review(tmp_path / "queue.jsonl")
    assert review == found.review and review.header.labels == ("money", "sport")
    first = review.items[0]
    assert (first.label, first.model) == ("sport", {"sport": 0.6})
    assert first.prediction in {entry.id for entry in entries} and first.id == text_id(first.text)
    assert "LOG at 2026-11-21 12:00 UTC, asked 1 time" in {item.where for item in review.items}
    assert sum(item.weight > 0 for item in review.items) == found.reasons["random"] == 4


def test_nothing_is_asked_that_was_learnt_reviewed_or_corrected(bundle: Bundle, tmp_path: Path) -> None:
    learnt = [text for text, _ in toy_rows(300)]
    _review(tmp_path / "reviews" / "toy-1.jsonl", *(_item(text, decision=None) for text in STREAM[:20]))
    entries = [answer(number, text) for number, text in enumerate([*STREAM[:50], *learnt])]
    said = [(entries[number].id, "money", None) for number in range(20, 30)]
    before = reviewed_before({tmp_path / "reviews": "toy"})
    found = _queue(bundle, logged(entries, said), Wanted(limit=400, labelled=before))
    asked = {item.text for item in found.review.items}
    assert asked <= {*STREAM[30:50], *learnt} and not asked & {*STREAM[:30]}
    held = {text for text in learnt if text in asked}  # the test part was never learnt from
    assert len(held) <= 100 and found.known >= 190


def test_a_log_without_texts_says_what_to_do_and_takes_them_from_a_file(bundle: Bundle, tmp_path: Path) -> None:
    entries = [answer(number, text) for number, text in enumerate(STREAM[:30])]
    log = logged(entries, texts=False)
    with pytest.raises(DataError, match="keeps no texts: none of its 30 answers"):
        _queue(bundle, log)
    with pytest.raises(DataError, match="no answer of model 'toy'"):
        _queue(bundle, logged([replace(one, model="other") for one in entries]))
    by_hash = read_texts(write_csv(tmp_path / "texts.csv", [(text,) for text in STREAM[:10]], ("text",)), ["text"], [])
    assert {item.text for item in _queue(bundle, log.with_texts(by_hash)).review.items} == {*STREAM[:10]}
    rows = [(entries[3].id, "[email] wrote"), (entries[4].id, "[phone] rang")]
    by_id = read_texts(write_csv(tmp_path / "ids.csv", rows, ("id", "text")), ["text"], [])
    found = _queue(bundle, log.with_texts(by_id)).review.items
    assert {(item.text, item.id) for item in found} == {
        ("[email] wrote", text_id(STREAM[3])),
        ("[phone] rang", text_id(STREAM[4])),
    }


def test_where_everything_is_known_nothing_is_asked(bundle: Bundle) -> None:
    entries = [answer(0, STREAM[0])]
    with pytest.raises(DataError, match="labelled already, or the model was trained on it"):
        _queue(bundle, logged(entries, [(entries[0].id, "money", None)]))


def test_reviewers_outrank_users_and_the_same_answers_make_the_same_file(recipe: Recipe, tmp_path: Path) -> None:
    entries = [answer(number, text) for number, text in enumerate(STREAM[:5])]
    said = [
        (entries[0].id, "money", None),
        (entries[1].id, "money", None),
        ("1.0000ffff", "sport", "a text sent along"),
    ]
    first = _review(tmp_path / "one.jsonl", _item(STREAM[0]), _item(STREAM[2]), _item(STREAM[3], decision="skip"))
    answers = answers_of(recipe, [first], logged(entries, said))
    labels = {item.text: item.outcome for item in answers.review.items}
    assert labels == {STREAM[0]: "sport", STREAM[1]: "money", STREAM[2]: "sport", "a text sent along": "sport"}
    path = answers.write(recipe)
    assert path == newest("toy") == Path("corrections/toy-1.jsonl") and answers.new == 4
    again = answers_of(recipe, [], logged(entries, said))
    assert again.new == 0 and again.write(recipe) == path
    assert answers_of(recipe, [first], Logged()).review == answers.review


def test_what_a_review_says_now_replaces_what_it_said(recipe: Recipe, tmp_path: Path) -> None:
    path = _review(tmp_path / "one.jsonl", _item(STREAM[0]), _item(STREAM[1]))
    answers_of(recipe, [path], Logged()).write(recipe)
    review = read_review(path).decided(0, "skip").decided(1, "keep")
    append_decision(path, review, 0)
    append_decision(path, review, 1)
    found = answers_of(recipe, [path], Logged())
    assert [(item.text, item.outcome) for item in found.review.items] == [(STREAM[1], "money")] and found.new == 2


def test_two_files_that_contradict_each_other_are_told(recipe: Recipe, tmp_path: Path) -> None:
    files = [
        _review(tmp_path / "one.jsonl", _item(STREAM[0])),
        _review(tmp_path / "two.jsonl", _item(STREAM[0], "money")),
    ]
    with pytest.raises(DataError, match="contradict each other"):
        answers_of(recipe, files, Logged())


def test_feedback_without_a_text_is_counted_and_told(recipe: Recipe) -> None:
    entries = [answer(number, text) for number, text in enumerate(STREAM[:5])]
    log = logged(entries, [(entries[0].id, "money", None), (entries[1].id, "money", STREAM[1])], texts=False)
    found = answers_of(recipe, [], log)
    assert (len(found.review.items), found.textless) == (1, 1)
    listener, registry = Listener(), MemoryRegistry()
    with pytest.raises(DataError, match=r"1 new answers since the last retraining; .*--least 1"):
        retrain(recipe, Asked(logged=log), registry, WHO, progress=listener)
    assert any("1 corrections have no text" in line for line in listener.warned)


def test_retraining_stages_a_version_once(recipe: Recipe, tmp_path: Path) -> None:
    registry = MemoryRegistry()
    path = _review(tmp_path / "one.jsonl", *(_item(text) for text in STREAM[:5]))
    done = retrain(recipe, Asked([path], least=5), registry, WHO, progress=Silent())
    assert (done.version.version, done.version.aliases) == (1, ("staging",))
    assert done.merged["answers"] == 5 and done.merged["joined_train"] + done.merged["like_a_text_of_another_part"] == 5
    assert done.bundle.recipe.prepare.corrections == [str(Path("corrections/toy-1.jsonl").resolve())]
    assert done.bundle.report.data["corrections"]["joined_train"] == done.merged["joined_train"]
    assert json.loads(json.dumps(done.to_json()))["version"] == 1
    with pytest.raises(DataError, match="Nothing has changed since version 1 of 'toy'"):
        _retrained(recipe, registry, path)
    more = _review(tmp_path / "two.jsonl", *(_item(text) for text in STREAM[5:9]))
    with pytest.raises(DataError, match="4 new answers since the last retraining; fewer than 5"):
        _retrained(recipe, registry, more, least=5)
    assert newest("toy") == Path("corrections/toy-1.jsonl"), "what is refused leaves nothing"
    assert _retrained(recipe, registry, more, least=4) == 2
    assert len(read_review(Path("corrections/toy-2.jsonl")).items) == 9


@pytest.mark.parametrize("step", ["training", "registering", "noting"])
def test_killed_half_way_the_same_call_goes_on(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    registry = MemoryRegistry()
    path = _review(tmp_path / "one.jsonl", *(_item(text) for text in STREAM[:5]))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "training":
            patch.setattr("copydesk.training.train_bundle", killed)
        else:
            patch.setattr(registry, {"registering": "add", "noting": "attach"}[step], killed)
        with pytest.raises(KeyboardInterrupt):
            _retrained(recipe, registry, path, least=5)
    assert _retrained(recipe, registry, path, least=5) == 1
    assert registry.find("toy", "staging").version == 1
    found = sorted(
        file.name for folder in ("corrections", "datasets", "bundles") for file in Path(folder).glob("[!.]*")
    )
    assert found == ["toy-1", "toy-1", "toy-1.jsonl"]


def test_of_two_at_once_one_is_told(recipe: Recipe, tmp_path: Path) -> None:
    Path("corrections").mkdir()
    with FileLock("corrections/.toy.lock"), pytest.raises(UsageError, match="Another process is retraining 'toy'"):
        _retrained(recipe, MemoryRegistry())


def test_a_review_for_another_task_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    other = Item(text_id(STREAM[0]), STREAM[0], ["sport"], decision="keep")
    path = _review(tmp_path / "one.jsonl", other, task="multi")
    with pytest.raises(DataError, match="is about task 'multi', but the recipe's task is 'single'"):
        _retrained(recipe, MemoryRegistry(), path)


def test_without_any_answer_a_changed_source_is_reason_enough(recipe: Recipe, tmp_path: Path) -> None:
    registry = MemoryRegistry()
    assert _retrained(recipe, registry) == 1
    with pytest.raises(DataError, match="Nothing has changed since version 1"):
        _retrained(recipe, registry)
    write_csv(tmp_path / "toy.csv", toy_rows(260))
    assert _retrained(recipe, registry) == 2


def test_feedback_on_other_models_in_the_same_log_is_passed_over(recipe: Recipe) -> None:
    entries = [answer(number, text) for number, text in enumerate(STREAM[:3])]
    entries[0] = replace(entries[0], model="other")
    log = logged(entries, [(one.id, "money", None) for one in entries])
    assert {item.text for item in answers_of(recipe, [], log).review.items} == {*STREAM[1:3]}


def test_feedback_that_was_drawn_at_random_goes_where_drawn_texts_go(recipe: Recipe) -> None:
    entries = [answer(0, STREAM[0])]
    log = logged(entries, [(entries[0].id, "money", None)])
    drawn = replace(log, corrections=log.corrections.with_columns(weight=pl.lit(7.5)))
    item = answers_of(recipe, [], drawn).review.items[0]
    assert (item.reason, item.weight) == ("random", 7.5)


def test_drift_of_a_retrained_model_is_measured_from_the_texts_of_its_log(recipe: Recipe, tmp_path: Path) -> None:
    asked_for = [answer(number, text) for number, text in enumerate(STREAM[:80])]
    log = logged([*asked_for, answer(99, "of a shadow", source="shadow")])
    review = _review(tmp_path / "queue.jsonl", *(_item(text) for text in STREAM[:3]))
    recipe = override(recipe, {"prepare.split.test": 0.3})
    done = retrain(recipe, Asked([review], log, least=1), MemoryRegistry(), WHO, progress=Silent())
    assert Reference.load(done.bundle.layout.reference).window.n == 80


def test_only_recent_texts_of_the_model_are_what_drift_is_measured_from() -> None:
    others = [replace(answer(5, "of another model"), model="other"), answer(6, "", label="money")]
    rows = logged([*(answer(number, f"text {number}") for number in range(5)), *others]).rows
    since = datetime.fromtimestamp(NOON.timestamp() + 2, UTC)
    assert sorted(recent_texts(rows, "toy", since)) == ["", "text 2", "text 3", "text 4"]
