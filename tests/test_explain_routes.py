from __future__ import annotations

import threading

import pytest

from copydesk.errors import InvalidRequest
from copydesk.serve import explain_routes
from copydesk.serve.explain_routes import read_question
from fakes import FakeModel
from serving import classifier_of, served


def test_the_words_of_one_text_come_with_their_places_and_the_version_that_answered() -> None:
    with served() as client:
        answer = client.post("/v1/explain", json={"text": "good 🎉 day"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["model"] == {"name": "toy", "version": "v1"}
    (found,) = body["explanations"]
    assert (found["label"], found["rival"], found["method"], found["exact"]) == ("praise", "blame", "leave_out", False)
    (span,) = found["spans"]
    assert (span["start"], span["end"]) == (0, 4) and span["weight"] == pytest.approx(found["value"], abs=1e-4)


def test_another_label_can_be_asked_about() -> None:
    with served() as client:
        (found,) = client.post("/v1/explain", json={"text": "good day", "label": "blame"}).json()["explanations"]
    assert found["label"] == "blame" and found["value"] < 0


def test_an_answer_without_labels_has_no_explanation() -> None:
    with served(classifier_of(FakeModel({"bad": [-9.0, -9.0]}, 2), "multi")) as client:
        assert client.post("/v1/explain", json={"text": "bad"}).json()["explanations"] == []


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        (b"[", ["body"], "Invalid JSON"),
        (b"{}", ["body", "text"], "Field required"),
        (b'{"text": " "}', ["body", "text"], "The text is empty"),
        (b'{"text": "aaaaaa"}', ["body", "text"], "6 characters; at most 5"),
        (b'{"text": {"title": "a"}}', ["body", "text"], "columns title; the model reads text"),
        (b'{"text": "a", "labels": 1}', ["body", "labels"], "Extra inputs"),
    ],
)
def test_a_wrong_question_is_refused_with_the_place_of_its_fault(body: bytes, where: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_question(body, ["text"], most_chars=5)
    (fault,) = refused.value.faults
    assert fault["loc"] == where and message in fault["msg"]


def test_an_unknown_label_is_refused_by_name() -> None:
    with served() as client:
        answer = client.post("/v1/explain", json={"text": "good", "label": "prais"})
    assert answer.status_code == 422
    assert "Did you mean 'praise'" in answer.json()["detail"][0]["msg"]


def test_more_than_can_wait_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> list[object]:
        begun.set()
        go_on.wait(10)
        return []

    monkeypatch.setattr(explain_routes, "explain", slow)
    monkeypatch.setattr(explain_routes, "MOST_WAITING", 1)
    with served() as client:
        first = threading.Thread(target=client.post, args=("/v1/explain",), kwargs={"json": {"text": "good"}})
        first.start()
        begun.wait(10)
        refused = client.post("/v1/explain", json={"text": "good"})
        go_on.set()
        first.join()
        assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
        assert client.post("/v1/explain", json={"text": "good"}).status_code == 200
