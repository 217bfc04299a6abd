from __future__ import annotations

import json

import pytest

from copydesk.collect.answers import FIELDS, read_answer
from copydesk.collect.request import Reply
from gdelt_server import LIMIT, SINCE, article


def _said(text: str, status: int = 200, retry_after_s: float = 0.0) -> tuple[str, str]:
    answer = read_answer(Reply(status, text.encode(), retry_after_s))
    return answer.kind, answer.said


def test_a_list_of_articles_is_read_with_the_known_fields() -> None:
    sent = article(1, "Storm , again", SINCE)
    answer = read_answer(Reply(200, json.dumps({"articles": [sent]}).encode()))
    assert answer.kind == "articles"
    assert answer.articles == ({field: sent[field] for field in FIELDS},)


@pytest.mark.parametrize("text", ["{}", ' {"articles": []}\n', "\ufeff{}"])
def test_an_empty_object_means_that_there_is_nothing(text: str) -> None:
    answer = read_answer(Reply(200, text.encode()))
    assert (answer.kind, answer.articles) == ("articles", ())


def test_too_many_requests_arrive_as_429_and_as_plain_text_with_200() -> None:
    assert _said(LIMIT, 429)[0] == _said(LIMIT)[0] == "busy"
    assert read_answer(Reply(429, b"", 7.0)).wait_s == 7.0


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Internal error", 500),
        ("", 504),
        ("", 200),
        ("<html>One moment</html>", 200),
        ('{"articles": [{"url": "https://a', 200),
        ('{"status": "ok"}', 200),
        ('{"articles": "none"}', 200),
        ("[" * 100_000, 200),
    ],
)
def test_what_cannot_be_used_is_worth_asking_again(text: str, status: int) -> None:
    assert _said(text, status)[0] == "broken"


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("Your query was too short or too long.\n", 200, "Your query was too short or too long."),
        ("Invalid/Unsupported Country.", 200, "Invalid/Unsupported Country."),
        ("<html>Gone</html>", 404, "sends a web page with HTTP 404"),
        ("Forbidden", 403, "Forbidden"),
    ],
)
def test_a_refusal_keeps_gdelts_own_words(text: str, status: int, said: str) -> None:
    assert _said(text, status) == ("refused", said)


def test_a_window_that_is_too_short_for_gdelt_is_no_refusal_of_the_query() -> None:
    assert _said("Timespan is too short.")[0] == "too_short"


@pytest.mark.parametrize(
    ("escaped", "title"),
    [
        (r"Harbour\'s crane", "Harbour's crane"),
        (r"C:\data and \d", r"C:\data and \d"),  # a path: kept as it is
        (r"a \\ b \" c \u00e9", 'a \\ b " c é'),
        (r"a \u12 b", r"a \u12 b"),
        ("a\tb\x01c", "a\tb\x01c"),
    ],
)
def test_escapes_that_json_does_not_know_are_read_all_the_same(escaped: str, title: str) -> None:
    body = f'{{"articles": [{{"url": "https://a.example.com", "title": "{escaped}"}}]}}'
    answer = read_answer(Reply(200, body.encode()))
    assert answer.articles[0]["title"] == title


def test_bytes_that_are_not_utf_8_and_halves_of_characters_do_not_stop_an_answer() -> None:
    answer = read_answer(Reply(200, b'{"articles": [{"title": "caf\xe9 \\ud83d", "url": null}, "stray"]}'))
    assert answer.articles[0]["title"] == "caf\ufffd ?"
    assert answer.articles[0]["url"] == ""
    assert len(answer.articles) == 1
