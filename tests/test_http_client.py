"""The Python client against servers that are scripts: what it sends, what it makes of answers, when it asks again."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from copydesk.client import Answer, AsyncClient, Client, Health, Patience
from copydesk.client.calls import Calls
from copydesk.client.http import EventReader
from copydesk.client.steps import NoReply, Outcome, Pause, Reply, Request, send
from copydesk.errors import (
    BodyRefused,
    BodyTooLarge,
    BodyTooSlow,
    CopydeskError,
    DeadlinePassed,
    ExpiredJob,
    InvalidRequest,
    JobFailed,
    JobsUnavailable,
    MissingExtra,
    NotReady,
    Overloaded,
    RequestRefused,
    ServiceError,
    Unauthorised,
    UnknownJob,
    Unreachable,
    UsageError,
)
from copydesk.types import Signal

MODEL = {"name": "clickbait", "version": "3"}
AT_ONCE = Patience(first_pause_s=0.0)
Server = Callable[[httpx.Request], httpx.Response]


def classified(request: httpx.Request) -> httpx.Response:
    """Answer every text by its first word."""
    texts = json.loads(request.content)["texts"]
    answers = [
        {"id": f"3.{text}", "label": text.split()[0] if isinstance(text, str) else "columns", "score": 0.9}
        for text in texts
    ]
    return httpx.Response(200, json={"model": MODEL, "predictions": answers})


def job_state(status: str, done: int = 0, **more: object) -> dict[str, object]:
    state = {"id": "j1", "status": status, "created_at": "2026-11-21T10:00:00Z", "model": MODEL, "texts": 4}
    return {**state, "done": done, **more}


class Script:
    """A server that gives its answers in order, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception | Server) -> None:
        self.answers, self.asked = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    @property
    def paths(self) -> list[str]:
        return [request.url.raw_path.decode() for request in self.asked]


class Awaited:
    """The async client behind the sync one's calls, so that both pass the same tests."""

    def __init__(self, **options: Any) -> None:
        self.client = AsyncClient(**options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            found = getattr(self.client, name)(*arguments, **options)
            return asyncio.run(_collected(found) if inspect.isasyncgen(found) else found)

        return call


async def _collected(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def to(server: Server, **options: Any) -> Any:
        kind = Client if request.param == "sync" else Awaited
        patience = options.pop("patience", AT_ONCE)
        return kind(url="http://desk", transport=httpx.MockTransport(server), patience=patience, **options)

    return to


def test_one_text_gets_one_answer_with_its_id_and_model(connect: Callable[..., Any]) -> None:
    answer = connect(Script(classified)).classify("goal match")
    assert isinstance(answer, Answer)
    assert (answer.id, answer.label, answer.score) == ("3.goal match", "goal", 0.9)
    assert (answer.model.name, answer.model.version) == ("clickbait", "3")


def test_a_list_gets_a_list_in_order_and_no_texts_no_request(connect: Callable[..., Any]) -> None:
    server = Script(classified)
    client = connect(server)
    assert [one.label for one in client.classify(["goal", "bank"])] == ["goal", "bank"]
    assert client.classify({"title": "a", "body": "b"}).label == "columns"
    assert client.classify([]) == [] and len(server.asked) == 2


def test_signals_and_scores_come_back_as_values(connect: Callable[..., Any]) -> None:
    signal = {"category": "crime", "score": -0.5, "tag": "theft", "present": True, "intensity": "medium"}
    body = {"model": MODEL, "predictions": [{"id": "3.x", "signals": [signal], "scores": {"crime": 0.8}, "new": 1}]}
    server = Script(httpx.Response(200, json=body))
    answer = connect(server).classify("x", scores=True)
    assert answer.signals == [Signal("crime", -0.5, "theft")] and answer.scores == {"crime": 0.8}
    assert server.paths == ["/v1/classify?scores=true"]


def test_the_key_is_sent_with_every_request_and_how_long_somebody_waits(connect: Callable[..., Any]) -> None:
    server = Script(classified)
    connect(server, api_key="secret", patience=Patience(timeout_s=7)).classify("x")
    headers = server.asked[0].headers
    assert headers["authorization"] == "Bearer secret" and headers["x-request-timeout"] == "7.000"


def test_half_a_surrogate_pair_is_sent_as_the_replacement_character(connect: Callable[..., Any]) -> None:
    server = Script(classified)
    connect(server).classify("goal \ud83d \ud83d\ude00 é")
    assert json.loads(server.asked[0].content) == {"texts": ["goal \ufffd 😀 é"]}


def test_more_texts_than_the_server_takes_are_sent_in_parts_and_it_is_asked_only_once(
    connect: Callable[..., Any],
) -> None:
    limits = {"max_text_chars": 100, "max_batch_texts": 2, "max_job_texts": 10}
    card = {**MODEL, "task": "single", "labels": ["goal"], "text": ["text"], "limits": limits}
    fault = {"loc": ["body", "texts"], "msg": "There are 5 texts in it", "type": "too_long"}

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"models": [card]})
        many = len(json.loads(request.content)["texts"]) > 2
        return httpx.Response(422, json={"detail": [fault]}) if many else classified(request)

    script = Script(server)
    client = connect(script)
    words = ["a", "b", "c", "d", "e"]
    assert [one.label for one in client.classify(words)] == words
    assert [one.label for one in client.classify(words)] == words
    assert script.paths == [*["/v1/classify", "/v1/models"], *["/v1/classify"] * 6]


