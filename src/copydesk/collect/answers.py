"""What an answer of GDELT's means: articles, none, "not so fast", "not like this", or nothing that can be read.

GDELT says most things with status 200: a list of articles as JSON (sometimes with escapes that JSON does not have),
`{}` for none, and one line of plain text for a mistake in the query, or for too many requests.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from copydesk.collect.request import Reply

MOST_ARTICLES = 250
"""So many at most are in one answer; what else there is it does not say."""

Kind = Literal["articles", "busy", "broken", "refused", "too_short"]
Record = dict[str, str]
FIELDS = ("url", "title", "seendate", "socialimage", "domain", "language", "sourcecountry")

_LIMIT = re.compile(r"limit requests|too many requests|rate.?limit|try again later", re.IGNORECASE)
_TOO_SHORT = re.compile(r"timespan is too short", re.IGNORECASE)
_ESCAPE = re.compile(r"""(\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})|\\(?=')|\\""")
_MOST_SAID = 300


@dataclass(frozen=True)
class Answer:
    """What was said: `busy` and `broken` are worth asking again, `refused` and `too_short` (a window) are not."""

    kind: Kind
    articles: tuple[Record, ...] = ()
    said: str = ""
    wait_s: float = 0.0


def read_answer(reply: Reply) -> Answer:
    """Return what a reply means."""
    text = reply.body.decode("utf-8", "replace").strip().removeprefix("\ufeff")
    if reply.status == 429 or (not text.startswith("{") and _LIMIT.search(text[:1_000])):
        return Answer("busy", said="asks for fewer requests", wait_s=reply.retry_after_s)
    if reply.status >= 500 or reply.status == 408:
        return Answer("broken", said=f"answers with HTTP {reply.status}", wait_s=reply.retry_after_s)
    if not text or text.startswith("<"):
        said = "sends a web page" if text else "sends nothing"
        return Answer("broken" if reply.status == 200 else "refused", said=f"{said} with HTTP {reply.status}")
    if not text.startswith(("{", "[")) or reply.status != 200:
        kind: Kind = "too_short" if _TOO_SHORT.search(text) else "refused"
        return Answer(kind, said=" ".join(text.split())[:_MOST_SAID])
    return _read_json(text)


def _read_json(text: str) -> Answer:
    value = _parsed(text)
    articles = value.get("articles", [] if not value else None) if isinstance(value, dict) else None
    if not isinstance(articles, list):
        return Answer("broken", said="sends something that is not a list of articles")
    return Answer("articles", tuple(_record(article) for article in articles if isinstance(article, dict)))


def _parsed(text: str) -> Any:  # noqa: ANN401 (any JSON value; None if it is none)
    for attempt in (text, _ESCAPE.sub(_valid_escape, text)):
        try:
            return json.loads(attempt, strict=False)  # control characters within strings are let through
        except (json.JSONDecodeError, RecursionError):
            continue
    return None


def _valid_escape(match: re.Match[str]) -> str:
    r"""Keep what JSON knows; `\'` means an apostrophe; any other backslash stands for itself."""
    return match[1] or ("" if match.string[match.end() : match.end() + 1] == "'" else r"\\")


def _record(article: dict[str, Any]) -> Record:
    """Return the known fields as text; half of a surrogate pair, which no file can hold, becomes a question mark."""
    values = {field: article.get(field) for field in FIELDS}
    return {
        field: value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
        for field, value in values.items()
    }
