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

from copydesk.collect.articles import Articles, distinct, read_records
from copydesk.collect.claim import claimed
from copydesk.collect.client import Client, query_of
from copydesk.collect.facts import concerns, facts_of, nothing, provenance, so_far
from copydesk.collect.gdelt import collect_source, windows_left
from copydesk.collect.journal import Journal, Windows
from copydesk.collect.windows import Window
from copydesk.data.raw import read_facts, write_raw
from copydesk.data.sources import RawTable, read_sources
from copydesk.errors import DataError, RecipeError, SourceError, UsageError
from copydesk.progress import Advance, Progress, Silent
from copydesk.recipe import Gdelt, GdeltSource, Recipe, SourceFile


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
        if journal.out.exists():  # it was killed between its last two steps
            progress.say(f"{journal.out} was finished already")
        else:
            _collect(recipe, searches, journal, client or Client(progress), progress, now)
    return Collected(journal.out, read_facts(journal.out))


def _collect(
    recipe: Recipe, searches: Sequence[Gdelt], journal: Journal, client: Client, progress: Progress, now: datetime
) -> None:
    files = _read_files(recipe, progress)  # first, so that a mistake in them shows before the long part
    windows = _search(searches, journal, client, progress, now)
    progress.say("removing copies and writing")
    found = [read_records(journal.records(number), search) for number, search in enumerate(searches)]
    news = distinct(found) if found else Articles(pl.DataFrame(), {})
    frame = pl.concat([files.frame, news.frame], how="diagonal_relaxed")
    if frame.is_empty():
        journal.remove()
        raise DataError(nothing(searches))
    sources = [*files.files, *provenance(searches, found)]
    facts = facts_of(recipe.name, sources, {"rows": frame.height, **news.counts}, windows, now)
    write_raw(journal.out, frame, facts)
    for line in concerns(searches, found, windows):
        progress.warn(line)


def _read_files(recipe: Recipe, progress: Progress) -> RawTable:
    sources = [source for source in recipe.source if isinstance(source, SourceFile)]
    for source in sources:
        progress.say(f"reading {source.url}")
    return read_sources(sources, label_column=recipe.label) if sources else RawTable(pl.DataFrame(), [])


def _search(searches: Sequence[Gdelt], journal: Journal, client: Client, progress: Progress, now: datetime) -> Windows:
    """Ask for everything that the journal does not have yet; return what became of every window."""
    known = journal.windows()
    if known:
        progress.say(f"continuing {journal.out}: {so_far(known)} are there")
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
                kept = f" What was collected is kept ({so_far(known)}): the same command continues." if known else ""
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
