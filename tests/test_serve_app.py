from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from copydesk import errors
from copydesk.errors import CopydeskError
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.serve.access import Keys
from copydesk.serve.app import STATUS, Access, create_app
from copydesk.serve.feedback import Feedback
from copydesk.types import Prediction
from fakes import FakeModel
from serving import LOGITS, Held, classifier_of, served, service_of


def _subclasses(kind: type[Exception]) -> set[type[Exception]]:
    return {kind, *(found for child in kind.__subclasses__() for found in _subclasses(child))}


def test_every_refusal_has_a_status_in_the_one_table() -> None:
    assert _subclasses(errors.RequestRefused) - {errors.RequestRefused} == set(STATUS)


def test_one_text_gets_one_prediction_with_an_id_and_the_model_that_made_it() -> None:
    with served() as client:
        answer = client.post("/v1/classify", json={"text": "good work"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["model"] == {"name": "toy", "version": "v1"}
    (found,) = body["predictions"]
    assert found["id"].startswith("v1.") and found["label"] == "praise" and 0.9 < found["score"] < 1
    assert set(found) == {"id", "label", "score"}


def test_several_texts_are_answered_in_order_with_scores_on_request() -> None:
    texts = ["bad day", "good day", "unknown"]
    with served() as client:
        found = client.post("/v1/classify?scores=true", json={"texts": texts}).json()["predictions"]
    assert [one["label"] for one in found[:2]] == ["blame", "praise"]
    assert found[2]["scores"] == {"praise": 0.5, "blame": 0.5}
    assert len({one["id"] for one in found}) == 3


def test_answers_are_those_of_predict() -> None:
    classifier = classifier_of(FakeModel(LOGITS, 2), "multi")
    texts = ["good", "bad", "neither"]
    with served(classifier) as client:
        found = client.post("/v1/classify?scores=1", json={"texts": texts}).json()["predictions"]
    assert [Prediction(**{k: v for k, v in one.items() if k != "id"}) for one in found] == classifier.predict(
        texts, scores=True
    )


def test_the_time_of_each_stage_is_told() -> None:
    with served() as client:
        timing = client.post("/v1/classify", json={"text": "good"}).headers["server-timing"]
    stages = dict(stage.split(";dur=") for stage in timing.split(", "))
    assert list(stages) == ["queue", "tokenise", "inference"]
    assert all(float(milliseconds) >= 0 for milliseconds in stages.values())


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        ({}, ["body"], "either 'text' or 'texts'"),
        ({"text": "a", "texts": ["b"]}, ["body"], "either 'text' or 'texts'"),
        ({"text": ""}, ["body", "text"], "The text is empty"),
        ({"texts": ["a", " \n"]}, ["body", "texts", 1], "The text is empty"),
        ({"texts": []}, ["body", "texts"], "no text in it"),
        ({"texts": ["a", 3]}, ["body", "texts", 1], "valid string"),
        ({"text": None}, ["body", "text"], "valid string"),
        ({"texts": "abc"}, ["body", "texts"], "valid array"),
        ({"text": "a" * 51}, ["body", "text"], "51 characters; at most 50"),
        ({"texts": ["a"] * 5}, ["body", "texts"], "5 texts in it; at most 4"),
        ({"text": {"title": "a"}}, ["body", "text"], "columns title; the model reads text"),
        ({"text": "a", "scores": True}, ["body", "scores"], "Extra inputs"),
        ([], ["body"], "object"),
    ],
)
def test_a_wrong_body_is_refused_with_the_place_of_its_fault(body: object, where: list[object], message: str) -> None:
    with served(text_chars=50, batch_texts=4) as client:
        answer = client.post("/v1/classify", json=body)
    assert answer.status_code == 422
    first = answer.json()["detail"][0]
    assert first["loc"] == where and message in first["msg"]


