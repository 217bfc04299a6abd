from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copydesk.data.review_file import Header, Item, Review, read_review, write_review
from copydesk.page.files import SECURITY_HEADERS
from copydesk.review.routes import MOST_ITEMS, Guard, Request, answer
from copydesk.review.session import Session

GUARD = Guard("secret", frozenset({"127.0.0.1:8470", "localhost:8470"}))
HEADERS = {"host": "127.0.0.1:8470", "x-copydesk-token": "secret", "content-type": "application/json"}
ITEM = Item("a1", "<img src=x>", "bad", suggested="good", reason="label error", model={"good": 0.9}, where="data.csv:2")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    items = (ITEM, replace(ITEM, id="b2", reason="outlier"))
    write_review(tmp_path / "review.jsonl", Review(Header("single", ("bad", "good"), recipe="toy"), items))
    return Session(tmp_path / "review.jsonl")


def _get(session: Session, target: str, **headers: str) -> tuple[int, Any]:
    response = answer(Request("GET", target, {**HEADERS, **headers}), session, GUARD)
    return response.status, json.loads(response.body)


def _post(session: Session, target: str, body: object, **headers: str) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = answer(Request("POST", target, {**HEADERS, **headers}, raw), session, GUARD)
    return response.status, json.loads(response.body)


def _decision(**others: object) -> dict[str, object]:
    return {"place": 0, "revision": 0, "decision": "keep", **others}


def test_the_overview_says_what_there_is_and_how_far_it_has_come(session: Session) -> None:
    status, value = _get(session, "/api/review")
    assert status == 200
    assert value["file"] == "review.jsonl"
    assert (value["task"], value["labels"], value["recipe"]) == ("single", ["bad", "good"], "toy")
    assert (value["all"], value["decided"], value["skipped"], value["can_undo"]) == (2, 0, 0, False)
    assert value["reasons"][0] == {"reason": "label error", "all": 1, "decided": 0, "skipped": 0}


def test_texts_are_sent_only_where_they_are_asked_for(session: Session) -> None:
    status, found = _get(session, "/api/places?reason=outlier")
    assert (status, found) == (200, {"places": [1], "decisions": [None]})
    status, found = _get(session, "/api/items?places=1,0")
    assert [item["place"] for item in found["items"]] == [1, 0]
    assert found["items"][1]["text"] == "<img src=x>"
    assert found["items"][1]["model"] == {"good": 0.9}


@pytest.mark.parametrize("places", ["", "x", "1,", "-1", "²", ",".join(map(str, range(MOST_ITEMS + 1)))])
def test_places_that_are_no_places_are_refused(places: str, session: Session) -> None:
    assert _get(session, f"/api/items?places={places}")[0] == 400


def test_a_place_beyond_the_end_is_refused(session: Session) -> None:
    assert _get(session, "/api/items?places=2") == (422, {"error": "There is no text 3; the file has 2."})


def test_a_decision_is_saved_and_undone(session: Session) -> None:
    status, value = _post(session, "/api/decide", _decision(decision="change", new_label="good"))
    assert status == 200
    assert (value["item"]["decision"], value["item"]["revision"], value["decided"]) == ("change", 1, 1)
    assert read_review(session.path).items[0].new_label == "good"
    status, value = _post(session, "/api/undo", {"revision": 1})
    assert (status, value["item"]["decision"], value["can_undo"]) == (200, None, False)
    assert read_review(session.path).items[0].decision is None


