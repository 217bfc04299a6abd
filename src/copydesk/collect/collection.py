"""Every source of a recipe to one raw table: files as they are, GDELT window by window.

A collection that was begun and not finished is continued by the same command. The file appears when everything is
there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from copydesk import __version__
from copydesk.collect.answers import MOST_ARTICLES
from copydesk.collect.articles import Articles, distinct, read_records
from copydesk.collect.claim import claimed
from copydesk.collect.client import Client, query_of
from copydesk.collect.gdelt import collect_source, windows_left
from copydesk.collect.journal import Journal, Windows
from copydesk.collect.windows import Window
from copydesk.data.raw import read_facts, write_raw
from copydesk.data.sources import RawTable, read_sources
from copydesk.errors import DataError, RecipeError, SourceError, UsageError
from copydesk.progress import Advance, Progress, Silent
from copydesk.recipe import Gdelt, GdeltSource, Recipe, SourceFile

_SHOWN_CUTS = 5


@dataclass(frozen=True)
class Collected:
    """The raw file and how it came to be."""

    path: Path
    facts: dict[str, Any]


def collect(
    recipe: Recipe,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
    client: Client | None = None,
    now: datetime | None = None,
) -> Collected:
    """Collect all sources into `out` (default: the next free `raw/NAME-N.parquet`), or continue where it stopped.

    Raises `RecipeError` without a source, `UsageError` if the output exists, has another ending or is collected by
    another process, `SourceError` if a source fails, `DataError` if there is nothing at all.
    """
    progress, now = progress or Silent(), now or datetime.now(UTC)
    if not recipe.source:
        raise RecipeError(f"Recipe '{recipe.name}' has no source. Add one: a `url`, or `gdelt` with a query.")
    if out is not None and out.suffix not in (".parquet", ".pq"):
        raise UsageError(f"Output '{out}' will be a Parquet file. Give it a name that ends in .parquet.")
    searches = [source.gdelt for source in recipe.source if isinstance(source, GdeltSource)]
    with claimed(recipe.name, searches, out, progress) as journal:
        if not journal.out.exists():  # else it was killed between its last two steps
            files = _read_files(recipe, progress)  # first, so that a mistake in them shows before the long part
            windows = _searched(searches, journal, client or Client(progress), progress, now)
            progress.say("removing copies and writing")
            found = [read_records(journal.records(number), search) for number, search in enumerate(searches)]
            news = distinct(found) if found else Articles(pl.DataFrame(), {})
            frame = pl.concat([files.frame, news.frame], how="diagonal_relaxed")
            if frame.is_empty():
                journal.remove()
                raise DataError(_nothing(searches))
            sources = [*files.files, *_provenance(searches, found)]
            counts = {"rows": frame.height, **news.counts, **_counted(windows)}
            write_raw(journal.out, frame, _facts(recipe, sources, counts, windows, now))
            _warn(searches, found, windows, progress)
    return Collected(journal.out, read_facts(journal.out))


def _read_files(recipe: Recipe, progress: Progress) -> RawTable:
    sources = [source for source in recipe.source if isinstance(source, SourceFile)]
    for source in sources:
        progress.say(f"reading {source.url}")
    return read_sources(sources, label_column=recipe.label) if sources else RawTable(pl.DataFrame(), [])


def _searched(
    searches: Sequence[Gdelt], journal: Journal, client: Client, progress: Progress, now: datetime
) -> Windows:
    """Ask for everything that the journal does not have yet; return what became of every window."""
    known = journal.windows()
    if known:
        progress.say(f"continuing {journal.out}: {_sum(known)} are there")
    left = [windows_left(number, search, known) for number, search in enumerate(searches)]
    for search, windows in zip(searches, left, strict=True):
        _announce(search, windows, progress, now)
    hours = sum(window.hours for windows in left for window in windows)
    if not hours:
        return known
    with progress.track("collecting", round(hours), "hours") as advance:
        done = _teller(advance)
        for number, search in enumerate(searches):
            try:
                collect_source(number, search, client=client, journal=journal, known=known, done=done)
            except SourceError as error:
                kept = f" What was collected is kept ({_sum(known)}): the same command continues." if known else ""
                raise SourceError(f"{error}{kept}") from error
    return known


def _teller(advance: Advance) -> Callable[[Window, int], None]:
    """Return the function that moves the bar on by whole hours as windows are finished."""
    hours, articles = 0.0, 0

    def done(window: Window, found: int) -> None:
        nonlocal hours, articles
        before, hours, articles = round(hours), hours + window.hours, articles + found
        advance(round(hours) - before, f"{articles:,} articles")

    return done


def _announce(search: Gdelt, windows: Sequence[Window], progress: Progress, now: datetime) -> None:
    if windows:
        minutes = len(windows) * search.seconds_per_request / 60
        least = f"at least {len(windows):,} requests, {minutes:,.0f} minutes or more" if minutes >= 1 else ""
        progress.say(f"asking GDELT for {query_of(search)}{least and f': {least}'}")
    if search.until > now:
        progress.warn(f"until ({search.until:%Y-%m-%d %H:%M}) is still to come: later news will not be in this file.")


def _sum(known: Windows) -> str:
    finished = [noted for noted in known.values() if noted.state != "halved"]
    return f"{sum(noted.articles for noted in finished):,} articles of {len(finished):,} windows"


def _provenance(searches: Sequence[Gdelt], found: Sequence[Articles]) -> list[dict[str, Any]]:
    return [
        {"gdelt": search.model_dump(mode="json"), "sha256": articles.sha256}
        for search, articles in zip(searches, found, strict=True)
    ]


def _counted(windows: Windows) -> dict[str, int]:
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


def _facts(
    recipe: Recipe, sources: list[dict[str, Any]], counts: dict[str, int], windows: Windows, now: datetime
) -> dict[str, Any]:
    return {
        "made_by": "collect",
        "recipe": recipe.name,
        "sources": sources,
        "counts": counts,
        "cut": _cut(windows),
        "created": now.isoformat(timespec="seconds"),
        "copydesk": __version__,
    }


def _warn(searches: Sequence[Gdelt], found: Sequence[Articles], windows: Windows, progress: Progress) -> None:
    for search, articles in zip(searches, found, strict=True):
        if not articles.counts["articles"]:
            progress.warn(_nothing([search]))
    cut = _cut(windows)
    if cut:
        shown = ", ".join(cut[:_SHOWN_CUTS]) + (" …" if len(cut) > _SHOWN_CUTS else "")
        progress.warn(
            f"{len(cut):,} windows had more than the {MOST_ARTICLES} articles that GDELT gives at once and cannot be "
            f"halved; the rest of them is missing: {shown}. Narrow the query, or divide its countries or languages "
            "over several gdelt sources."
        )


def _nothing(searches: Sequence[Gdelt]) -> str:
    if not searches:
        return "There is not one row in the recipe's files."
    asked = [f"{query_of(search)} from {search.since:%Y-%m-%d} to {search.until:%Y-%m-%d}" for search in searches]
    return f"GDELT has no article for {'; '.join(asked)}. Check the dates, and try fewer words: all must occur."