def test_what_is_wrong_a_million_times_is_told_a_few_times_and_costs_no_more() -> None:
    bodies = {
        b'{"texts": [' + b"1," * 300 + b"1]}": ["301 texts in it; at most 256"],
        b'{"texts": [' + b"1," * 200 + b"1]}": ["valid string"] * 20,
        b'{"' + b'": 1, "'.join(b"%d" % place * 50 for place in range(100)) + b'": 1}': ["Extra inputs"] * 20,
    }
    with served() as client:
        for body, messages in bodies.items():
            answer = client.post("/v1/classify", content=body, headers={"content-type": "application/json"})
            faults = answer.json()["detail"]
            assert answer.status_code == 422 and len(answer.content) < 5_000
            assert all(message in fault["msg"] for fault, message in zip(faults, messages, strict=True))
        for path in ("/v1/feedback", "/v1/explain"):  # one text needs no megabytes
            answer = client.post(path, content=b"[" + b" " * 500_000, headers={"content-type": "application/json"})
            assert answer.status_code == 413


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"text": "\\ud800"}'])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with served() as client:
        answer = client.post("/v1/classify", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["body"]


def test_columns_are_taken_by_name() -> None:
    model = FakeModel(LOGITS, 2)
    with served(classifier_of(model, text=("title", "body"))) as client:
        model.seen.clear()
        answer = client.post("/v1/classify", json={"text": {"body": "b", "title": "good"}})
    assert answer.status_code == 200 and model.seen == [f"good{COLUMN_SEPARATOR}b"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": ""}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "Application/JSON; charset=utf-8"}, 200),
        ({"content-type": "application/vnd.texts+json"}, 200),
    ],
)
def test_only_plain_json_is_read(headers: dict[str, str], status: int) -> None:
    with served() as client:
        assert client.post("/v1/classify", content=b'{"text": "good"}', headers=headers).status_code == status


