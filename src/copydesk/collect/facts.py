"""What a collection has to tell: of itself in the raw file, and to whoever waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from copydesk import __version__
from copydesk.collect.answers import MOST_ARTICLES
from copydesk.collect.articles import Articles
from copydesk.collect.client import query_of
from copydesk.collect.journal import Windows
from copydesk.recipe import Gdelt

_SHOWN_CUTS = 5


def facts_of(
    name: str, sources: list[dict[str, Any]], counts: dict[str, int], windows: Windows, now: datetime
) -> dict[str, Any]:
    """Return what the raw file says of how it came to be."""
    return {
        "made_by": "collect",
        "recipe": name,
        "sources": sources,
        "counts": {**counts, **_window_counts(windows)},
        "cut": _cut(windows),
        "created": now.isoformat(timespec="seconds"),
        "copydesk": __version__,
    }


def provenance(searches: Sequence[Gdelt], found: Sequence[Articles]) -> list[dict[str, Any]]:
    """Return what was searched, and the hash of what GDELT answered."""
    return [
        {"gdelt": search.model_dump(mode="json"), "sha256": articles.sha256}
        for search, articles in zip(searches, found, strict=True)
    ]


def concerns(searches: Sequence[Gdelt], found: Sequence[Articles], windows: Windows) -> list[str]:
    """Return what is missing that was asked for."""
    pairs = zip(searches, found, strict=True)
    lines = [nothing([search]) for search, articles in pairs if not articles.counts["articles"]]
    cut = _cut(windows)
    if cut:
        shown = ", ".join(cut[:_SHOWN_CUTS]) + (" …" if len(cut) > _SHOWN_CUTS else "")
        lines.append(
            f"{len(cut):,} windows had more than the {MOST_ARTICLES} articles that GDELT gives at once and cannot be "
            f"halved; the rest of them is missing: {shown}. Narrow the query, or divide its countries or languages "
            "over several gdelt sources."
        )
    return lines


def nothing(searches: Sequence[Gdelt]) -> str:
    """Return what to say when there is not one row."""
    if not searches:
        return "There is not one row in the recipe's files."
    asked = [f"{query_of(search)} from {search.since:%Y-%m-%d} to {search.until:%Y-%m-%d}" for search in searches]
    return f"GDELT has no article for {'; '.join(asked)}. Check the dates, and try fewer words: all must occur."


def so_far(windows: Windows) -> str:
    """Return how much is there."""
    finished = [noted for noted in windows.values() if noted.state != "halved"]
    return f"{sum(noted.articles for noted in finished):,} articles of {len(finished):,} windows"


def _window_counts(windows: Windows) -> dict[str, int]:
    finished = [noted for noted in windows.values() if noted.state != "halved"]
    if not finished:
        return {}
    return {
        "windows": len(finished),
        "empty_windows": sum(1 for noted in finished if not noted.articles),
        "cut_windows": len(_cut(windows)),
    }


def _cut(windows: Windows) -> list[str]:
    """Return the windows that GDELT has more articles for than it gives."""
    return [window for (_, window), noted in windows.items() if noted.state == "cut"]
