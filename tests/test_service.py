"""The served version through time: swaps, shadows, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from copydesk.errors import BundleError, Overloaded, RegistryError, UsageError
from copydesk.runtime.engine import Classifier
from copydesk.runtime.versions import fingerprint, version_of
from copydesk.serve.batcher import Ticket
from copydesk.serve.metrics import DECLARED, JOBS, Metrics
from copydesk.serve.served import engines_of
from copydesk.serve.service import Reference, Service
from copydesk.types import ModelVersion, Prediction, Signal
from fakes import FakeModel
from serving import LOGITS, Held, Shelf, classifier_of, served, service_of

OTHER = {"good": [0.0, 4.0], "bad": [0.0, 4.0]}


def _run(service: Service, scenario: Callable[[Service], Awaitable[None]]) -> str:
    """Run a scenario on a started service and return the metrics' page at its end."""

    async def run() -> None:
        await service.start()
        try:
            await scenario(service)
        finally:
            await service.close()

    asyncio.run(run())
    return service.metrics.page().decode()


async def _label(service: Service, text: str = "good") -> tuple[str, str | None]:
    answered = await service.predict([text], Ticket())
    return answered.version.version, answered.predictions[0].label


def test_when_the_name_leads_elsewhere_the_next_request_is_answered_by_the_new_version() -> None:
    shelf = Shelf(classifier_of(FakeModel(LOGITS, 2)))

    async def scenario(service: Service) -> None:
        assert await _label(service) == ("v1", "praise")
        assert not await service.refresh()
        shelf.put(classifier_of(FakeModel(OTHER, 2)), "v2")
        assert await service.refresh()
        assert await _label(service) == ("v2", "blame")

    page = _run(service_of(shelf), scenario)
    assert 'copydesk_model_info{name="toy",version="v1"} 0.0' in page
    assert 'copydesk_model_info{name="toy",version="v2"} 1.0' in page
    assert 'copydesk_swaps_total{outcome="done"} 1.0' in page


def test_a_request_is_answered_by_the_version_it_began_with() -> None:
    slow = Held()
    shelf = Shelf(classifier_of(slow))

    async def scenario(service: Service) -> None:
        slow.opened.clear()
        begun = asyncio.create_task(_label(service, "good " + "x" * 5_000))
        await asyncio.sleep(0.01)
        shelf.put(classifier_of(FakeModel(OTHER, 2)), "v2")
        assert await service.refresh()
        assert await _label(service) == ("v2", "blame")
        slow.opened.set()
        assert await begun == ("v1", "praise")

    _run(service_of(shelf), scenario)


def test_a_version_that_cannot_be_loaded_leaves_the_present_one_in_its_place() -> None:
    shelf = Shelf(classifier_of(FakeModel(LOGITS, 2)))

    async def scenario(service: Service) -> None:
        shelf.put(BundleError("broken"), "v2")
        assert not await service.refresh()
        assert await _label(service) == ("v1", "praise")
        shelf.put(classifier_of(FakeModel(OTHER, 2)), "v3")
        assert await service.refresh()
        assert await _label(service) == ("v3", "blame")

    assert 'copydesk_swaps_total{outcome="failed"} 1.0' in _run(service_of(shelf), scenario)


@pytest.mark.parametrize("fault", [BundleError("a file is missing"), KeyError("of a file that was half written")])
def test_a_version_that_was_not_whole_yet_is_tried_again(fault: Exception) -> None:
    shelf = Shelf(classifier_of(FakeModel(LOGITS, 2)))

    async def scenario(service: Service) -> None:
        shelf.put(fault, "v2")
        assert not await service.refresh()
        shelf.put(classifier_of(FakeModel(OTHER, 2)), "v2")  # the manifest was there first: it is the same
        assert await service.refresh()
        assert await _label(service) == ("v2", "blame")

    _run(service_of(shelf, again_s=0), scenario)


def test_a_registry_that_is_down_leaves_the_present_version_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    shelf, down = Shelf(classifier_of(FakeModel(LOGITS, 2))), [False]

    def fingerprint() -> str:
        if down[0]:
            raise RegistryError("it does not answer")
        return shelf.version

    async def scenario(service: Service) -> None:
        down[0] = True
        assert [await service.refresh() for _ in range(3)] == [False] * 3
        assert await _label(service) == ("v1", "praise")
        down[0] = False
        shelf.put(classifier_of(FakeModel(OTHER, 2)), "v2")
        assert await service.refresh()
        assert await _label(service) == ("v2", "blame")

    caplog.set_level("INFO", "copydesk.serve")
    _run(Service(Reference("toy", fingerprint, shelf.load), metrics=Metrics(), look_s=3_600, threads=1), scenario)
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["nothing to look at"]
    assert "look-up works again" in [record.message for record in caplog.records]


