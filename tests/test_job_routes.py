"""The routes of jobs over HTTP, on both stores, with an app of nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from copydesk.errors import RequestRefused
from copydesk.serve.access import Door, Guard, Keys
from copydesk.serve.app import STATUS
from copydesk.serve.job_routes import job_routes
from copydesk.serve.jobs import JobRules
from copydesk.serve.limits import Limits
from copydesk.serve.metrics import Metrics
from copydesk.serve.redis_jobs import RedisJobs
from copydesk.serve.schemas import read_texts
from copydesk.types import Job, ModelVersion, Text
from job_fakes import FIRST, Office
from redis_server import RedisServer

RULES = JobRules(chunk_texts=2, keep_s=100.0)
ONE = "/" + "0" * 32
TEXTS = {"texts": ["a", "b", "c"]}


@contextmanager
def _client(store: Any, keys: Keys | None = None) -> Iterator[TestClient]:
    def accept(body: bytes) -> tuple[ModelVersion, list[Text]]:
        return FIRST, read_texts(body, ("text",), most_texts=100, most_chars=1_000)

    def refuse(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": getattr(error, "faults", str(error))}, STATUS[type(error)])

    app = FastAPI(exception_handlers={RequestRefused: refuse})
    app.include_router(job_routes(store, accept, limits=lambda: Limits(job_body_bytes=10_000)))
    if keys:
        app.add_middleware(Guard, keys=keys, metrics=Metrics())
    app.add_middleware(Door, metrics=Metrics(), is_draining=lambda: False)  # the last one is the outermost
    with TestClient(app) as client:
        yield client


@pytest.fixture
def client(office: Office) -> Iterator[TestClient]:
    with _client(office.store) as client:
        yield client


def test_a_job_is_accepted_followed_and_answered(office: Office, client: TestClient) -> None:
    accepted = client.post("/v1/jobs", json=TEXTS)
    assert accepted.status_code == 202 and accepted.headers["Retry-After"] == "1"
    told = accepted.json()
    assert accepted.headers["Location"] == f"/v1/jobs/{told['id']}"
    assert (told["status"], told["texts"], told["done"]) == ("pending", 3, 0)
    assert told["model"] == {"name": "headlines", "version": "1"}

    waiting = client.get(accepted.headers["Location"])
    assert (waiting.status_code, waiting.headers["Retry-After"], waiting.json()) == (202, "1", told)

    office.work()
    done = client.get(accepted.headers["Location"])
    assert done.status_code == 200 and done.headers["Content-Type"] == "application/json"
    assert done.json()["status"] == "succeeded" and done.json()["model"] == told["model"]
    assert [line["label"] for line in done.json()["predictions"]] == ["1: a", "1: b", "1: c"]


def test_scores_are_given_on_request(office: Office, client: TestClient) -> None:
    path = client.post("/v1/jobs?scores=true", json={"text": "a"}).headers["Location"]
    office.work()
    assert client.get(path).json()["predictions"][0]["scores"] == {"yes": 0.5}


def test_a_wrong_body_makes_no_job(office: Office, client: TestClient) -> None:
    refused = client.post("/v1/jobs", json={"texts": ["a", ""]})
    assert refused.status_code == 422 and refused.json()["detail"][0]["loc"] == ["body", "texts", 1]
    assert sum(office.store.counts().values()) == 0


def test_a_body_that_is_too_large_or_no_json_or_a_scores_that_is_no_boolean_is_refused(client: TestClient) -> None:
    assert client.post("/v1/jobs", json={"texts": ["a" * 900] * 12}).status_code == 413
    assert client.post("/v1/jobs", data={"text": "a"}).status_code == 415
    assert client.post("/v1/jobs?scores=some", json=TEXTS).status_code == 422


def test_a_request_sent_twice_with_its_key_is_one_job(office: Office, client: TestClient) -> None:
    key = {"Idempotency-Key": "order-17"}
    first, second = (client.post("/v1/jobs", json=TEXTS, headers=key) for _ in range(2))
    assert second.status_code == 202 and first.json() == second.json()
    assert sum(office.store.counts().values()) == 1


@pytest.mark.parametrize(("path", "body"), [("/v1/jobs", {"text": "b"}), ("/v1/jobs?scores=true", TEXTS)])
def test_a_key_with_another_request_is_refused(client: TestClient, path: str, body: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "order-17"}
    client.post("/v1/jobs", json=TEXTS, headers=key)
    refused = client.post(path, json=body, headers=key)
    assert refused.status_code == 422 and refused.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]


def test_clients_with_other_api_keys_never_meet_by_their_idempotency_keys(office: Office) -> None:
    keys = Keys.read(None, "one 1111111111111111, two 2222222222222222")
    with _client(office.store, keys) as client:
        jobs = []
        for key in ("1111111111111111", "2222222222222222", "1111111111111111"):
            headers = {"Idempotency-Key": "order-17", "Authorization": f"Bearer {key}"}
            jobs.append(client.post("/v1/jobs", json=TEXTS, headers=headers).json()["id"])
    assert jobs[0] == jobs[2] != jobs[1]


def test_a_key_without_end_is_refused(client: TestClient) -> None:
    refused = client.post("/v1/jobs", json=TEXTS, headers={"Idempotency-Key": "k" * 256})
    assert refused.status_code == 422 and "256 characters" in refused.json()["detail"][0]["msg"]


def test_an_unknown_job_is_404_on_every_route(client: TestClient) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        assert client.request(method, f"/v1/jobs/nothing{path}").status_code == 404


def test_expired_results_are_410(office: Office, client: TestClient) -> None:
    path = client.post("/v1/jobs", json=TEXTS).headers["Location"]
    office.work()
    office.clock.now += RULES.keep_s
    for method, part in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        gone = client.request(method, path + part)
        assert gone.status_code == 410 and "kept until" in gone.json()["detail"]


def test_a_failed_job_says_why_and_not_with_200(office: Office, client: TestClient) -> None:
    path = client.post("/v1/jobs", json={"texts": ["a", "poison"]}).headers["Location"]
    while office.work():
        office.clock.now += 5
    failed = client.get(path)
    assert failed.status_code == 500 and failed.json()["status"] == "failed"
    assert failed.json()["detail"] == "The model could not answer text 1: ValueError: a text that no model can read"


def test_a_cancelled_job_is_over(office: Office, client: TestClient) -> None:
    path = client.post("/v1/jobs", json=TEXTS).headers["Location"]
    for _ in range(2):
        cancelled = client.delete(path)
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert office.work() == 0
    assert client.get(path).json() == cancelled.json()


def test_a_job_that_has_ended_is_not_cancelled(office: Office, client: TestClient) -> None:
    path = client.post("/v1/jobs", json=TEXTS).headers["Location"]
    office.work()
    assert client.delete(path).json()["status"] == "succeeded"
    assert client.get(path).status_code == 200


def test_progress_is_streamed_to_the_end(office: Office, client: TestClient) -> None:
    path = client.post("/v1/jobs", json=TEXTS).headers["Location"]
    with client.stream("GET", f"{path}/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        events = []
        for event in _events(stream):
            events.append((event[0], event[1]["status"], event[1]["done"]))
            office.work()
    assert events == [("progress", "pending", 0), ("ended", "succeeded", 3)]


def test_progress_of_a_job_that_has_ended_is_one_event(office: Office, client: TestClient) -> None:
    path = client.post("/v1/jobs", json=TEXTS).headers["Location"]
    office.work()
    with client.stream("GET", f"{path}/events") as stream:
        assert [event[0] for event in _events(stream)] == ["ended"]


def test_more_streams_of_progress_than_may_be_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copydesk.serve.job_routes._MOST_WATCHED", 0)
    path = client.post("/v1/jobs", json=TEXTS).headers["Location"]
    assert client.get(f"{path}/events").status_code == 429


class OffTheLoop:
    """A store that must not be called on the event loop, which would keep everybody else waiting."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self._check()
            return getattr(self._store, name)(*arguments)

        return call

    def answers(self, job: Job) -> Iterator[bytes]:
        for answers in self._store.answers(job):
            self._check()
            yield answers

    def _check(self) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()


