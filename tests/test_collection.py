from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from copydesk.collect.client import Client
from copydesk.collect.collection import Collected, collect
from copydesk.collect.journal import Journal
from copydesk.collect.request import Reply, request
from copydesk.data.prepare import prepare_dataset
from copydesk.data.raw import read_facts
from copydesk.errors import DataError, RecipeError, SourceError
from copydesk.files import sha256_of
from copydesk.recipe import Recipe, parse_recipe
from copydesk.remote.addresses import ALLOW_PRIVATE_HOSTS
from fakes import Listener, write_csv
from gdelt_server import SINCE as FIRST_DAY
from gdelt_server import Article, Gdelt, article, copies_of, made_up_articles, serve

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_PRIVATE_HOSTS, "1")


def _recipe(server: Gdelt, *more: dict[str, object], **keys: object) -> Recipe:
    gdelt = {
        "query": "storm",
        "since": "2026-01-01",
        "until": "2026-01-15",
        "seconds_per_request": 0,
        "endpoint": server.url,
        **keys,
    }
    return parse_recipe({"name": "news", "text": "title", "source": [{"gdelt": gdelt}, *more]})


def _collected(recipe: Recipe, listener: Listener | None = None, **options: object) -> Collected:
    return collect(recipe, progress=listener or Listener(), now=NOW, **options)  # type: ignore[arg-type]


def _urls(path: Path) -> list[str]:
    return sorted(pl.read_parquet(path)["url"].to_list())


def test_two_thousand_articles_come_without_a_duplicate_or_a_gap_from_a_server_that_misbehaves() -> None:
    articles = made_up_articles(2_000)
    with serve([*articles, *copies_of(articles[:90])], faults=0.5) as server:
        done = _collected(_recipe(server))
    assert len(server.fault_counts) == 8
    frame = pl.read_parquet(done.path)
    assert frame["url"].n_unique() == frame["title"].n_unique() == frame.height == 2_000
    assert set(frame["url"].str.extract(r"(story-\d+)")) == {f"story-{number}" for number in range(2_000)}
    assert frame["seen_at"].is_sorted()
    counts = done.facts["counts"]
    assert counts["same_address"] > 60 and counts["same_title_other_site"] == 30 and counts["outside_dates"] > 0
    assert counts["articles"] == 2_000 + sum(counts[reason] for reason in ("same_address", "outside_dates")) + 30
    assert counts["windows"] > 14 and counts["cut_windows"] == 0


def test_the_file_tells_how_it_came_to_be() -> None:
    with serve(made_up_articles(30)) as server:
        done = _collected(_recipe(server, countries="Sweden"))
    facts = read_facts(done.path)
    assert facts == done.facts
    assert (facts["made_by"], facts["recipe"], facts["created"]) == ("collect", "news", "2026-06-01T00:00:00+00:00")
    assert facts["sources"][0]["gdelt"]["countries"] == ["Sweden"]
    assert len(facts["sources"][0]["sha256"]) == 64
    assert facts["counts"]["rows"] == pl.read_parquet(done.path).height < 30


def test_broken_off_by_an_error_the_same_command_goes_on_where_it_was() -> None:
    articles = made_up_articles(300)
    with serve(articles) as server:
        recipe, listener = _recipe(server), Listener()

        def failing(url: str, parameters: Mapping[str, str]) -> Reply:
            return request(url, parameters) if len(server.asked) < 5 else Reply(200, b"Closed for today.")

        with pytest.raises(SourceError, match=r"\"Closed for today.\".*kept \(\d+ articles of \d windows\): the same"):
            _collected(recipe, client=Client(Listener(), failing))
        assert not Path("raw/news-1.parquet").exists()
        done = _collected(recipe, listener)
        asked = [(one["startdatetime"], one["enddatetime"]) for one in server.asked]
    assert done.path == Path("raw/news-1.parquet")
    assert _urls(done.path) == sorted(one["url"] for one in articles)
    assert len(asked) == len(set(asked))
    assert "continuing raw/news-1.parquet: " in listener.said[0]
    assert not Journal.beside(done.path).root.exists()


def test_killed_after_the_file_was_there_the_same_command_only_clears_up() -> None:
    with serve(made_up_articles(30)) as server:
        recipe, out = _recipe(server), Path("out.parquet")
        done = _collected(recipe, out=out)
        journal = Journal.beside(out)
        journal.root.mkdir()
        journal.begin([recipe.source[0].gdelt.model_dump(mode="json", exclude={"seconds_per_request"})])  # type: ignore[union-attr]
        asked = len(server.asked)
        listener = Listener()
        assert _collected(recipe, listener, out=out) == done
        assert listener.said == ["out.parquet was finished already"]
        assert len(server.asked) == asked
    assert not journal.root.exists()