def test_a_version_that_cannot_be_loaded_is_not_tried_all_the_time() -> None:
    shelf = Shelf(classifier_of(FakeModel(LOGITS, 2)))

    async def scenario(service: Service) -> None:
        shelf.put(BundleError("broken"), "v2")
        assert not await service.refresh()
        assert not await service.refresh()

    assert 'copydesk_swaps_total{outcome="failed"} 1.0' in _run(service_of(shelf), scenario)


def test_the_end_waits_for_what_a_version_before_had_accepted() -> None:
    slow = Held()
    service = service_of(Shelf(classifier_of(slow)))

    async def scenario() -> None:
        await service.start()
        slow.opened.clear()
        begun = asyncio.create_task(_label(service, "good " + "x" * 5_000))
        await asyncio.sleep(0.01)
        object.__setattr__(service, "_reference", Shelf(classifier_of(FakeModel(OTHER, 2)), "v2").reference)
        assert await service.refresh()
        closing = asyncio.create_task(service.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        slow.opened.set()
        assert await begun == ("v1", "praise")
        await closing

    asyncio.run(scenario())


def test_a_name_that_leads_nowhere_for_a_while_changes_nothing() -> None:
    shelf = Shelf(classifier_of(FakeModel(LOGITS, 2)))
    service = service_of(shelf)

    async def scenario(service: Service) -> None:
        def gone() -> str:
            raise FileNotFoundError

        object.__setattr__(service._reference, "fingerprint", gone)
        assert not await service.refresh()
        assert await _label(service) == ("v1", "praise")

    _run(service, scenario)


def test_a_candidate_in_the_shadow_is_compared_and_never_answers() -> None:
    candidate = Shelf(classifier_of(FakeModel(OTHER, 2)), "candidate")
    service = service_of(Shelf(classifier_of(FakeModel(LOGITS, 2))), shadow=(candidate.reference, 0.5))

    async def scenario(service: Service) -> None:
        for text in ("good", "good", "bad", "bad", "good", "good"):
            assert (await _label(service, text))[0] == "v1"
        async with asyncio.timeout(20):
            while 'agrees="yes"' not in service.metrics.page().decode() or _shadowed(service) < 3:
                await asyncio.sleep(0.005)

    page = _run(service, scenario)
    assert 'copydesk_shadow_texts_total{agrees="no",version="candidate"} 2.0' in page
    assert 'copydesk_shadow_texts_total{agrees="yes",version="candidate"} 1.0' in page
    assert 'version="candidate",label' not in page and 'label="blame",version="candidate"' not in page


def _shadowed(service: Service) -> float:
    lines = service.metrics.page().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("copydesk_shadow_texts_total{"))


def test_the_metrics_tell_what_was_answered_and_refused() -> None:
    with served() as client:
        client.post("/v1/classify", json={"texts": ["good", "good", "bad"]})
        client.post("/v1/classify", json={"text": ""})
        client.get("/nothing/at/all")
        page = client.get("/metrics").text
    for line in (
        'copydesk_http_requests_total{method="POST",route="/v1/classify",status="200"} 1.0',
        'copydesk_http_requests_total{method="POST",route="/v1/classify",status="422"} 1.0',
        'copydesk_http_requests_total{method="any",route="unmatched",status="404"} 1.0',
        'copydesk_predictions_total{label="praise",version="v1"} 2.0',
        'copydesk_predictions_total{label="blame",version="v1"} 1.0',
        'copydesk_refusals_total{reason="InvalidRequest"} 1.0',
        'copydesk_stage_seconds_count{stage="inference"} 1.0',
        'copydesk_model_info{name="toy",version="v1"} 1.0',
        'copydesk_confidence_count{version="v1"} 3.0',
    ):
        assert line in page, line


def test_the_confidence_of_several_labels_is_counted_whether_scores_are_asked_for_or_not() -> None:
    with served(classifier_of(FakeModel(LOGITS, 2), "multi")) as client:
        for path in ("/v1/classify", "/v1/classify?scores=true"):
            (found,) = client.post(path, json={"text": "good"}).json()["predictions"]
            assert found["labels"] == ["praise", "blame"] and ("scores" in found) == path.endswith("true")
        assert 'copydesk_confidence_count{version="v1"} 4.0' in client.get("/metrics").text


