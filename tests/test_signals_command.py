"""`copydesk signals report`: from texts, answers or a log to a folder with a sheet and a page."""

from __future__ import annotations

import json
import re
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from copydesk.cli.main import app
from copydesk.errors import UsageError
from copydesk.monitor.entry import SCHEMA
from copydesk.runtime.engine import Classifier
from copydesk.runtime.fallback import load_model
from copydesk.signals.aggregate import Span
from copydesk.signals.columns import Asked
from copydesk.signals.inputs import is_log, scored_files
from copydesk.signals.run import report
from copydesk.signals.sheet import COLUMNS

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
RECIPE = Path(__file__).parent.parent / "recipes" / "signals.yaml"
STORMS = [
    "Översvämning i Göteborg efter skyfall",
    "Flash floods leave villages under water",
    "Heavy rain and flooding close three schools",
    "River burst its banks in the night",
    "Torrential rain: warnings for the whole coast",
]
HOSTILE = "<script>alert(1)</script> floods & 'rain' \ud83c"
SECTIONS = ["last", "recent", "time", "how"]


def news(days: int = 8) -> list[dict[str, Any]]:
    """Return some days of a little football, and a storm in the last hour."""
    last = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
    rows = [
        {"title": f"Football: {day} goals in a friendly match", "at": last - timedelta(days=day), "country": country}
        for day in range(days)
        for country in ("Sweden", "Ireland")
    ]
    storm = [{"title": text, "at": last, "country": "Sweden"} for text in STORMS]
    return [{"description": "", "domain": f"{n}.example", **row} for n, row in enumerate([*rows, *storm])]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = [json.dumps({**row, "at": row["at"].isoformat()}, ensure_ascii=True) for row in rows]
    path.write_text("\n".join(lines), "utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["signals", "report", *map(str, arguments)])


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return written(tmp_path / "news.jsonl", news())


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """Return the recipe's keywords: reading them takes most of the time."""
    return load_model(RECIPE)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Run the command once on some days of news."""
    home = tmp_path_factory.mktemp("signals")
    written(home / "news.jsonl", news())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        return home, run(RECIPE, "news.jsonl", "--zone", "Europe/Stockholm", "--json")


def reported(classifier: Classifier, source: str | Path, out: str, **span: Any) -> Path:
    """Return the folder of a report."""
    return report(classifier, str(source), Span(**({"now": NOW} | span)), out=Path(out)).path


def test_texts_become_a_sheet_a_page_and_data_by_keywords_where_no_model_is_trained(done: tuple[Path, Result]) -> None:
    assert done[1].exit_code == 0, done[1].output
    folder = done[0] / "signals" / "keywords-1"
    names = {path.name for path in folder.iterdir()}
    assert names == {"report.html", "report.json", "scored.parquet", "sheet.csv", "sheet.parquet"}
    sheet = pl.read_parquet(folder / "sheet.parquet")
    assert sheet.columns == list(COLUMNS) == (folder / "sheet.csv").read_text("utf-8").splitlines()[0].split(",")
    stormy = sheet.filter(pl.col("unusual").abs() > 3).row(0, named=True)
    assert [stormy[name] for name in ("place", "category", "tag", "stories")] == ["Sweden", "weather_wet", "flood", 5]
    assert stormy["start"].isoformat() == "2026-11-20T11:00:00+01:00"
    assert "Sweden,2026-11-20T11:00:00+01:00,weather_wet,-0." in (folder / "sheet.csv").read_text("utf-8")


def test_json_is_the_page_as_data(done: tuple[Path, Result]) -> None:
    told = json.loads(done[1].stdout)
    assert told.pop("signals") == "signals/keywords-1"
    assert told == json.loads((done[0] / "signals" / "keywords-1" / "report.json").read_text("utf-8"))
    assert told["counts"]["used"] == 21 and told["places"] == ["Ireland", "Sweden"] and len(told["last"]) == 18
    first = told["recent"][0]
    assert (first["place"], first["category"]) == ("Sweden", "weather_wet") and told["beyond"] == 1
    assert {headline["text"] for headline in first["headlines"]} <= set(STORMS)
    assert "These are not the trained model's answers" in told["notes"][0]


def test_in_a_terminal_the_most_unusual_is_a_table_and_the_folder_the_last_line(raw: Path) -> None:
    shown = run(RECIPE, raw)
    assert shown.stdout.endswith("signals: signals/keywords-1\n") and "Most unusual of late" in shown.stdout
    assert re.search(r"Sweden +weather_wet +flood +20 Nov 10:00", shown.stdout)


def test_answers_that_are_there_give_the_same_sheet_and_are_not_made_again(
    done: tuple[Path, Result], classifier: Classifier, tmp_path: Path
) -> None:
    first = done[0] / "signals" / "keywords-1"
    again = reported(classifier, first / "scored.parquet", tmp_path / "again", zone="Europe/Stockholm")
    assert (first / "sheet.csv").read_bytes() == (again / "sheet.csv").read_bytes()
    assert not (again / "scored.parquet").exists()
    span = {"every": "1d", "since": "3d", "until": "2026-11-20"}
    days = pl.read_parquet(reported(classifier, first / "scored.parquet", tmp_path / "days", **span) / "sheet.parquet")
    assert days["start"].dt.day().unique().sort().to_list() == [17, 18, 19]


def test_columns_can_be_named_and_without_places_all_texts_are_of_one(raw: Path, classifier: Classifier) -> None:
    rows = [{"title": text, "description": "", "hour": "20261120T100000Z", "town": "Ystad"} for text in STORMS]
    pl.DataFrame(rows).write_csv("towns.csv")
    asked = Asked(time="hour", place="town")
    named = report(classifier, "towns.csv", Span(NOW), asked=asked, out=Path("a")).path
    assert set(pl.read_parquet(named / "sheet.parquet")["place"]) == {"Ystad"}
    alone = report(classifier, "towns.csv", Span(NOW), asked=Asked(time="hour"), out=Path("b")).path
    sheet = pl.read_parquet(alone / "sheet.parquet")
    assert set(sheet["place"]) == {"(all)"} and sheet.filter(pl.col("texts") > 0)["sources"].null_count() > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every", "2h"], "--every '2h' is not one of: 1h, 1d."),
        (["--zone", "Sweden"], "--zone 'Sweden' is no time zone. Expected a name such as Europe/Stockholm"),
        (["--time", "when"], "--time: there is no column 'when'"),
        (["--since", "lately"], "'lately' is no time. Expected: 7d"),
        (["--out", "news.jsonl"], "exists"),
    ],
)
def test_a_wrong_option_is_said_in_a_line_and_leaves_nothing(raw: Path, arguments: list[str], said: str) -> None:
    before = set(Path().rglob("*"))
    done = run(RECIPE, raw, "--quiet", *arguments)
    assert done.exit_code in (1, 2) and said in done.stderr and "Traceback" not in done.stderr
    assert {path for path in Path().rglob("*") if path.is_file()} == {path for path in before if path.is_file()}


def test_a_model_of_another_task_is_refused(raw: Path, classifier: Classifier) -> None:
    other = copy(classifier)
    other.settings = replace(classifier.settings, task="single")
    with pytest.raises(UsageError, match="The model's task is 'single'; a signals report needs one of task signals"):
        report(other, str(raw), Span(NOW))


def test_a_prediction_log_is_read_as_one_place_and_shows_no_headlines_that_it_does_not_keep(raw: Path) -> None:
    hour = Path("log/2026-11-20/10")
    hour.mkdir(parents=True)
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    rows = [
        {name: None for name in SCHEMA}
        | {
            "at": at,
            "id": str(n),
            "source": "live",
            "text_hash": str(n),
            "labels": ["crime"],
            "scores": [-0.9],
            "tags": ["theft"],
        }
        for n in range(4)
    ]
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(hour / "a-000001.parquet")
    assert is_log("log") and not is_log(str(raw))
    assert run(RECIPE, "log", "--place", "country").exit_code == 2
    done = run(RECIPE, "log", "--json")
    told = json.loads(done.stdout)
    assert told["recent"][0]["signal"] == pytest.approx(-0.72) and told["recent"][0]["headlines"] == []


def test_only_parquet_with_a_models_answers_counts_as_scored(raw: Path) -> None:
    labelled = pl.DataFrame({"title": ["a"], "signals": [[{"category": "crime", "score": 0.1, "tag": ""}]]})
    labelled.write_parquet("labelled.parquet")
    assert scored_files("labelled.parquet") == [] and scored_files(str(raw)) == []


def test_the_page_stands_alone_and_lets_nothing_of_a_headline_through(raw: Path, classifier: Classifier) -> None:
    rows = [row | {"title": HOSTILE, "country": HOSTILE} if n % 2 else row for n, row in enumerate(news())]
    page = (reported(classifier, written(raw, rows), "page") / "report.html").read_text("utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    assert all(link.startswith("#") for link in re.findall(r'(?:src|href|srcset)="([^"]*)"', page))
    assert not re.search(r"<(?:link|iframe|img|object)\b|@import|url\((?!#)", page)
    assert re.findall(r'<section aria-labelledby="([^"]+)"', page) == SECTIONS


def test_the_page_says_when_nothing_is_usual_yet_and_when_nothing_was_found(raw: Path, classifier: Classifier) -> None:
    page = (reported(classifier, written(raw, news(2)), "short") / "report.html").read_text("utf-8")
    assert "There are not enough days yet to say what is usual" in page and ">Strongest of the last 24 hours<" in page
    quiet = [row | {"title": f"{row['country']} {n}"} for n, row in enumerate(news(2))]
    page = (reported(classifier, written(raw, quiet), "quiet") / "report.html").read_text("utf-8")
    assert "There is no story in any category." in page