def test_files_and_gdelt_stand_in_one_table_with_their_provenance(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "own.csv", [("Own story", "2026-01-02")], ("title", "seen_at"))
    (tmp_path / "calm.txt").write_text("Nothing happened\n")
    with serve(made_up_articles(20)) as server:
        lines = {"url": str(tmp_path / "calm.txt"), "label": "calm"}
        done = _collected(_recipe(server, {"url": str(csv)}, lines))
    frame = pl.read_parquet(done.path)
    assert frame.height == 22
    assert frame.select("title", "text", "label", "_source", "_row").rows()[:2] == [
        ("Own story", None, None, "own.csv", 1),
        (None, "Nothing happened", "calm", "calm.txt", 1),
    ]
    assert set(frame["_source"][2:]) == {"gdelt: storm"}
    assert done.facts["sources"][0] == {"url": str(csv), "sha256": sha256_of(csv)}


def test_files_alone_are_collected_too(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "own.csv", [("Own story", "a"), ("Other story", "b")])
    done = _collected(parse_recipe({"name": "own", "source": {"url": str(csv)}}))
    assert done.path == Path("raw/own-1.parquet")
    assert done.facts["counts"] == {"rows": 2}
    assert [path.name for path in Path("raw").iterdir()] == ["own-1.parquet"]


def test_a_mistake_in_a_file_shows_before_gdelt_is_asked(tmp_path: Path) -> None:
    with serve(made_up_articles(20)) as server:
        with pytest.raises(SourceError, match="gone.csv' does not exist"):
            _collected(_recipe(server, {"url": str(tmp_path / "gone.csv")}))
        assert server.asked == []
    assert list(Path("raw").iterdir()) == []


def test_a_recipe_without_a_source_is_refused() -> None:
    with pytest.raises(RecipeError, match="'x' has no source. Add one"):
        _collected(parse_recipe({"name": "x"}))


def test_nothing_at_all_is_an_error_that_says_what_was_asked_for() -> None:
    with serve(made_up_articles(20)) as server:
        recipe = _recipe(server, query="nothinglikethis", countries="Sweden")
        with pytest.raises(
            DataError, match="no article for nothinglikethis sourcecountry:sweden from 2026-01-01 to 2026-01-15"
        ):
            _collected(recipe)
    assert list(Path("raw").iterdir()) == []


def test_one_search_of_several_without_an_article_is_warned_about() -> None:
    with serve(made_up_articles(20)) as server:
        other = {**_recipe(server).source[0].model_dump(mode="json")["gdelt"], "query": "nothinglikethis"}
        listener = Listener()
        done = _collected(_recipe(server, {"gdelt": other}), listener)
    assert pl.read_parquet(done.path).height == 20
    assert len(listener.warned) == 1 and "no article for nothinglikethis" in listener.warned[0]


def test_a_query_that_gdelt_refuses_is_told_in_its_words_and_leaves_nothing() -> None:
    with serve(made_up_articles(20)) as server:
        with pytest.raises(
            SourceError, match=r"\"Invalid/Unsupported Country.\" Write countries by English name, [^:]*$"
        ):
            _collected(_recipe(server, countries="Atlantis"))
        assert len(server.asked) == 1
    assert list(Path("raw").iterdir()) == []


def test_what_gdelt_cannot_give_is_said_with_the_place() -> None:
    crowd: list[Article] = [article(number, f"Storm {number}", FIRST_DAY) for number in range(300)]
    with serve(crowd) as server:
        listener = Listener()
        done = _collected(_recipe(server), listener)
    assert done.facts["cut"] == ["2026-01-01T00:00:00/2026-01-01T00:15:00"]
    assert "1 windows had more than the 250 articles" in listener.warned[0]
    assert "2026-01-01T00:00:00/2026-01-01T00:15:00" in listener.warned[0]
    assert done.facts["counts"]["rows"] == 250


def test_a_date_to_come_is_warned_about() -> None:
    with serve(made_up_articles(20)) as server:
        listener = Listener()
        _collected(_recipe(server, until="2026-06-01T12:00", window_hours=720), listener)
    assert listener.warned == ["until (2026-06-01 12:00) is still to come: later news will not be in this file."]


def test_how_long_it_will_take_at_least_is_told_first() -> None:
    with serve(made_up_articles(20)) as server:
        client = Client(Listener(), clock=lambda: 0.0, sleep=lambda seconds: None)
        listener = Listener()
        _collected(_recipe(server, seconds_per_request=60), listener, client=client)
    assert listener.said[0] == "asking GDELT for storm: at least 14 requests, 14 minutes or more"
    assert listener.tracked == {"collecting": 336}


def test_a_collected_table_is_prepared_and_split_by_time_with_its_own_provenance(tmp_path: Path) -> None:
    with serve(made_up_articles(60)) as server:
        done = _collected(_recipe(server))
    frame = pl.read_parquet(done.path).with_columns(pl.Series("label", ["x", "y"] * 30))
    frame.write_parquet(tmp_path / "labelled.parquet")
    recipe = parse_recipe(
        {
            "name": "news",
            "text": ["title", "description"],
            "prepare": {"dedupe": "exact", "split": {"by": "time", "time": "seen_at", "similarity": 1.0}},
        }
    )
    dataset = prepare_dataset(recipe, tmp_path / "labelled.parquet")
    assert set(dataset.frame["source"]) == {"gdelt: storm"}
    times = dict(frame.select("_row", "seen_at").iter_rows())
    last = {part: max(times[row] for row in rows["row"]) for (part,), rows in dataset.frame.group_by("split")}
    assert last["train"] < last["validation"] < last["test"]