def test_a_body_that_is_too_large_is_halved_and_one_text_too_large_is_an_error(connect: Callable[..., Any]) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        if len(request.content) > 100:
            return httpx.Response(413, json={"detail": "The body is larger than 100 bytes."})
        return classified(request)

    client = connect(server)
    words = [f"word{place:03}" for place in range(40)]
    assert [one.label for one in client.classify(words)] == words
    with pytest.raises(RequestRefused, match="larger than 100 bytes"):
        client.classify(["x" * 200])


def test_a_fault_names_the_text_by_its_place_in_the_callers_list(connect: Callable[..., Any]) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        texts = json.loads(request.content)["texts"]
        if len(texts) > 2:
            return httpx.Response(413, json={"detail": "too large"})
        fault = {"loc": ["body", "texts", 1], "msg": "The text is empty.", "type": "text"}
        return httpx.Response(422, json={"detail": [fault]}) if texts[0] == "c" else classified(request)

    with pytest.raises(InvalidRequest, match=r"body\.texts\.3: The text is empty\."):
        connect(server).classify(["a", "b", "c", " "])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRefused),
        (401, Unauthorised),
        (404, ServiceError),
        (408, BodyTooSlow),
        (413, BodyTooLarge),
        (415, BodyRefused),
        (429, Overloaded),
        (500, ServiceError),
        (302, ServiceError),
        (503, NotReady),
        (504, DeadlinePassed),
    ],
)
def test_a_refusal_is_an_error_of_its_kind_with_the_servers_reason(
    connect: Callable[..., Any], status: int, kind: type[CopydeskError]
) -> None:
    client = connect(Script(httpx.Response(status, json={"detail": "Because."})), patience=Patience(deadline_s=0))
    with pytest.raises(kind, match="Because") as raised:
        client.classify("x")
    assert type(raised.value) is kind


@pytest.mark.parametrize(("status", "kind"), [(404, UnknownJob), (410, ExpiredJob), (503, JobsUnavailable)])
def test_what_is_said_of_a_job_has_its_own_kinds(
    connect: Callable[..., Any], status: int, kind: type[CopydeskError]
) -> None:
    client = connect(Script(httpx.Response(status, json={"detail": "Because."})), patience=Patience(deadline_s=0))
    for ask in (client.job, client.wait, client.cancel, client.progress):
        with pytest.raises(kind, match="Because"):
            list(ask("j1"))


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b'{"model": {}}', b'{"predictions": []}', b"[" * 5_000])
def test_an_answer_of_another_kind_of_server_is_an_error(connect: Callable[..., Any], body: bytes) -> None:
    with pytest.raises(ServiceError, match="not one of Copydesk's"):
        connect(Script(httpx.Response(200, content=body))).classify("x")
    with pytest.raises(ServiceError):
        connect(Script(httpx.Response(500, content=body))).classify("x")


def test_too_few_answers_are_an_error(connect: Callable[..., Any]) -> None:
    with pytest.raises(ServiceError, match="0 answers to 1 texts"):
        connect(Script(httpx.Response(200, json={"model": MODEL, "predictions": []}))).classify(["x"])