def test_the_metrics_count_the_labels_of_every_task() -> None:
    metrics = Metrics()
    metrics.classified(
        "v", _times(), [Prediction(labels=["a", "b"]), Prediction(labels=[]), Prediction(abstained=True)]
    )
    signals = [Signal("crime", -0.5, "theft"), Signal("sports", 0.1, "", present=False)]
    metrics.classified("v", _times(), [Prediction(signals=signals)])
    page = metrics.page({"pending": 3}).decode()
    for label, count in (("a", 1), ("b", 1), ("(none)", 2), ("crime", 1)):
        assert f'copydesk_predictions_total{{label="{label}",version="v"}} {count}.0' in page
    assert 'label="sports"' not in page
    assert f'{JOBS}{{status="pending"}} 3.0' in page


def test_what_has_not_happened_yet_is_counted_as_never() -> None:
    page = Metrics().page().decode()
    for line in (
        'copydesk_http_requests_total{method="POST",route="/v1/classify",status="500"} 0.0',
        'copydesk_refusals_total{reason="Overloaded"} 0.0',
        'copydesk_swaps_total{outcome="failed"} 0.0',
    ):
        assert line in page, line


def test_every_value_that_is_there_from_the_start_has_the_labels_declared() -> None:
    for name, declared in DECLARED.items():
        assert all(len(values) == len(declared.labels) for values in declared.first), name


def test_only_the_latest_versions_are_told_of() -> None:
    metrics = Metrics()
    for number in range(1, 8):
        metrics.serves(ModelVersion("toy", str(number), "nowhere"), now=True)
        metrics.classified(str(number), _times(), [Prediction(label="praise", score=0.9)])
        metrics.serves(ModelVersion("toy", str(number), "nowhere"), now=False)
    metrics.corrected("1")
    metrics.corrected("7")
    page = metrics.page().decode()
    told = [str(number) for number in range(1, 8) if f'version="{number}"' in page]
    assert told == ["3", "4", "5", "6", "7"]
    assert 'copydesk_feedback_total{version="(other)"} 1.0' in page
    metrics.serves(ModelVersion("toy", "1", "nowhere"), now=True)  # rolled back
    assert 'copydesk_model_info{name="toy",version="1"} 1.0' in metrics.page().decode()


def test_the_page_holds_no_series_that_nobody_asks_for() -> None:
    assert "_created" not in Metrics().page().decode()


def test_a_candidates_batches_are_not_among_those_that_clients_wait_for() -> None:
    candidate = Shelf(classifier_of(FakeModel(OTHER, 2)), "candidate")
    service = service_of(Shelf(classifier_of(FakeModel(LOGITS, 2))), shadow=(candidate.reference, 1.0))

    async def scenario(service: Service) -> None:
        before = _batches(service)
        await _label(service)
        async with asyncio.timeout(20):
            while not _shadowed(service):
                await asyncio.sleep(0.005)
        assert {lane: count - before[lane] for lane, count in _batches(service).items()} == {
            "fake": 1,
            "shadow fake": 1,
        }

    _run(service, scenario)


def _batches(service: Service) -> dict[str, float]:
    """Return how many batches each lane has answered."""
    found = (line for line in service.metrics.page().decode().splitlines() if "batch_texts_count{" in line)
    return {line.split('"')[1]: float(line.split()[-1]) for line in found}


def test_a_queue_that_nobody_waits_in_any_more_is_told_to_be_empty() -> None:
    class Emptied:
        queue: tuple[()] = ()

        class engine:  # noqa: N801 (an engine by its name alone)
            name = "fake"

    metrics = Metrics()
    metrics._of("copydesk_queue_texts", "fake").set(7)
    metrics.dropped(Emptied(), 7)  # type: ignore[arg-type]
    assert 'copydesk_queue_texts{lane="fake"} 0.0' in metrics.page().decode()


def _times() -> object:
    from copydesk.serve.lane import Times

    return Times()


def test_metric_names_follow_the_conventions() -> None:
    from prometheus_client import Counter, Gauge

    for name, declared in DECLARED.items():
        assert name.startswith("copydesk_") and declared.text.endswith(".")
        assert name.endswith("_total") == (declared.kind is Counter)
        if declared.kind is not Counter and declared.kind is not Gauge:
            assert declared.buckets and list(declared.buckets) == sorted(declared.buckets)


