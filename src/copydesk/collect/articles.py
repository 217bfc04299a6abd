"""GDELT's records as columns: titles repaired, dates read, copies dropped and counted.

The order is by time, source by source, whatever order the windows were asked for in; of copies the earliest stays. An
address that cannot be opened is kept and marked. There is no text but the title: GDELT gives none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import polars as pl

from copydesk.collect.addresses import is_usable, key_of
from copydesk.collect.answers import Record
from copydesk.collect.titles import repaired
from copydesk.recipe import Gdelt

_ROWS_AT_ONCE = 20_000
_SCHEMA = {
    "title": pl.String(),
    "description": pl.String(),
    "url": pl.String(),
    "url_ok": pl.Boolean(),
    "domain": pl.String(),
    "language": pl.String(),
    "country": pl.String(),
    "seendate": pl.String(),
    "image": pl.String(),
    "_address": pl.String(),
    "_words": pl.String(),
}


@dataclass(frozen=True)
class Articles:
    """Articles as a table, how many were what, and a hash of what they were read from."""

    frame: pl.DataFrame
    counts: dict[str, int]
    sha256: str = ""


def read_records(records: Iterable[Record], gdelt: Gdelt) -> Articles:
    """Return a source's records as columns, with `_address` and `_words`, by which copies are told.

    GDELT now and then gives articles of other dates than it was asked for; those are left out and counted.
    """
    rows, sha256 = iter(records), hashlib.sha256()
    frames = [pl.DataFrame(schema=_SCHEMA)]
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        sha256.update("\n".join(value for record in some for value in record.values()).encode())
        frames.append(pl.DataFrame([_row(record) for record in some], schema=_SCHEMA, orient="row"))
    frame = pl.concat(frames)
    seen_at = pl.col("seendate").str.to_datetime("%Y%m%dT%H%M%SZ", time_zone="UTC", strict=False).alias("seen_at")
    source = pl.lit(f"gdelt: {gdelt.query}" if gdelt.query else "gdelt").alias("_source")
    frame = frame.with_columns(seen_at, source).drop("seendate")
    within = pl.col("seen_at").is_between(gdelt.since, gdelt.until, closed="left").fill_null(True)
    kept = frame.filter(within)
    return Articles(kept, {"articles": frame.height, "outside_dates": frame.height - kept.height}, sha256.hexdigest())


def distinct(sources: Sequence[Articles]) -> Articles:
    """Return all sources' articles without copies: one row per address, and one per title.

    For a model an agency's headline on fifty sites is one text; `copies` says how many articles stand behind a row.
    """
    frame = pl.concat([source.frame.with_columns(pl.lit(n).alias("_n")) for n, source in enumerate(sources)])
    frame = frame.sort("seen_at", "url", "_n", nulls_last=True)
    unique = frame.unique("_address", keep="first", maintain_order=True)
    site = pl.col("domain").str.strip_prefix("www.")
    titled = unique.with_columns(
        (pl.int_range(pl.len()).over("_words") > 0).alias("_again"),
        (site == site.first().over("_words")).alias("_same_site"),
        (pl.len().over("_words") - 1).cast(pl.Int64).alias("copies"),
    )
    kept = titled.filter(~pl.col("_again")).sort("_n", maintain_order=True)
    kept = kept.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("_source").alias("_row"))
    counts = {
        "articles": sum(source.counts["articles"] for source in sources),
        "outside_dates": sum(source.counts["outside_dates"] for source in sources),
        "same_address": frame.height - unique.height,
        "same_title_same_site": titled.filter("_again", "_same_site").height,
        "same_title_other_site": titled.filter("_again", ~pl.col("_same_site")).height,
        "broken_addresses": kept.filter(~pl.col("url_ok")).height,
        "undated": kept["seen_at"].null_count(),
    }
    return Articles(kept.select(*COLUMNS), counts)


COLUMNS = (
    *("title", "description", "url", "url_ok", "domain", "language", "country", "seen_at", "image", "copies"),
    *("_source", "_row"),
)


def _row(record: Record) -> tuple[Any, ...]:
    """Return a record's values in the order of the schema; one without title or address is only like itself."""
    title, url = repaired(record["title"]), record["url"].strip()
    words = title.casefold() or f"\0{url}"
    return (
        title,
        "",
        url,
        is_usable(url),
        record["domain"].lower(),
        record["language"],
        record["sourcecountry"],
        record["seendate"],
        record["socialimage"],
        key_of(url) or f"\0{words}",
        words,
    )
