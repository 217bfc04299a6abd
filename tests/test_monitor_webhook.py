"""Telling a webhook: what is posted, how it is signed, and what is never told."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest

from copydesk.errors import UsageError
from copydesk.monitor.memory import Alarm, Event
from copydesk.monitor.webhook import NotTold, message_of, post, require_webhook, shown
from monitor_logs import NOON
from receiver import Receiver, receiving

ALARM = Alarm("drift.labels", NOON, "which labels are given changed: news +20%", "Label some.")
BEGINS = Event("begins", NOON, "clickbait", "3", ALARM)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.mark.parametrize(
    "url", ["", "hooks.example", "file:///etc/passwd", "ftp://host/x", "https://", "http://a:0/", "http://[/"]
)
def test_an_address_that_cannot_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="Expected: https://HOST/PATH"):
        require_webhook(url)


@pytest.mark.parametrize("url", ["https://hooks.example/services/T0/B0/x", "http://10.0.0.7:8065/hooks/x"])
def test_the_operators_own_address_is_taken_private_ones_too(url: str) -> None:
    assert require_webhook(url) == url


def test_the_secret_in_an_address_is_not_shown() -> None:
    assert shown("https://user:word@hooks.example:8443/services/secret?token=1") == "https://hooks.example:8443/…"


def test_what_is_posted_has_a_text_for_chat_programs_and_the_same_in_parts(receiver: Receiver) -> None:
    post(receiver.url, BEGINS, secret=None, now=NOON)
    ((path, headers, body),) = receiver.came
    values = json.loads(body)
    assert path == "/hook/secret-path" and headers["Content-Type"] == "application/json"
    assert (
        values["text"].startswith("⚠ clickbait (version 3): which labels are given changed")
        and "Label some." in values["text"]
    )
    assert values["state"] == "begins" and values["rule"] == "drift.labels" and values["id"] == BEGINS.id
    assert "X-Copydesk-Signature" not in headers


def test_the_end_of_an_alarm_reads_as_one_and_has_another_id() -> None:
    ends = Event("ends", NOON, "clickbait", "3", ALARM)
    assert message_of(ends)["text"].startswith("✓ clickbait (version 3): no longer: ") and ends.id != BEGINS.id


def test_who_knows_the_secret_can_check_who_posted_and_when(receiver: Receiver) -> None:
    post(receiver.url, BEGINS, secret="word", now=NOON)
    ((_, headers, body),) = receiver.came
    at = headers["X-Copydesk-Timestamp"]
    expected = hmac.new(b"word", at.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert int(at) == NOON.timestamp() and headers["X-Copydesk-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500, 503])
def test_anything_but_success_is_not_told_and_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(NotTold, match=f"answered {status}") as refused:
        post(receiver.url, BEGINS, secret=None, now=NOON)
    assert len(receiver.came) == 1 and "secret" not in str(refused.value)


def test_a_receiver_that_is_away_is_not_told() -> None:
    with pytest.raises(NotTold, match="cannot be reached") as refused:
        post("http://127.0.0.1:9/hook/secret-path", BEGINS, secret=None, now=NOON)
    assert "secret" not in str(refused.value)
