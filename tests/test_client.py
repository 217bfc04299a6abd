from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from copydesk.collect.client import Client, TooNarrow, parameters_of, query_of
from copydesk.collect.request import NoReply, Reply
from copydesk.collect.windows import Window
from copydesk.errors import SourceError
from copydesk.recipe import Gdelt
from fakes import Listener
from gdelt_server import LIMIT, SINCE, UNTIL, article

WINDOW = Window(SINCE, SINCE + timedelta(days=1))
NEWS = Reply(200, json.dumps({"articles": [article(1, "Storm", SINCE)]}).encode())
NONE = Reply(200, b"{}")
BUSY = Reply(200, LIMIT.encode())


class Script:
    """Answers in the order given, and is its own clock: only sleeping and `slow_s` per answer move it."""

    def __init__(self, *replies: Reply | NoReply, slow_s: float = 0.0) -> None:
        self.replies, self.slow_s = list(replies), slow_s
        self.now = 1_000.0
        self.asked_at: list[float] = []
        self.listener = Listener()

    def ask(self, url: str, parameters: Mapping[str, str]) -> Reply:
        self.asked_at.append(self.now)
        self.now += self.slow_s
        reply = self.replies.pop(0)
        if isinstance(reply, NoReply):
            raise reply
        return reply

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def client(self, chance: float = 0.0) -> Client:
        return Client(self.listener, self.ask, lambda: self.now, self.sleep, lambda: chance)

    @property
    def pauses(self) -> list[float]:
        return [after - before - self.slow_s for before, after in zip(self.asked_at, self.asked_at[1:], strict=False)]


def _gdelt(**keys: object) -> Gdelt:
    return Gdelt.model_validate({"query": "storm", "since": SINCE, "until": UNTIL, **keys})


def test_there_is_a_pause_of_five_seconds_after_every_answer() -> None:
    script = Script(NEWS, NONE, NEWS, slow_s=20)
    client = script.client()
    found = [client.articles(_gdelt(), WINDOW) for _ in range(3)]
    assert [len(articles) for articles in found] == [1, 0, 1]
    assert script.pauses == [5, 5]


def test_time_that_passed_anyway_is_not_waited_for_again() -> None:
    script = Script(NEWS, NEWS)
    client = script.client()
    client.articles(_gdelt(), WINDOW)
    script.now += 4
    client.articles(_gdelt(), WINDOW)
    assert script.pauses == [5]


@pytest.mark.parametrize(
    "trouble",
    [BUSY, Reply(429, b""), Reply(500, b""), Reply(200, b""), Reply(200, b'{"artic'), NoReply("cut off")],
)
def test_trouble_is_waited_out_with_growing_pauses(trouble: Reply | NoReply) -> None:
    script = Script(*[trouble] * 7, NEWS)
    assert len(script.client().articles(_gdelt(), WINDOW)) == 1
    assert script.pauses == [10, 20, 40, 80, 160, 300, 300]


def test_chance_makes_pauses_longer_by_up_to_a_half() -> None:
    script = Script(BUSY, BUSY, NEWS)
    script.client(chance=1.0).articles(_gdelt(), WINDOW)
    assert script.pauses == [15, 30]


def test_the_time_a_server_asks_for_is_kept_within_reason() -> None:
    script = Script(Reply(429, b"", 120.0), Reply(503, b"", 1e9), NEWS)
    script.client().articles(_gdelt(), WINDOW)
    assert script.pauses == [120, 900]


def test_long_pauses_are_told() -> None:
    script = Script(BUSY, NEWS)
    script.client().articles(_gdelt(), WINDOW)
    assert script.listener.said == ["GDELT asks for fewer requests: try 2 of 8 in 10 s"]
    brief = Script(BUSY, NEWS)
    brief.client().articles(_gdelt(seconds_per_request=0.1), WINDOW)
    assert brief.listener.said == []


def test_after_eight_tries_the_reason_is_told() -> None:
    script = Script(*[Reply(503, b"")] * 8)
    with pytest.raises(
        SourceError, match="answers with HTTP 503, 8 times in a row, for 2026-01-01 00:00 to 2026-01-02"
    ):
        script.client().articles(_gdelt(), WINDOW)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Your query was too short or too long.", "Shorten the query, or divide countries"),
        ("Invalid/Unsupported Country.", "Write countries by English name"),
        ("Invalid/Unsupported Language.", "Write languages by English name"),
        ("The specified phrase is too short.", "A single word needs no quotation marks"),
        ("Parentheses may only be used around OR'd statements.", "Correct source.gdelt in the recipe"),
    ],
)
def test_a_refused_query_is_told_in_gdelts_own_words_at_once(said: str, hint: str) -> None:
    script = Script(Reply(200, said.encode()))
    with pytest.raises(SourceError, match=f"refuses the query 'storm': \"{said}\" {hint}"):
        script.client().articles(_gdelt(), WINDOW)


def test_a_window_that_is_too_narrow_is_told_apart() -> None:
    with pytest.raises(TooNarrow):
        Script(Reply(200, b"Timespan is too short.")).client().articles(_gdelt(), WINDOW)


def test_a_host_that_is_not_there_is_told_at_once_but_outwaited_once_it_has_answered() -> None:
    gone = NoReply("its name cannot be resolved", hopeless=True)
    with pytest.raises(
        SourceError, match="'https://api.gdeltproject.org/.*' cannot be reached: its name cannot be res"
    ):
        Script(gone).client().articles(_gdelt(), WINDOW)
    script = Script(NEWS, gone, gone, NEWS)
    client = script.client()
    assert [len(client.articles(_gdelt(), WINDOW)) for _ in range(2)] == [1, 1]


def test_everything_gdelt_must_know_is_in_a_request() -> None:
    assert parameters_of(_gdelt(), WINDOW) == {
        "query": "storm",
        "mode": "ArtList",
        "format": "json",
        "maxrecords": "250",
        "sort": "DateAsc",
        "startdatetime": "20260101000000",
        "enddatetime": "20260101235959",
    }


@pytest.mark.parametrize(
    ("keys", "query"),
    [
        ({"query": " storm surge "}, "storm surge"),
        ({"query": "storm OR flood"}, "(storm OR flood)"),
        ({"query": "(storm OR flood) harbour"}, "(storm OR flood) harbour"),
        ({"query": '"now OR never"'}, '"now OR never"'),
        ({"query": "", "countries": "Sweden"}, "sourcecountry:sweden"),
        (
            {"countries": ["Sweden", "United Kingdom"], "languages": ["Swedish"]},
            "storm (sourcecountry:sweden OR sourcecountry:unitedkingdom) sourcelang:swedish",
        ),
    ],
)
def test_a_query_is_put_as_gdelt_wants_it(keys: dict[str, object], query: str) -> None:
    assert query_of(_gdelt(**keys)) == query
