from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from copydesk.collect.articles import COLUMNS, distinct, read_records
from copydesk.recipe import Gdelt
from gdelt_server import SINCE, UNTIL, Article, article, copies_of, made_up_articles

STORM = Gdelt(query="storm", since=SINCE, until=UNTIL)
LATER = SINCE + timedelta(hours=1)


def _frame(*records: Article, gdelt: Gdelt = STORM) -> pl.DataFrame:
    return distinct([read_records(records, gdelt)]).frame


def _counts(*records: Article) -> dict[str, int]:
    return distinct([read_records(records, STORM)]).counts


def test_a_record_becomes_a_row_with_a_repaired_title_and_a_date_in_utc() -> None:
    frame = _frame(article(1, "Harbour ' s bill : $1 . 7B", SINCE))
    assert tuple(frame.columns) == COLUMNS
    assert frame.rows(named=True) == [
        {
            "title": "Harbour's bill: $1.7B",
            "description": "",
            "url": "https://www.courier.example.com/news/2026/01/01/story-1",
            "url_ok": True,
            "domain": "courier.example.com",
            "language": "English",
            "country": "United Kingdom",
            "seen_at": datetime(2026, 1, 1, tzinfo=UTC),
            "image": "https://img.example.com/1.jpg",
            "copies": 0,
            "_source": "gdelt: storm",
            "_row": 1,
        }
    ]


def test_rows_are_in_the_order_of_time_whatever_order_they_came_in() -> None:
    records = made_up_articles(300)
    forward, backward = _frame(*records), _frame(*reversed(records))
    assert forward.equals(backward)
    assert forward["seen_at"].is_sorted()
    assert forward["_row"].to_list() == list(range(1, 301))


def test_of_one_article_under_several_addresses_the_earliest_stays() -> None:
    first = article(1, "Storm", SINCE)
    again = {**first, "url": first["url"] + "?utm_source=x", "seendate": f"{LATER:%Y%m%dT%H%M%SZ}", "title": "Storm !"}
    assert _frame(again, first)["title"].to_list() == ["Storm"]
    assert _counts(again, first)["same_address"] == 1


def test_of_one_title_on_several_sites_the_earliest_stays_and_says_how_many_there_were() -> None:
    records = [
        article(0, "Storm hits coast", SINCE),
        article(4, "Storm hits  coast", LATER),
        article(1, "STORM HITS COAST", LATER),
        article(2, "Quiet night", LATER),
    ]
    frame = _frame(*records)
    assert frame.select("title", "copies").rows() == [("Storm hits coast", 2), ("Quiet night", 0)]
    counts = _counts(*records)
    assert (counts["same_title_same_site"], counts["same_title_other_site"]) == (1, 1)


def test_articles_without_title_or_address_are_not_taken_for_copies() -> None:
    records = [article(number, "", SINCE) for number in range(3)]
    unaddressed = [{**article(number, f"Storm {number}", SINCE), "url": ""} for number in range(3, 6)]
    assert _frame(*records, *unaddressed).height == 6


def test_a_broken_address_is_kept_and_marked() -> None:
    broken = {**article(1, "Storm", SINCE), "url": "https://www.post.example.com/story%20title="}
    frame = _frame(broken, article(2, "Rain", SINCE))
    assert frame.filter(~pl.col("url_ok"))["url"].to_list() == ["https://www.post.example.com/story%20title="]
    assert _counts(broken)["broken_addresses"] == 1


def test_articles_of_other_dates_are_left_out_and_undated_ones_kept_and_both_counted() -> None:
    early = article(1, "Too early", SINCE - timedelta(minutes=15))
    late = article(2, "Too late", UNTIL)
    undated = {**article(3, "Some day", SINCE), "seendate": "yesterday"}
    last = article(4, "Just in time", UNTIL - timedelta(minutes=15))
    frame = _frame(early, late, undated, last)
    assert frame.select("title", "seen_at").rows() == [
        ("Just in time", UNTIL - timedelta(minutes=15)),
        ("Some day", None),
    ]
    assert (_counts(early, late, undated)["outside_dates"], _counts(undated)["undated"]) == (2, 1)


def test_two_sources_share_no_article_and_keep_their_names() -> None:
    rain = Gdelt(query="rain", countries=["Sweden"], since=SINCE, until=UNTIL)
    storm_news, rain_news = made_up_articles(40)[:25], made_up_articles(40)[20:]
    both = distinct([read_records(storm_news, STORM), read_records(rain_news, rain)])
    assert both.frame.height == 40
    assert both.counts["same_address"] == 5
    sources = both.frame["_source"].to_list()
    assert sources == ["gdelt: storm"] * sources.count("gdelt: storm") + ["gdelt: rain"] * sources.count("gdelt: rain")
    assert both.frame.filter(pl.col("_source") == "gdelt: rain")["_row"].to_list()[0] == 1


def test_what_gdelt_gives_again_is_found_among_many() -> None:
    records = made_up_articles(500)
    counts = _counts(*records, *copies_of(records[:90]))
    assert (counts["articles"], counts["same_address"], counts["same_title_other_site"]) == (590, 60, 30)


def test_the_same_answers_have_the_same_hash() -> None:
    records = made_up_articles(50)
    one, same, other = (read_records(some, STORM).sha256 for some in (records, records, records[1:]))
    assert one == same != other


def test_nothing_is_a_table_without_rows() -> None:
    assert _frame().height == 0
    assert tuple(_frame().columns) == COLUMNS