def test_two_windows_do_not_overwrite_each_other(session: Session) -> None:
    assert _post(session, "/api/decide", _decision())[0] == 200
    status, value = _post(session, "/api/decide", _decision(decision="drop"))
    assert (status, value["error"]) == (409, "Text 1 was decided in another window meanwhile. Look at it again.")
    assert _post(session, "/api/undo", {"revision": 0})[0] == 409
    assert read_review(session.path).items[0].decision == "keep"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (_decision(decision="yes"), 422, "decision 'yes' is none of keep, accept, change, drop, skip"),
        (_decision(decision="change", new_label="goood"), 422, "'goood' is none of bad, good; did you mean 'good'"),
        (_decision(decision="change", new_label={"a": 1}), 422, "is no name"),
        (_decision(decision="change"), 422, "belong together"),
        (_decision(place=9), 422, "There is no text 10"),
        (_decision(place=True), 400, "`place` must be given, as int"),
        (_decision(place="0"), 400, "`place` must be given, as int"),
        (_decision(decision=None), 400, "`decision` must be given, as str"),
        ({"place": 0, "decision": "keep"}, 400, "`revision` must be given"),
        (_decision(text="other"), 400, "Unknown key 'text'"),
        (b"{", 400, "The body is not JSON"),
        (b"\xff\xfe\xfd", 400, "The body is not JSON"),
        (b"[" * 200_000, 400, "The body is not JSON"),
        (b"[]", 400, "The body must be an object"),
        (b"", 400, "The body is not JSON"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_and_saves_nothing(
    body: object, status: int, message: str, session: Session
) -> None:
    before = session.path.read_bytes()
    found = _post(session, "/api/decide", body)
    assert found[0] == status
    assert message in found[1]["error"]
    assert session.path.read_bytes() == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-copydesk-token": "wrong"}, 401),
        ({"x-copydesk-token": ""}, 401),
        ({"x-copydesk-token": "sécret"}, 401),
        ({"host": "evil.example:8470"}, 403),
        ({"host": "127.0.0.1:80"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"content-type": "text/plain"}, 400),
        ({"content-type": ""}, 400),
    ],
)
def test_requests_of_other_pages_are_refused(headers: dict[str, str], status: int, session: Session) -> None:
    before = session.path.read_bytes()
    assert _post(session, "/api/decide", _decision(), **headers)[0] == status
    assert session.path.read_bytes() == before


def test_the_pages_own_requests_are_let_in(session: Session) -> None:
    own = {
        "origin": "http://LOCALHOST:8470",
        "host": "localhost:8470",
        "content-type": "application/json; charset=utf-8",
    }
    assert _post(session, "/api/decide", _decision(), **own)[0] == 200


def test_texts_are_not_read_without_the_token(session: Session) -> None:
    for target in ("/api/review", "/api/places", "/api/items?places=0"):
        assert _get(session, target, **{"x-copydesk-token": "wrong"})[0] == 401
        assert _get(session, target, host="evil.example")[0] == 403


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/api/decide", 405),
        ("POST", "/api/review", 405),
        ("OPTIONS", "/api/decide", 405),
        ("GET", "/api/none", 404),
        ("GET", "/none.js", 404),
        ("GET", "/../session.py", 404),
        ("GET", "/..%2fsession.py", 404),
        ("GET", "//", 404),
        ("POST", "/page.js", 405),
    ],
)
def test_there_is_nothing_else(method: str, target: str, status: int, session: Session) -> None:
    assert answer(Request(method, target, HEADERS), session, GUARD).status == status


def test_the_pages_files_are_served_without_the_token_but_to_the_own_host_only(session: Session) -> None:
    for target, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
        response = answer(Request("GET", target, {"host": "localhost:8470"}), session, GUARD)
        assert (response.status, response.type.partition(";")[0]) == (200, kind)
        assert answer(Request("GET", target, {"host": "evil.example"}), session, GUARD).status == 403


def test_the_page_needs_nothing_that_its_policy_forbids(session: Session) -> None:
    html = answer(Request("GET", "/", HEADERS), session, GUARD).body.decode()
    assert "default-src 'none'" in SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]
    assert "<style" not in html and "style=" not in html and "onclick" not in html and "http" not in html
    scripts = [
        path.read_text("utf-8") for path in (Path(__file__).parent.parent / "src/copydesk/review/page").glob("*.js")
    ]
    assert len(scripts) > 3
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"):
        assert not any(sink in script for script in scripts), sink