@pytest.mark.parametrize("url", ["desk:8000", "ftp://desk", "http://", "http://desk:port", "/v1"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(UsageError, match="Expected: http"):
            kind(url)


def test_a_server_behind_a_path_is_asked_there() -> None:
    server = Script(classified)
    with Client("http://desk/copydesk/", transport=httpx.MockTransport(server)) as client:
        client.classify("x")
    assert server.paths == ["/copydesk/v1/classify"]


def test_refusals_and_broken_lines_are_asked_again(connect: Callable[..., Any]) -> None:
    refused = httpx.Response(429, json={"detail": "full"})
    server = Script(httpx.ConnectError("nobody"), refused, httpx.ReadError("cut"), httpx.Response(503), classified)
    assert connect(server).classify("x").label == "x"
    assert len(server.asked) == 5


def test_feedback_is_repeated_only_where_it_surely_did_not_arrive(connect: Callable[..., Any]) -> None:
    server = Script(httpx.ConnectError("nobody"), httpx.Response(503), httpx.Response(204))
    connect(server).feedback("3.x", label="news", comment="satire")
    assert json.loads(server.asked[-1].content) == {"id": "3.x", "label": "news", "comment": "satire"}
    server = Script(httpx.ReadTimeout("late"), httpx.Response(204))
    with pytest.raises(Unreachable, match="may have been done"):
        connect(server).feedback("3.x", labels=["news"])
    assert len(server.asked) == 1


def test_feedback_needs_one_right_answer(connect: Callable[..., Any]) -> None:
    server = Script(httpx.Response(204))
    client = connect(server)
    client.feedback("3.x", signals=[Signal("crime", -0.5, "theft")])
    assert json.loads(server.asked[0].content)["signals"] == [{"category": "crime", "score": -0.5, "tag": "theft"}]
    for right in ({}, {"label": "a", "labels": ["b"]}):
        with pytest.raises(UsageError, match="one of label, labels and signals"):
            client.feedback("3.x", **right)


def test_a_job_carries_a_key_that_repetitions_share(connect: Callable[..., Any]) -> None:
    server = Script(httpx.ReadError("cut"), httpx.Response(202, json=job_state("pending")))
    client = connect(server)
    assert client.submit(["a", "b"], scores=True).id == "j1"
    keys = [request.headers["idempotency-key"] for request in server.asked]
    assert len(set(keys)) == 1 and len(keys[0]) >= 32
    client.submit(["a", "b"])
    client.submit(["a", "b"], idempotency_key="mine")
    assert server.asked[-2].headers["idempotency-key"] != keys[0]
    assert server.asked[-1].headers["idempotency-key"] == "mine"
    with pytest.raises(UsageError, match="list of texts"):
        client.submit("one text")


class Walk:
    """Takes steps without doing them: outcomes in order (the last one for ever), pauses move the clock."""

    def __init__(self, *outcomes: Reply | NoReply, takes_s: float = 0.0) -> None:
        self.outcomes, self.takes_s = list(outcomes), takes_s
        self.now, self.pauses, self.timeouts = 0.0, list[float](), list[float]()

    def patience(self, **settings: float) -> Patience:
        return Patience(clock=lambda: self.now, chance=lambda: 1.0, **settings)

    def take(self, steps: Generator[Request | Pause, Outcome, Any]) -> Any:
        outcome: Outcome = None
        try:
            while True:
                step = steps.send(outcome)
                outcome = self._done(step)
        except StopIteration as end:
            return end.value

    def _done(self, step: Request | Pause) -> Outcome:
        if isinstance(step, Pause):
            self.pauses.append(step.seconds)
            self.now += step.seconds
            return None
        self.timeouts.append(step.timeout_s)
        self.now += self.takes_s
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


OK, FULL = Reply(200), Reply(429)
CUT = NoReply("cut", was_sent=True)
REQUEST = Request("GET", "/v1/models")


def test_pauses_double_up_to_the_longest_and_chance_shortens_them() -> None:
    walk = Walk(FULL, CUT, FULL, FULL, FULL, OK)
    walk.take(send(REQUEST, walk.patience(first_pause_s=1, longest_pause_s=5)))
    assert walk.pauses == [1, 2, 4, 5, 5]
    assert Patience(first_pause_s=1, chance=lambda: 0.0).pause_s(2, 0) == 2


@pytest.mark.parametrize(
    "headers",
    [{"retry-after": "7"}, {"retry-after": "Sat, 21 Nov 2026 10:00:07 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}],
)
def test_the_server_says_when_to_come_again_in_seconds_or_as_a_date(headers: dict[str, str]) -> None:
    walk = Walk(Reply(503, headers), OK)
    walk.take(send(REQUEST, walk.patience(first_pause_s=0.5)))
    assert walk.pauses == [7.5]


def test_a_date_without_the_servers_own_counts_from_now() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert Reply(503, {"retry-after": soon}).retry_after_s == pytest.approx(100, abs=20)
    assert Reply(503, {"retry-after": "Sat, 21 Nov 2020 10:00:07 GMT"}).retry_after_s == 0


@pytest.mark.parametrize("wanted", ["", "soon", "-5", "1e9", "²", "Sat, 99 Nov 2026"])
def test_what_is_no_time_is_not_waited_for(wanted: str) -> None:
    assert Reply(429, {"retry-after": wanted}).retry_after_s == 0


def test_the_deadline_ends_repetitions_before_a_pause_that_would_pass_it() -> None:
    walk = Walk(FULL, takes_s=1.0)
    patience = walk.patience(first_pause_s=2, longest_pause_s=2, deadline_s=10, timeout_s=4)
    assert walk.take(send(REQUEST, patience)).status == 429
    assert walk.now == 10 and walk.timeouts == [4, 4, 4, 1]
    walk = Walk(Reply(503, {"retry-after": "3600"}))
    assert walk.take(send(REQUEST, walk.patience())).status == 503 and not walk.pauses


def test_the_last_attempt_gets_what_is_left_of_the_time() -> None:
    walk = Walk(CUT, takes_s=3)
    with pytest.raises(Unreachable, match=r"asked 3 times\): cut"):
        walk.take(send(REQUEST, walk.patience(first_pause_s=0.5, longest_pause_s=0.5, deadline_s=9, timeout_s=3)))
    assert walk.timeouts == [3, 3, 2]


def test_waiting_for_a_job_asks_when_the_server_says_until_it_has_ended() -> None:
    answers = [{"id": f"3.{place}", "label": "a", "score": 0.5} for place in range(4)]
    done = Reply(200, body=json.dumps({**job_state("succeeded", 4), "predictions": answers}).encode())
    running = Reply(202, {"retry-after": "3"}, json.dumps(job_state("running", 1)).encode())
    walk = Walk(running, replace(running, headers={}), running, done)
    found = walk.take(Calls(walk.patience()).results("j1", timeout_s=None))
    assert [one.id for one in found] == ["3.0", "3.1", "3.2", "3.3"] and walk.pauses == [3, 1, 3]
    walk = Walk(running)
    with pytest.raises(DeadlinePassed, match="running after 10 s, 1 of 4 texts are done"):
        walk.take(Calls(walk.patience()).results("j1", timeout_s=10))
    assert walk.pauses == [3, 3, 3]


def test_waiting_for_a_job_that_ended_without_results_says_why(connect: Callable[..., Any]) -> None:
    state = job_state("failed", error="text 3 made the model fail")
    client = connect(Script(httpx.Response(500, json={"detail": state["error"], **state})))
    assert client.job("j1").status == "failed"
    with pytest.raises(JobFailed, match="Job j1 failed: text 3 made the model fail"):
        client.wait("j1")
    with pytest.raises(JobFailed, match="was cancelled"):
        connect(Script(httpx.Response(200, json=job_state("cancelled")))).wait("j1")


def test_a_job_is_cancelled_and_its_id_cannot_lead_elsewhere(connect: Callable[..., Any]) -> None:
    server = Script(httpx.Response(200, json=job_state("cancelled")))
    assert connect(server).cancel("../models").status == "cancelled"
    assert server.paths == ["/v1/jobs/..%2Fmodels"]


def test_progress_is_streamed_and_taken_up_again_where_the_line_breaks(connect: Callable[..., Any]) -> None:
    def event(*arguments: Any, **more: Any) -> str:
        return f": still here\n\nevent: progress\ndata: {json.dumps(job_state(*arguments, **more))}\n\n"

    def stream(*events: str) -> httpx.Response:
        return httpx.Response(200, text="".join(events), headers={"Content-Type": "text/event-stream"})

    server = Script(
        httpx.Response(202, json=job_state("pending")),
        stream(event("running", 1), event("running", 2)),
        httpx.Response(202, json=job_state("running", 3)),
        httpx.ReadError("cut"),
        httpx.Response(202, json=job_state("running", 3)),
        stream(event("succeeded", 4)),
    )
    states = connect(server).progress("j1")
    assert [(state.status, state.done) for state in states] == [
        ("pending", 0),
        ("running", 1),
        ("running", 2),
        ("running", 3),
        ("running", 3),
        ("succeeded", 4),
    ]
    assert server.paths[1] == "/v1/jobs/j1/events"


def test_the_data_of_an_event_may_take_several_lines() -> None:
    reader = EventReader()
    lines = ["id: 7", "data: {", 'data:"a": 1}', "", ":comment", "", "data", ""]
    assert [data for line in lines if (data := reader.read(line))] == ['{\n"a": 1}']


def test_health_is_asked_once_and_never_raised(connect: Callable[..., Any]) -> None:
    assert connect(Script(httpx.Response(200))).health() == Health(alive=True, ready=True)
    draining = Script(httpx.Response(200), httpx.Response(503, text="draining"))
    assert connect(draining).health() == Health(alive=True, ready=False, reason="HTTP 503 draining")
    dead = Script(httpx.ConnectError("nobody listens"))
    assert connect(dead).health() == Health(alive=False, ready=False, reason="nobody listens")
    assert len(dead.asked) == 1


def test_both_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> dict[str, list[str]]:
        public = (name for name in vars(kind) if not name.startswith("_"))
        return {name: list(inspect.signature(getattr(kind, name)).parameters) for name in public}

    assert calls(Client) == calls(AsyncClient)


def test_without_httpx_the_message_has_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'copydesk\[client\]'"):
        Client("http://desk")