def test_what_needs_torch_is_not_served(encoder_bundles: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="copydesk export"):
        engines_of(Classifier.load(encoder_bundles["torch"]), threads=1)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_encoder_answers_over_http_as_in_python(encoder_bundles: dict[str, Path], precision: str) -> None:
    classifier = Classifier.load(encoder_bundles[precision])
    texts = [f"the bank says {word} profit" for word in ("goal", "shares", "referee", "a", "loan " * 30)] * 7
    expected = classifier.predict(texts, scores=True)
    with served(Shelf(classifier)) as client:
        found = client.post("/v1/classify?scores=true", json={"texts": texts}).json()["predictions"]
    assert [one["label"] for one in found] == [one.label for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["scores"] == pytest.approx(other.scores, abs=1e-5)


def test_equal_bundles_have_equal_versions_wherever_they_lie(encoder_bundles: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(encoder_bundles["fp32"], tmp_path / "copy")
    here, there = (Classifier.load(path) for path in (encoder_bundles["fp32"], tmp_path / "copy"))
    assert version_of(here, here.path).version == version_of(there, there.path).version
    assert (
        version_of(here, here.path).version
        != version_of(Classifier.load(encoder_bundles["int8"]), encoder_bundles["int8"]).version
    )


def test_a_link_that_is_set_to_another_bundle_leads_to_it(encoder_bundles: dict[str, Path], tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(encoder_bundles["fp32"])
    before = fingerprint(link)
    assert version_of(Classifier.load(link), link).version == before
    link.unlink()
    link.symlink_to(encoder_bundles["int8"])
    assert fingerprint(link) != before
    assert version_of(Classifier.load(link), link).path == str(encoder_bundles["int8"].resolve())


def test_keywords_that_stand_in_have_a_version_that_changes_with_them(tmp_path: Path) -> None:
    from copydesk.runtime.fallback import load_model

    (tmp_path / "words.yaml").write_text("money: {en: [bank]}\nsport: {en: [goal]}\n")
    (tmp_path / "toy.yaml").write_text("name: toy\nmodel: {keywords: words.yaml}\n")
    first = version_of(load_model(tmp_path / "toy.yaml"), tmp_path / "toy.yaml")
    assert first.name == "toy" and first.version == f"keywords-{fingerprint(tmp_path / 'toy.yaml')}"
    (tmp_path / "words.yaml").write_text("money: {en: [bank, loan]}\nsport: {en: [goal]}\n")
    assert first.version != f"keywords-{fingerprint(tmp_path / 'toy.yaml')}"


def test_an_overloaded_shadow_gives_way() -> None:
    candidate = Shelf(classifier_of(FakeModel(OTHER, 2)), "candidate")
    service = service_of(Shelf(classifier_of(FakeModel(LOGITS, 2))), shadow=(candidate.reference, 1.0))

    async def scenario(service: Service) -> None:
        def refuse(*_: object) -> None:
            raise Overloaded("full")

        assert service._shadow is not None
        service._shadow.lanes[0].queue.add = refuse  # type: ignore[method-assign, assignment]
        assert await _label(service) == ("v1", "praise")
        await asyncio.sleep(0.01)

    page = _run(service, scenario)
    assert 'copydesk_shadow_texts_total{agrees="yes",version="candidate"} 0.0' in page
    assert 'copydesk_shadow_texts_total{agrees="no",version="candidate"} 0.0' in page


def test_a_candidate_that_fails_is_counted_and_troubles_nobody() -> None:
    class Broken(FakeModel):
        def logits(self, texts: Sequence[str]) -> Any:  # noqa: ANN401
            if "good" in texts:
                raise KeyError("a weight")
            return super().logits(texts)

    candidate = Shelf(classifier_of(Broken(LOGITS, 2)), "candidate")
    service = service_of(Shelf(classifier_of(FakeModel(LOGITS, 2))), shadow=(candidate.reference, 1.0))
    counted = 'copydesk_shadow_texts_total{agrees="failed",version="candidate"} 1.0'

    async def scenario(service: Service) -> None:
        assert await _label(service) == ("v1", "praise")
        async with asyncio.timeout(20):
            while counted not in service.metrics.page().decode():
                await asyncio.sleep(0.005)

    _run(service, scenario)
