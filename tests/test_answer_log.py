"""From answers to rows of the prediction log: the same labels as clients get, and measured no more than is paid for."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copydesk.bundle import Settings
from copydesk.errors import MissingExtra, UsageError
from copydesk.monitor.log import open_log
from copydesk.monitor.log_files import LogFiles
from copydesk.recipe import parse_recipe
from copydesk.runtime.engine import Classifier
from copydesk.serve.answer_log import AnswerLog, Batch, notes_on
from copydesk.serve.batcher import Ticket
from copydesk.serve.job_worker import Models, ids_of, work_on
from copydesk.serve.log_rows import KEPT, Ration, Rows
from copydesk.serve.process import Options, check
from copydesk.training import train_bundle
from copydesk.types import Decision, ModelVersion
from fakes import FakeModel, toy_rows, write_csv
from postgres_server import free_port
from serving import LOGITS, Shelf, classifier_of, service_of
from test_job_worker import CHUNK, Notebook

VERSION = ModelVersion("toy", "1", "nowhere")
TEXTS = ["good", "bad", "so so", "good and bad"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Random(FakeModel):
    """Answers each text by other numbers."""

    def __init__(self, outputs: int) -> None:
        super().__init__({}, outputs)
        self._width = outputs

    def logits(self, texts: Sequence[str]) -> Any:
        random = np.random.default_rng(7)
        return random.normal(0, 2, (len(texts), self._width)).astype(np.float32)


def given(classifier: Classifier, texts: Sequence[str], **more: Any) -> Batch:
    batch = Batch(more.get("source", "live"), classifier, VERSION)
    batch.add(1_700_000_000.25, [f"1.{place:08x}" for place in range(len(texts))], classifier.answers(texts))
    return batch


def classifiers() -> list[Classifier]:
    categories = {"weather": ("rain", "snow"), "sports": ("goal",), "crime": ()}
    multi = Settings(
        "multi", ("a", "b", "c"), "fake", ("text",), ("spaces",), decision=Decision(thresholds=(0.5, 0.4, 0.6))
    )
    abstains = Settings("single", ("a", "b", "c"), "fake", ("text",), ("spaces",), decision=Decision(abstain_below=0.6))
    signals = Settings("signals", tuple(categories), "fake", ("text",), ("spaces",), categories=categories)
    return [Classifier(Random(settings.task_of().outputs), settings) for settings in (multi, abstains, signals)]


@pytest.mark.parametrize("classifier", classifiers(), ids=["multi", "single", "signals"])
def test_a_row_has_the_labels_that_the_client_was_given(classifier: Classifier) -> None:
    texts = [f"text {number}" for number in range(200)]
    batch = given(classifier, texts)
    rows = Rows()(batch)
    answers = classifier.decoded(batch.outputs[0], [], scores=True)
    assert rows["labels"].to_list() == [[label for label, _ in one.given] for one in answers]
    assert 0 < rows["labels"].list.len().min() + (rows["labels"].list.len() == 0).sum() < 200
    expected = [[score for _, score in one.given] for one in answers]
    assert np.allclose(rows["scores"].explode().drop_nulls(), [score for one in expected for score in one])
    tags = [[signal.tag for signal in one.signals or [] if signal.present] for one in answers]
    assert rows["tags"].to_list() == tags
    assert np.allclose(rows["confidence"], classifier.task.confidence(batch.outputs[0]))


def test_rows_know_where_they_come_from(tmp_path: Path) -> None:
    classifier = classifier_of(FakeModel(LOGITS, 2))
    log = AnswerLog(LogFiles(tmp_path))
    second = ModelVersion("toy", "2", "nowhere")
    log.take("live", classifier, VERSION, ["1.1"], classifier.answers(["good"]))
    log.take("shadow", classifier, second, ["1.1"], classifier.answers(["good"]))
    log.take("job", classifier, VERSION, ["1.2", "1.3"], classifier.answers(["good", "bad"]))
    log.take("live", classifier, VERSION, ["1.4"], classifier.answers(["bad"]))
    log.close()
    rows = open_log(str(tmp_path)).read().sort("id", "source").collect()
    assert rows.select("id", "source", "version").rows() == [
        ("1.1", "live", "1"),
        ("1.1", "shadow", "2"),
        ("1.2", "job", "1"),
        ("1.3", "job", "1"),
        ("1.4", "live", "1"),
    ]
    assert (rows["at"] - datetime.now(UTC)).abs().max() < timedelta(minutes=1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """Return a trained model whose recipe lets texts be kept, masked."""
    folder = tmp_path_factory.mktemp("logged")
    recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}, "serve": {"log": {"text": "masked"}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        return Classifier.of(
            train_bundle(recipe, data=write_csv(folder / "toy.csv", toy_rows(600)), out=folder / "toy")
        )


def test_a_text_is_measured_and_kept_as_the_bundles_recipe_says(bundle: Classifier) -> None:
    rows = Rows()(given(bundle, ["the match of the season, write to me@example.org or call 0046 8 123 456 78"]))
    assert rows["text"].to_list() == ["the match of the season, write to [e-mail] or call [phone]"]
    assert rows["words"].item() > 10 and rows["vector"].null_count() == 0 and rows["language"].item() == "en"


def test_of_a_model_without_a_reference_nothing_is_measured_and_no_text_kept() -> None:
    rows = Rows()(given(classifier_of(FakeModel(LOGITS, 2)), TEXTS))
    assert rows.select("text", "words", "vector", "language").null_count().row(0) == (4, 4, 4, 4)
    assert rows["text_hash"].n_unique() == 4


def test_a_reference_that_cannot_be_read_costs_the_measures_and_nothing_else(
    bundle: Classifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("copydesk.bundle.Layout.reference", bundle.bundle.layout.settings)
    rows = Rows()(given(bundle, ["the match of the season"]))
    assert rows["vector"].null_count() == 1 and rows["labels"].item().to_list() == ["sport"]
    assert "texts are not measured" in caplog.text


def test_a_shadows_row_repeats_nothing_of_the_text(bundle: Classifier) -> None:
    rows = Rows()(given(bundle, ["the match of the season"], source="shadow"))
    assert rows.select("text", "words", "vector", "language").null_count().row(0) == (1, 1, 1, 1)
    assert rows["text_hash"].item() == Rows()(given(bundle, ["the match of the season"]))["text_hash"].item()


def test_a_flood_of_texts_is_measured_in_part_and_at_random(bundle: Classifier) -> None:
    clock = Clock()
    make = Rows(seed=1, clock=clock)
    texts = [f"the match number {number}" for number in range(1_000)]
    first = make(given(bundle, texts))
    assert first["vector"].count() == 100 and first["language"].count() == 20
    assert first["confidence"].null_count() == 0
    places = np.flatnonzero(first["vector"].is_not_null().to_numpy())
    assert places.min() < 100 and places.max() > 900
    clock.now += 3
    assert make(given(bundle, texts))["vector"].count() == 300


def test_what_was_not_spent_is_saved_for_ten_seconds() -> None:
    clock = Clock()
    ration = Ration(2.0, clock)
    assert [ration.take(5), ration.take(5)] == [2, 0]
    clock.now += 3_600
    assert ration.take(100) == 20


@pytest.mark.parametrize("text", ["plain", "half \ud800 a pair", "a NUL \0 inside"])
def test_every_text_can_be_kept(text: str) -> None:
    for keep in KEPT.values():
        kept = keep(text)
        assert kept.encode() and "\0" not in kept


def test_live_and_shadow_answers_to_a_text_have_one_id(tmp_path: Path) -> None:
    log = AnswerLog(LogFiles(tmp_path))
    candidate = Shelf(classifier_of(FakeModel({"good": [0.0, 4.0]}, 2)), "v2")
    service = service_of(classifier_of(FakeModel(LOGITS, 2)), shadow=(candidate.reference, 1.0), log=log)

    async def scenario() -> list[str]:
        await service.start()
        answered = await service.predict(["good"], Ticket())
        while len(service._tasks) > 1:
            await asyncio.sleep(0.005)
        await service.close()
        return answered.ids

    ids = asyncio.run(scenario())
    rows = open_log(str(tmp_path)).read().sort("source").collect()
    assert rows.select("id", "source", "version", "labels").rows() == [
        (ids[0], "live", "v1", ["praise"]),
        (ids[0], "shadow", "v2", ["blame"]),
    ]


def test_a_jobs_answers_are_logged_once_they_are_kept(tmp_path: Path) -> None:
    log = AnswerLog(LogFiles(tmp_path))
    models = Models(lambda _: classifier_of(FakeModel(LOGITS, 2)))
    store = Notebook()
    work_on(CHUNK, store, models, log=log)
    log.close()
    rows = open_log(str(tmp_path)).read().collect()
    assert rows["id"].to_list() == ids_of(CHUNK) == [line["id"] for line in json.loads(store.finished[0])]
    assert rows["source"].unique().to_list() == ["job"]


def test_what_stands_in_the_way_of_a_log_is_told(tmp_path: Path) -> None:
    assert notes_on(str(tmp_path / "log")) == []
    (tmp_path / "file").write_text("")
    assert "Not a directory" in notes_on(str(tmp_path / "file" / "log"))[0]


def test_a_wrong_place_is_refused_before_anything_is_served(bundle: Classifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place, told in (("mysql://me:secret@host/log", "no place for a log"), (str(tmp_path / "file"), "is a file")):
        with pytest.raises(UsageError, match=told) as refused:
            check(Options(model=str(bundle.path), jobs="off", log=place))
        assert "secret" not in str(refused.value)


def test_a_database_that_is_away_is_told_at_the_start_without_its_password(bundle: Classifier) -> None:
    address = f"postgresql://me:secret@127.0.0.1:{free_port()}/log"
    checked = check(Options(model=str(bundle.path), jobs="off", log=address))
    assert "me:***@127.0.0.1" in checked.notes[-1] and "Texts are answered all the same" in checked.notes[-1]
    assert "secret" not in " ".join(checked.notes)
    assert checked.options.log_terms.text == "masked"


def test_without_the_extra_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delitem(sys.modules, "copydesk.monitor.log_files")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtra, match=r"pip install 'copydesk\[monitor\]'"):
        open_log(str(tmp_path))