def test_a_body_beyond_the_limit_is_refused_whether_it_says_so_or_not() -> None:
    def endless() -> object:
        for _ in range(100):
            yield b" " * 100

    with served(body_bytes=1_000) as client:
        headers = {"content-type": "application/json"}
        for content in (b" " * 1_001, endless()):
            answer = client.post("/v1/classify", content=content, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 413 and answer.headers["connection"] == "close"
            assert "larger than 1,000 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_that_is_no_positive_number_is_refused(given: str) -> None:
    with served() as client:
        answer = client.post("/v1/classify", json={"text": "good"}, headers={"x-request-timeout": given})
    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["header", "X-Request-Timeout"]


def test_a_wrong_query_is_refused() -> None:
    with served() as client:
        assert client.post("/v1/classify?scores=maybe", json={"text": "good"}).status_code == 422


def test_who_cannot_wait_is_told_that_the_time_is_over() -> None:
    model = Held()
    with served(classifier_of(model)) as client:
        model.opened.clear()
        answer = client.post("/v1/classify", json={"text": "x" * 5_000}, headers={"x-request-timeout": "0.05"})
        model.opened.set()
    assert answer.status_code == 504 and "X-Request-Timeout" in answer.json()["detail"]


def test_a_full_queue_refuses_with_the_time_to_come_again_and_is_not_ready() -> None:
    model = Held()
    with served(classifier_of(model), queue_texts=2) as client, ThreadPoolExecutor(2) as others:
        model.opened.clear()
        model.entered.clear()
        first = others.submit(client.post, "/v1/classify", json={"text": "x" * 5_000})
        assert model.entered.wait(20)
        second = others.submit(client.post, "/v1/classify", json={"texts": ["x" * 5_000] * 2})
        while client.get("/readyz").status_code == 200:
            threading.Event().wait(0.005)
        assert client.get("/readyz").json() == {"status": "queue full"}
        answer = client.post("/v1/classify", json={"text": "good"})
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200
        model.opened.set()
        assert first.result().status_code == second.result().status_code == 200
        assert client.get("/readyz").status_code == 200


def test_a_model_that_fails_is_a_500_with_a_request_id_and_no_secrets() -> None:
    class Broken(FakeModel):
        def logits(self, texts: object) -> object:  # type: ignore[override]
            if "explode" in list(texts):  # type: ignore[call-overload]
                raise RuntimeError("the secret path")
            return super().logits(texts)  # type: ignore[arg-type]

    with served(classifier_of(Broken(LOGITS, 2))) as client:
        answer = client.post("/v1/classify", json={"text": "explode"}, headers={"x-request-id": "abc"})
        assert answer.status_code == 500 and answer.headers["x-request-id"] == "abc"
        assert "secret" not in answer.text and "X-Request-Id" in answer.json()["detail"]
        assert client.post("/v1/classify", json={"text": "good"}).status_code == 200


def test_what_is_not_there_and_what_is_not_allowed_are_told_apart() -> None:
    with served() as client:
        assert client.get("/v1/nothing").status_code == 404
        assert client.get("/v1/classify").status_code == 405
        assert client.get("/v1/models/other/report").status_code == 404


def test_keys_guard_what_costs_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("# ours\nnewsroom 0123456789abcdef-first\n0123456789abcdef-second\n")
    access = Access(Keys.read(tmp_path / "keys", "0123456789abcdef-third"))
    with served(access=access) as client:
        for headers, status in (
            ({}, 401),
            ({"authorization": "Bearer wrong"}, 401),
            ({"authorization": "Basic 0123456789abcdef-first"}, 401),
            ({"authorization": "Bearer 0123456789abcdef-first"}, 200),
            ({"x-api-key": "0123456789abcdef-second"}, 200),
            ({"x-api-key": "0123456789abcdef-second", "authorization": "Bearer a-token-for-a-gate"}, 200),
            ({"authorization": "bearer 0123456789abcdef-third"}, 200),
        ):
            answer = client.post("/v1/classify", json={"text": "good"}, headers=headers)
            assert answer.status_code == status, headers
            assert ("www-authenticate" in answer.headers) == (status == 401)
        assert {client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics", "/docs")} == {200}
        assert client.get("/v1/models").status_code == 401


def test_two_keys_of_one_name_are_both_good_while_one_is_changed_for_the_other(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("newsroom 0123456789abcdef-old\nnewsroom 0123456789abcdef-new\n")
    keys = Keys.read(tmp_path / "keys", "")
    assert [keys.owner(f"0123456789abcdef-{one}") for one in ("old", "new", "none")] == ["newsroom", "newsroom", None]


def test_a_variable_of_keys_that_is_set_and_empty_does_not_open_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPYDESK_API_KEYS", " ,")
    with pytest.raises(errors.UsageError, match="COPYDESK_API_KEYS is set and holds no API key"):
        Keys.read(None)


def test_keys_that_could_be_guessed_and_empty_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("short\n")
    with pytest.raises(errors.UsageError, match="API key 1 has 5 characters; at least 16"):
        Keys.read(tmp_path / "keys", "")
    (tmp_path / "keys").write_text("# nothing\n")
    with pytest.raises(errors.UsageError, match="holds no API key"):
        Keys.read(tmp_path / "keys", "")
    with pytest.raises(errors.UsageError, match="cannot be read"):
        Keys.read(tmp_path / "none", "")


def test_other_origins_may_ask_only_where_they_were_named() -> None:
    asked = {"origin": "https://ours.example", "access-control-request-method": "POST"}
    with served() as client:
        assert "access-control-allow-origin" not in client.options("/v1/classify", headers=asked).headers
    with served(access=Access(origins=["https://ours.example"])) as client:
        allowed = client.options("/v1/classify", headers=asked).headers
        assert allowed["access-control-allow-origin"] == "https://ours.example"
        others = client.options("/v1/classify", headers={**asked, "origin": "https://theirs.example"}).headers
        assert "access-control-allow-origin" not in others


def test_a_page_of_a_named_origin_can_read_why_it_is_refused_and_when_to_come_again() -> None:
    access = Access(Keys.read(None, "0123456789abcdef"), origins=["https://ours.example"])
    with served(access=access) as client:
        answer = client.post("/v1/classify", json={"text": "good"}, headers={"origin": "https://ours.example"})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == "https://ours.example"
        assert {"Retry-After", "Location"} <= set(answer.headers["access-control-expose-headers"].split(", "))


def test_what_fails_unforeseen_on_any_route_is_told_in_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the secret path")

    monkeypatch.setattr(Feedback, "add", fail)
    with served() as client:
        answer = client.post("/v1/feedback", json={})
    assert answer.status_code == 500 and answer.headers["content-type"] == "application/json"
    assert "X-Request-Id" in answer.json()["detail"] and "secret" not in answer.text


def test_a_request_id_is_kept_if_it_is_harmless_and_made_if_not() -> None:
    with served() as client:
        assert client.get("/healthz", headers={"x-request-id": "r-1"}).headers["x-request-id"] == "r-1"
        made = {
            client.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"] for given in ("", "a b")
        }
        assert len(made) == 2 and all(len(one) == 16 for one in made)


def test_the_served_version_is_described() -> None:
    with served(text_chars=70, batch_texts=9) as client:
        (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["version"], model["task"], model["labels"]) == (
        "toy",
        "v1",
        "single",
        ["praise", "blame"],
    )
    assert model["limits"] == {"max_text_chars": 70, "max_batch_texts": 9, "max_job_texts": 100_000}
    assert model["report"] is None


@pytest.mark.parametrize(
    ("task", "right", "status"),
    [
        ("single", {"label": "blame"}, 204),
        ("single", {"label": "other"}, 422),
        ("single", {"labels": ["blame"]}, 422),
        ("single", {}, 422),
        ("single", {"label": "blame", "labels": ["blame"]}, 422),
        ("single", {"label": "blame", "text": "x" * 101}, 422),
        ("single", {"label": "blame", "more": 1}, 422),
        ("multi", {"labels": ["blame", "praise"]}, 204),
        ("multi", {"labels": []}, 204),
        ("multi", {"labels": ["other"]}, 422),
        ("multi", {"label": "blame"}, 422),
    ],
)
def test_a_correction_is_checked_against_the_task(task: str, right: dict[str, object], status: int) -> None:
    with served(classifier_of(FakeModel(LOGITS, 2), task), text_chars=100) as client:
        answer = client.post("/v1/feedback", json={"id": "v1.00112233445566aa", **right})
    assert answer.status_code == status, answer.text
    assert Path("feedback.jsonl").exists() == (status == 204)


def test_corrections_are_kept_as_lines() -> None:
    with served() as client:
        for text in ("one\ntwo", "drei ü"):
            asked = {"id": "v1.00112233445566aa", "label": "blame", "text": text}
            assert client.post("/v1/feedback", json=asked).status_code == 204
        assert client.post("/v1/feedback", json={"id": "nonsense", "label": "blame"}).status_code == 422
    lines = [json.loads(line) for line in Path("feedback.jsonl").read_text("utf-8").splitlines()]
    assert [line["text"] for line in lines] == ["one\ntwo", "drei ü"]
    assert all(set(line) == {"at", "id", "label", "text"} for line in lines)


def test_a_version_that_only_a_client_knows_is_no_metric_of_its_own() -> None:
    with served() as client:
        for version in ("v1", "made-up-1", "made-up-2"):
            asked = {"id": f"{version}.00112233445566aa", "label": "blame"}
            assert client.post("/v1/feedback", json=asked).status_code == 204
        page = client.get("/metrics").text
    assert 'copydesk_feedback_total{version="v1"} 1.0' in page
    assert 'copydesk_feedback_total{version="(other)"} 2.0' in page and "made-up" not in page


def test_before_the_model_is_loaded_and_when_the_end_is_near_it_is_not_ready() -> None:
    service = service_of(classifier_of(FakeModel(LOGITS, 2)))
    assert service.unready == "loading"
    with pytest.raises(errors.NotReady):
        assert service.served
    with served(service=service) as client:
        service.drain()
        answer = client.get("/readyz")
        assert answer.status_code == 503 and answer.json() == {"status": "draining"}
        late = client.post("/v1/classify", json={"text": "good"})
        assert late.status_code == 200 and late.headers["connection"] == "close"
        assert client.get("/healthz").status_code == 200


def test_what_a_client_that_left_was_waiting_for_is_not_computed() -> None:
    model = Held()
    service = service_of(classifier_of(model))
    long = "x" * 5_000

    async def ask(text: str, left: asyncio.Event) -> int:
        body = json.dumps({"text": text}).encode()
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            if messages:
                return messages.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/classify", "headers": headers, "query_string": b""}
        await app(scope, receive, send)  # type: ignore[arg-type]
        return int(str(sent[0]["status"]))

    async def scenario() -> list[int]:
        await service.start()
        model.opened.clear()
        model.entered.clear()
        first = asyncio.create_task(ask(long, asyncio.Event()))
        while not model.entered.is_set():
            await asyncio.sleep(0.001)
        left = asyncio.Event()
        second = asyncio.create_task(ask("gone " + long, left))
        await asyncio.sleep(0.05)
        left.set()
        gone = await second
        model.opened.set()
        found = [await first, gone, await ask("good", asyncio.Event())]
        await service.close()
        return found

    app = create_app(service, feedback=Feedback.in_file(Path("feedback.jsonl")))
    assert asyncio.run(scenario()) == [200, 400, 200]
    assert not any(text.startswith("gone") for text in model.seen)
    assert 'copydesk_dropped_texts_total{lane="fake"} 1.0' in service.metrics.page().decode()


def _corrected(keep: Callable[[Sequence[Mapping[str, Any]]], None]) -> Response:
    app = create_app(service_of(classifier_of(FakeModel(LOGITS, 2))), feedback=Feedback(keep))
    with TestClient(app) as client:
        return client.post("/v1/feedback", json={"id": "v1.00112233445566aa", "label": "blame"})


def test_a_correction_that_cannot_be_kept_is_refused_and_no_path_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def full(_: object) -> None:
        raise CopydeskError("'/srv/log/feedback.jsonl' cannot be written: No space left on device.")

    answer = _corrected(full)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "/srv" not in answer.text and "a correction was refused" in caplog.messages


def test_only_so_many_corrections_wait_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copydesk.serve.routes._MOST_CORRECTIONS", 0)
    kept: list[object] = []
    answer = _corrected(kept.extend)
    assert answer.status_code == 429 and not kept and "Retry-After" in answer.headers