def test_the_store_is_never_called_on_the_event_loop(office: Office) -> None:
    with _client(OffTheLoop(office.store)) as client:
        path = client.post("/v1/jobs", json=TEXTS).headers["Location"]
        assert client.delete(client.post("/v1/jobs", json=TEXTS).headers["Location"]).status_code == 200
        with client.stream("GET", f"{path}/events") as stream:
            for _ in _events(stream):
                office.work()
        assert len(client.get(path).json()["predictions"]) == 3


def test_redis_down_is_503(tmp_path: Path) -> None:
    store = RedisJobs(RedisServer(tmp_path).url)  # never started
    with _client(store) as client:
        for method, path in (("POST", ""), ("GET", ONE), ("GET", f"{ONE}/events"), ("DELETE", ONE)):
            refused = client.request(method, f"/v1/jobs{path}", json=TEXTS if method == "POST" else None)
            assert refused.status_code == 503


def test_the_documentation_names_every_status(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"202", "413", "422", "429", "503"} <= set(paths["/v1/jobs"]["post"]["responses"])
    assert {"200", "202", "404", "410", "500", "503"} <= set(paths["/v1/jobs/{job_id}"]["get"]["responses"])
    assert "requestBody" in paths["/v1/jobs"]["post"]


def _events(stream: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in stream.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
