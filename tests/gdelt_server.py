"""A GDELT of our own: made-up articles in the shapes of the DOC 2.0 API, and its misbehaviour.

    with serve(made_up_articles(2_000), faults=0.4) as server:
        ...  # a recipe whose gdelt source has `endpoint: {server.url}`

By hand: `python tests/gdelt_server.py --articles 2000 --faults 0.4` prints the address and serves until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)
MOST = 250
LIMIT = "Please limit requests to one every 5 seconds or contact us for larger queries.\n"
FAULTS = ("status 429", "limit as text", "status 500", "cut off", "dropped", "web page", "half an answer", "nothing")

_PLACES = ("North Harbour", "Ulvsund", "Kestrel Bay", "Old Mill", "Tarnby", "Port Amber", "Lower Finch", "Sankt Ola")
_EVENTS = (
    "Fire at chemical plant near {} , {} flee",
    "Earthquake shakes {} , {} injured",
    "Police hunt gang after robbery in {} : {} watches stolen",
    "Concert in {} draws crowd , {} seats were not enough",
    "Traffic jam near {} after accident with {} cars",
    "Heatwave in {} : {} schools close early",
    "Flood warning for {} , 1 , 200 homes and {} farms without power",
    "{} wins football championship {} - 1",
    "Market in {} falls $1 . {}B , says bank",
    "Election in {} : turnout at {} % , U . S . observers say",
    "State - owned railway of {} to cut {} jobs , unions protest",
    "Minister in {} :  We will not yield  after {} days of strikes",
    "Mayor of {} : it ' s over after {} nights of protest",
    "Vad händer i {} ? {} personer evakuerade efter brand",
)
_SITES = (("post", "United States"), ("courier", "United Kingdom"), ("nyheter", "Sweden"), ("standard", "Australia"))

Article = dict[str, str]


def made_up_articles(count: int, *, since: datetime = SINCE, until: datetime = UNTIL, seed: int = 5) -> list[Article]:
    """Return articles with distinct addresses and titles, a third of them crowded into the second day."""
    chance = random.Random(seed)
    quarters = int((until - since) / timedelta(minutes=15))
    crowded = range(96, min(192, quarters)) or range(quarters)
    titles: set[str] = set()
    articles = []
    for number in range(count):
        quarter = chance.choice(crowded) if number % 3 == 0 else chance.randrange(quarters)
        title = chance.choice(_EVENTS).format(chance.choice(_PLACES), number + 100)
        assert title not in titles
        titles.add(title)
        articles.append(article(number, title, since + quarter * timedelta(minutes=15)))
    return articles


def article(number: int, title: str, seen: datetime) -> Article:
    """Return one record as GDELT gives it."""
    site, country = _SITES[number % len(_SITES)]
    return {
        "url": f"https://www.{site}.example.com/news/{seen:%Y/%m/%d}/story-{number}",
        "url_mobile": "",
        "title": title,
        "seendate": f"{seen:%Y%m%dT%H%M%SZ}",
        "socialimage": f"https://img.example.com/{number}.jpg" if number % 5 else "",
        "domain": f"{site}.example.com",
        "language": "Swedish" if title.startswith("Vad") else "English",
        "sourcecountry": country,
    }


def copies_of(articles: Sequence[Article]) -> list[Article]:
    """Return the same articles as GDELT gives them again: as http, with tracking, or from another site."""
    ways = (
        lambda url: url.replace("https://www.", "http://") + "/",
        lambda url: f"{url}?utm_source=feed&utm_medium=rss",
        lambda url: url.replace("www.", "agency."),
    )
    urls = [ways[number % len(ways)](one["url"]) for number, one in enumerate(articles)]
    return [
        {**one, "url": url, "domain": urlsplit(url).hostname or ""} for one, url in zip(articles, urls, strict=True)
    ]


class Gdelt(ThreadingHTTPServer):
    """Serves articles; `faults` is the share of requests it answers badly, never more than three in a row."""

    daemon_threads = True

    def __init__(self, articles: Sequence[Article], faults: float, port: int, seed: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.articles, self.faults = list(articles), faults
        self.asked: list[dict[str, str]] = []
        self.fault_counts: Counter[str] = Counter()
        self._chance, self._lock, self._in_a_row = random.Random(seed), threading.Lock(), 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed or that were hung up on are the point."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/v2/doc/doc"

    def next_fault(self, parameters: dict[str, str]) -> str | None:
        """Note a request, and decide how it goes wrong, if it does."""
        with self._lock:
            self.asked.append(parameters)
            if self._in_a_row == 3 or self._chance.random() >= self.faults:
                self._in_a_row = 0
                return None
            self._in_a_row += 1
            fault = FAULTS[sum(self.fault_counts.values()) % len(FAULTS)]
            self.fault_counts[fault] += 1
            return fault

    def answer(self, parameters: dict[str, str]) -> str:
        """Return GDELT's body: a list of articles, `{}`, or what is wrong with the request in plain text."""
        query, most = parameters.get("query", ""), int(parameters.get("maxrecords", 75))
        if len(query) < 3:
            return "Your query was too short or too long.\n"
        if "sourcecountry:atlantis" in query:
            return "Invalid/Unsupported Country.\n"
        if most > MOST or parameters.get("mode") != "ArtList" or parameters.get("format") != "json":
            return "Invalid mode.\n"
        first, last = (_moment(parameters[f"{end}datetime"]) for end in ("start", "end"))
        found = [one for one in self.articles if first <= _seen(one) <= last and _matches(one, query)]
        found = sorted(found, key=lambda one: one["seendate"])
        if (
            found and self.faults and len(self.asked) % 3 == 0
        ):  # what nobody asked for: another window's, another year's
            found = [
                self.articles[0],
                article(10**6, "Last year ' s news", _seen(found[0]) - timedelta(days=365)),
                *found,
            ]
        found = found[:most]
        return _escaped_badly(json.dumps({"articles": found}, ensure_ascii=False)) if found else "{}"


class _Handler(BaseHTTPRequestHandler):
    server: Gdelt
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        parameters = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        fault = self.server.next_fault(parameters)
        body = self.server.answer(parameters)
        if fault == "status 429":
            self._send(LIMIT, 429)
        elif fault == "limit as text":
            self._send(LIMIT)
        elif fault == "status 500":
            self._send("Internal error", 500)
        elif fault == "cut off":
            self._send(body, missing=max(1, len(body.encode()) // 2))
        elif fault == "dropped":
            self._hang_up()
        elif fault == "web page":
            self._send("<!DOCTYPE html><title>One moment</title>")
        elif fault == "half an answer":
            self._send(body[: len(body) // 2] if len(body) > 2 else '{"articles": [')
        elif fault == "nothing":
            self._send("")
        else:
            self._send(body)

    def _send(self, text: str, status: int = 200, *, missing: int = 0) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - missing])
        if missing:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _seen(one: Article) -> datetime:
    return datetime.strptime(one["seendate"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _matches(one: Article, query: str) -> bool:
    """Tell whether country and language fit, and no word is asked for that stands nowhere."""
    for operator, field in (("sourcecountry", "sourcecountry"), ("sourcelang", "language")):
        wanted = [term.strip("()").partition(":")[2] for term in query.split() if operator in term]
        if wanted and one[field].lower().replace(" ", "") not in wanted:
            return False
    return "nothinglikethis" not in query


def _escaped_badly(text: str) -> str:
    r"""Return JSON as GDELT sometimes writes it: with `\'`, which JSON does not know, and a bare control character."""
    return text.replace(" ' s ", " \\' s ").replace(" jobs ", " jobs\t")


@contextmanager
def serve(articles: Sequence[Article], *, faults: float = 0.0, port: int = 0, seed: int = 1) -> Iterator[Gdelt]:
    """Serve articles on a port of its own for as long as the block lasts."""
    with Gdelt(articles, faults, port, seed) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def main() -> None:
    """Serve by hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=2_000)
    parser.add_argument("--faults", type=float, default=0.3, help="share of requests that go wrong")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    articles = made_up_articles(options.articles)
    with serve([*articles, *copies_of(articles[:60])], faults=options.faults, port=options.port) as server:
        _say(f"COPYDESK_ALLOW_PRIVATE_HOSTS=1   endpoint: {server.url}")
        _say(f"{options.articles:,} articles from {SINCE:%Y-%m-%d} to {UNTIL:%Y-%m-%d}, 60 more times")
        try:
            while True:
                time.sleep(10)
                _say(f"{len(server.asked):,} requests, faults {dict(server.fault_counts)}")
        except KeyboardInterrupt:
            pass


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
