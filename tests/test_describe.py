"""What is found out about data: figures, findings, samples, and data that is not as it should be."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from copydesk.data.prepare import prepare_dataset, prepare_table, read_raw
from copydesk.describe.balance import STEPS
from copydesk.describe.copies import copies_of, found_before, near_texts
from copydesk.describe.facts import Facts
from copydesk.describe.lengths import measured
from copydesk.describe.run import describe, describe_alone
from copydesk.describe.speech import log_odds
from copydesk.describe.table import table_of_raw
from copydesk.errors import DataError, SourceError, UsageError
from copydesk.progress import Silent
from copydesk.recipe import Recipe, parse_recipe
from fakes import toy_rows, write_csv

Row = Mapping[str, Any]
NOWHERE = {"model": {"encoder": "nowhere/at-all"}}


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def recipe_of(**values: Any) -> Recipe:
    return parse_recipe({"name": "toy", **NOWHERE, **values})


@pytest.fixture
def facts_of(tmp_path: Path) -> Callable[..., Facts]:
    def call(rows: Sequence[Row], **values: Any) -> Facts:
        return describe(recipe_of(**values), write_rows(tmp_path / "rows.jsonl", rows))

    return call


def toy(count: int = 120) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in toy_rows(count)]


def said(facts: Facts) -> str:
    return "\n".join(f"{finding.level}: {finding.what} {finding.remedy}" for finding in facts.findings)


def test_rows_without_a_text_are_counted_with_their_places(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of([*toy(), {"text": None, "label": "sport"}, {"text": " ", "label": "money"}])
    assert facts.rows.read == 122
    assert facts.rows.with_text == 120
    assert facts.rows.left_out == {"empty text": 2}
    assert facts.rows.examples == {"empty text": ["rows.jsonl:121", "rows.jsonl:122"]}
    assert [(c.name, c.missing, c.blank, c.used_as) for c in facts.rows.columns] == [
        ("text", 1, 1, "text"),
        ("label", 0, 0, "label"),
    ]
    assert "2 of 122 rows (1.6 %): empty text (rows.jsonl:121, rows.jsonl:122)" in said(facts)


def test_labels_are_counted_the_commonest_first(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of([*toy(30), {"text": "one more goal", "label": "sport"}, {"text": "unlabelled", "label": None}])
    assert facts.labels is not None
    assert list(facts.labels.counts.items()) == [("sport", 16), ("money", 15)]
    assert (facts.labels.labelled, facts.labels.unlabelled) == (31, 1)
    assert facts.labels.per_text == {}
    assert "1 of 32 texts (3.1 %) have no label" in said(facts)


def test_the_median_words_of_a_label_are_those_of_its_texts(facts_of: Callable[..., Facts]) -> None:
    rows = [{"text": f"short {word}", "label": "a"} for word in ("one", "two", "three")]
    rows += [{"text": f"a much longer text about {word}", "label": "b"} for word in ("one", "two", "three")]
    labels = facts_of(rows).labels
    assert labels is not None
    assert labels.words == {"a": 2.0, "b": 6.0}


def test_labels_that_stand_together_are_counted_by_pairs(facts_of: Callable[..., Facts]) -> None:
    sets = [["a"], ["a", "b"], ["a", "b", "c"], ["c"], ["a"]]
    rows = [{"text": f"text number {place}", "labels": names} for place, names in enumerate(sets)]
    facts = facts_of(rows, task="multi", label="labels")
    assert facts.labels is not None and facts.labels.together is not None
    assert facts.labels.together.labels == ["a", "b", "c"]
    assert facts.labels.together.counts == [[4, 2, 1], [2, 2, 1], [1, 1, 2]]
    assert facts.labels.per_text == {1: 3, 2: 1, 3: 1}


def test_a_label_that_hardly_stands_without_another_is_named(facts_of: Callable[..., Facts]) -> None:
    rows = [{"text": f"text number {n}", "labels": ["wide", "narrow"] if n < 20 else ["wide"]} for n in range(60)]
    assert "100 % of the texts with 'narrow' have 'wide' too" in said(facts_of(rows, task="multi", label="labels"))


def test_signals_are_counted_by_strength_and_tag(facts_of: Callable[..., Facts]) -> None:
    signals = [
        [{"category": "crime", "score": -0.9, "tag": "theft"}],
        [{"category": "crime", "score": -0.2, "tag": ""}, {"category": "sports", "score": 0.66, "tag": ""}],
        [{"category": "crime", "score": 0.0, "tag": ""}],
    ]
    rows = [{"text": f"text number {place}", "signals": sheet} for place, sheet in enumerate(signals)]
    categories = {"crime": ["theft"], "sports": ["game"]}
    facts = facts_of(rows, task="signals", label="signals", categories=categories)
    assert facts.labels is not None
    assert facts.labels.counts == {"crime": 2, "sports": 1}
    assert facts.labels.per_text == {0: 1, 1: 1, 2: 1}
    assert facts.labels.strength["crime"].scores == [1, 0, 1, 0, 0, 0]
    assert facts.labels.strength["crime"].tags == {"theft": 1, "": 1}
    assert facts.labels.strength["sports"].scores == [0, 0, 0, 0, 0, 1]
    assert len(STEPS) == 5


def test_signals_that_are_never_there_are_described_and_refused_by_prepare(facts_of: Callable[..., Facts]) -> None:
    rows = [{"text": text, "signals": []} for text, _ in toy_rows(20)]
    rows[0]["signals"] = [{"category": "crime", "score": 0.0, "tag": ""}]
    facts = facts_of(rows, task="signals", label="signals", categories={"crime": ["theft"]}, unlisted="absent")
    assert facts.labels is not None and facts.labels.counts == {}
    assert "stop: Prepare would stop here: None of the" in said(facts)


def test_a_histogram_holds_every_text_and_a_long_one_does_not_flatten_it() -> None:
    measure = measured(np.array([*range(1, 1_001), 90_000]), "words")
    assert sum(measure.counts) == 1_001
    assert measure.edges[-1] < 1_100
    assert measure.quantiles["median"] == 501
    assert measure.quantiles["longest"] == 90_000


def test_tokens_are_counted_uncut_with_the_recipes_encoder(tiny_encoder: Path, facts_of: Callable[..., Facts]) -> None:
    rows = [{"text": " ".join(["goal"] * (6 if n else 20)), "label": "sport"} for n in range(4)]
    model = {"encoder": str(tiny_encoder), "max_tokens": 16}
    tokens = facts_of([*rows, {"text": "bank shares", "label": "money"}], model=model).lengths.tokens
    assert tokens is not None
    assert tokens.length.quantiles["longest"] == 22  # [CLS] and [SEP] count
    assert (tokens.limit, tokens.most) == (16, 64)
    assert tokens.beyond == pytest.approx(1 / 5)
    assert tokens.lost == pytest.approx(6 / (22 + 3 * 8 + 4))
    assert tokens.fits == {32: 1.0, 64: 1.0}
    assert sum(fit.texts for fit in tokens.vocabulary.values()) == 5
    assert {fit.per_word for fit in tokens.vocabulary.values()} == {1.0}


def test_texts_longer_than_the_encoder_reads_come_with_a_remedy(
    tiny_encoder: Path, facts_of: Callable[..., Facts]
) -> None:
    rows = [{"text": f"goal {'the ' * 20}{n}", "label": "ab"[n % 2]} for n in range(10)]
    model = {"encoder": str(tiny_encoder), "max_tokens": 16}
    assert "do: 100 % of the texts are longer than the encoder reads (16 tokens)" in said(facts_of(rows, model=model))
    assert "Set model.max_tokens: 32 (holds 100 % whole; slower), or model.long_texts: head_tail" in said(
        facts_of(rows, model=model)
    )
    with_tail = said(facts_of(rows, model={**model, "long_texts": "head_tail"}))
    assert "model.long_texts: head_tail sees to that" in with_tail


def test_a_language_that_the_encoder_does_not_know_is_named(tiny_encoder: Path, facts_of: Callable[..., Facts]) -> None:
    rows = [{"text": f"Двое пострадали в аварии на трассе {n}", "label": "ab"[n % 2]} for n in range(10)]
    facts = facts_of(rows, model={"encoder": str(tiny_encoder), "max_tokens": 64})
    assert facts.lengths.tokens is not None
    assert facts.lengths.tokens.vocabulary["ru"].unknown > 0.8
    assert "do: Russian is strange to the encoder" in said(facts)


def test_an_encoder_that_is_out_of_reach_leaves_tokens_out_and_says_so(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of(toy())
    assert facts.lengths.tokens is None
    assert "nowhere/at-all" in facts.lengths.no_tokens
    assert "Lengths in tokens are missing: Encoder 'nowhere/at-all' was not found" in said(facts)


def test_copies_and_contradictions_are_told_apart(facts_of: Callable[..., Facts]) -> None:
    again = [
        {"text": "The bank raised its rates", "label": "money"},
        {"text": "the BANK raised its rates", "label": "money"},
        {"text": "A draw in the derby", "label": "sport"},
        {"text": "A draw in the derby", "label": "money"},
    ]
    copies = facts_of([*toy(), *again]).copies
    assert (copies.distinct, copies.copies) == (122, 2)
    assert (copies.conflicts, copies.conflict_rows) == (1, 2)
    assert copies.conflicting[0].labels == {"sport": 1, "money": 1}
    assert "keeps each one's majority, and leaves out ties" in said(facts_of([*toy(), *again]))
    assert "Until then prepare leaves them out" in said(facts_of([*toy(), *again], prepare={"conflicts": "drop"}))
    assert [(item.text, item.rows) for item in copies.most_repeated] == [
        ("The bank raised its rates", 2),
        ("A draw in the derby", 2),
    ]


def test_near_copies_are_shown_those_that_differ_in_label_first(facts_of: Callable[..., Facts]) -> None:
    long = "the striker scored a late penalty in front of the home stadium and the league took note of"
    rows = [
        {"text": f"{long} him", "label": "sport"},
        {"text": f"{long} her", "label": "sport"},
        {
            "text": "a completely different sentence about shares, profit and a loan from the bank in the city.",
            "label": "money",
        },
        {
            "text": "a completely different sentence about shares, profit and a loan from the bank in the city!",
            "label": "sport",
        },
    ]
    near = facts_of([*toy(), *rows]).copies.near
    assert (near.pairs, near.texts, near.other_label) == (2, 4, 1)
    assert near.examples[0].labels == ("money", "sport")
    assert near.expected_pairs == 2


def test_of_many_texts_near_copies_are_sought_in_a_sample_and_expected_for_all(tmp_path: Path) -> None:
    rows = [{"text": f"{text} {end}", "label": label} for text, label in toy_rows(200) for end in ("today.", "today!")]
    raw = read_raw(recipe_of(), write_rows(tmp_path / "rows.jsonl", rows))
    table = table_of_raw(recipe_of(), raw, labelled=True, progress=Silent())
    near = near_texts(table, recipe_of(), Silent(), most=200)
    facts = copies_of(table, near, recipe_of()).near
    assert facts.looked_at == 200
    assert 0 < facts.pairs < 200
    assert facts.expected_pairs == 4 * facts.pairs


def test_samples_are_the_same_each_time(tmp_path: Path) -> None:
    raw = read_raw(recipe_of(), write_rows(tmp_path / "rows.jsonl", toy()))
    table = table_of_raw(recipe_of(), raw, labelled=True, progress=Silent())
    assert table.some(10, 10**9, 42).tolist() == table.some(10, 10**9, 42).tolist()
    assert table.some(10, 10**9, 42).tolist() != table.some(10, 10**9, 43).tolist()
    assert len(table.some(10**9, 400, 42)) == int(120 * 400 / table.texts.str.len_chars().sum())
    assert table.some(10**9, 10**9, 42).tolist() == list(range(120))


def test_near_copies_that_are_known_give_prepare_the_dataset_it_would_make_itself(tmp_path: Path) -> None:
    rows = [{"text": f"{text}{end}", "label": label} for text, label in toy_rows(150) for end in ("", " now", ".", "")]
    recipe = recipe_of(prepare={"split": {"similarity": 0.6}, "near_threshold": 0.9})
    raw = read_raw(recipe, write_rows(tmp_path / "rows.jsonl", rows))
    table = table_of_raw(recipe, raw, labelled=True, progress=Silent())
    known = found_before(table, near_texts(table, recipe, Silent()))
    alone, helped = prepare_table(recipe, raw), prepare_table(recipe, raw, find=known)
    assert helped.content_hash() == alone.content_hash()
    assert helped.manifest == alone.manifest
    assert alone.manifest["dropped"]["near-copy"] > 0


def test_log_odds_are_those_of_monroe_and_others() -> None:
    here, elsewhere = np.array([30, 10, 60]), np.array([5, 45, 50])
    prior = 500 * (here + elsewhere) / 200

    def odds(count: float, total: float, own: float) -> float:
        return math.log((count + own) / (total + 500 - count - own))

    delta = odds(30, 100, prior[0]) - odds(5, 100, prior[0])
    expected = delta / math.sqrt(1 / (30 + prior[0]) + 1 / (5 + prior[0]))
    assert log_odds(here, elsewhere)[0] == pytest.approx(expected)
    assert log_odds(here, elsewhere)[1] < 0


def test_the_most_typical_words_are_a_labels_own(facts_of: Callable[..., Facts]) -> None:
    words = facts_of(toy(240)).words
    assert words is not None
    sport = {word.word for word in words.by_label["sport"]}
    assert {"goal", "match", "league"} <= sport
    assert not sport & {"the", "bank", "shares"}
    first = words.by_label["sport"][0]
    assert first.here > first.elsewhere
    assert first.z > 1.96


def test_words_of_scripts_without_spaces_are_pairs_of_characters(facts_of: Callable[..., Facts]) -> None:
    rows = [{"text": f"市場で株価が{n}円上昇", "label": "money"} for n in range(40)]
    rows += [{"text": f"試合で得点{n}を記録", "label": "sport"} for n in range(40)]
    words = facts_of(rows).words
    assert words is not None
    assert "株価" in {word.word for word in words.by_label["money"]}


def test_languages_are_counted_with_examples_of_the_others(facts_of: Callable[..., Facts]) -> None:
    rows = [{"text": f"The minister resigned after the letter was leaked {n}", "label": "a"} for n in range(20)]
    rows += [{"text": f"Ministern avgår efter läckt brev {n}", "label": "b"} for n in range(5)]
    facts = facts_of([*rows, {"text": "12:30", "label": "b"}])
    assert facts.languages.counts == {"en": 20, "sv": 5, "": 1}
    assert len(facts.languages.examples["sv"]) == 3
    assert "en" not in facts.languages.examples
    assert "do: 20 % of the texts are not in English: Swedish 20 %" in said(facts)


def test_the_default_encoder_does_not_pass_for_texts_that_are_not_english(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "svenska.jsonl", [{"text": "Ministern avgår efter läckt brev"}])
    facts = describe_alone(data)
    assert "Most texts are in Swedish; sentence-transformers/all-MiniLM-L6-v2 was made for English" in said(facts)


def test_texts_are_counted_over_time_from_a_column_that_is_known_by_its_name(facts_of: Callable[..., Facts]) -> None:
    rows = [{**row, "seendate": f"202603{1 + n % 20:02}T{n % 24:02}1500Z"} for n, row in enumerate(toy())]
    time = facts_of(rows).time
    assert time is not None
    assert (time.column, time.period, time.unreadable) == ("seendate", "day", 0)
    assert time.starts[0] == "2026-03-01" and len(time.starts) == 20
    assert time.counts == [6] * 20
    assert sum(time.by_label["sport"]) == 60


@pytest.mark.parametrize(
    ("days", "period", "starts"),
    [(200, "week", "2025-12-29"), (1_000, "month", "2026-01-01"), (3_000, "quarter", "2026-01-01")],
)
def test_periods_are_as_short_as_a_plot_can_show(
    facts_of: Callable[..., Facts], days: int, period: str, starts: str
) -> None:
    first = np.datetime64("2026-01-01")
    rows = [{**row, "date": str(first + days * n // 119)} for n, row in enumerate(toy())]
    time = facts_of(rows).time
    assert time is not None
    assert (time.period, time.starts[0]) == (period, starts)
    assert sum(time.counts) == 120


def test_a_label_that_becomes_rarer_is_named_with_the_split_that_shows_it(facts_of: Callable[..., Facts]) -> None:
    rows = [
        {"text": f"text number {n}", "label": "old" if n < 300 else "new", "date": f"2026-{1 + n // 60:02}-11"}
        for n in range(600)
    ]
    facts = facts_of(rows)
    assert facts.time is not None
    assert [(one.label, one.sure) for one in facts.time.drift] == [("new", True), ("old", True)]
    assert "prepare.split: {by: time, time: date}" in said(facts)


def test_a_column_of_times_that_mostly_are_none_is_passed_over(facts_of: Callable[..., Facts]) -> None:
    rows = [{**row, "date": "soon" if n % 2 else "2026-01-01"} for n, row in enumerate(toy())]
    assert facts_of(rows).time is None
    asked = facts_of(rows, prepare={"split": {"by": "time", "time": "date"}})
    assert asked.time is not None
    assert asked.time.unreadable == 60
    assert "stop: Prepare would stop here: rows.jsonl:2" in said(asked)


def test_signs_on_the_surface_are_counted_by_label(facts_of: Callable[..., Facts]) -> None:
    rows = [{"text": f"{n} things to know about owls", "label": "bait"} for n in range(25)]
    rows += [{"text": f"Parliament passed bill number {n}", "label": "news"} for n in range(25)]
    facts = facts_of(rows)
    sign = next(sign for sign in facts.signs if sign.name == "begin with a digit")
    assert sign.share == 0.5
    assert sign.by_label == {"bait": 1.0, "news": 0.0}
    assert "100 % of 'bait' begin with a digit, of 'news' 0 %" in said(facts)


def test_what_prepare_makes_of_the_rows_is_told(facts_of: Callable[..., Facts]) -> None:
    outcome = facts_of([*toy(), toy()[0]]).outcome
    assert outcome is not None
    assert outcome.rows == {"train": 96, "validation": 12, "test": 12}
    assert outcome.counts["test"] == {"money": 6, "sport": 6}
    assert outcome.dropped == {"exact copy": 1}
    assert outcome.method == ""


def multi_rows() -> list[dict[str, Any]]:
    return [
        {"text": f"{text} {n}", "labels": ["all", "few"] if n % 10 == 0 else ["all"] if n % 3 else ["some"]}
        for n, (text, _) in enumerate(toy_rows(200))
    ]


def test_balance_is_shown_before_and_after_the_recipes_resampling(facts_of: Callable[..., Facts]) -> None:
    prepare = {"resample": "median_undersample", "dedupe": "exact"}
    outcome = facts_of(multi_rows(), task="multi", label="labels", prepare=prepare).outcome
    assert outcome is not None and outcome.asked
    assert outcome.rows_after == outcome.rows["train"] < outcome.rows_before
    assert outcome.after["all"] < outcome.before["all"]
    assert outcome.after["few"] == outcome.counts["train"]["few"]


def test_without_resampling_the_cheap_one_is_shown_for_comparison(facts_of: Callable[..., Facts]) -> None:
    outcome = facts_of(multi_rows(), task="multi", label="labels").outcome
    assert outcome is not None and not outcome.asked
    assert outcome.method == "median_undersample"
    assert outcome.rows_after < outcome.rows_before == outcome.rows["train"]


def test_one_label_only_is_described_and_what_prepare_says_of_it_comes_first(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of([row for row in toy() if row["label"] == "sport"])
    assert facts.findings[0].level == "stop"
    assert "All 60 rows have the label 'sport'; at least two labels are needed" in facts.findings[0].what
    assert facts.outcome is not None and not facts.outcome.rows


def test_data_without_a_label_column_is_described_by_its_texts(tmp_path: Path) -> None:
    facts = describe(
        recipe_of(label="kind"), write_rows(tmp_path / "rows.jsonl", [{"text": t} for t, _ in toy_rows(30)])
    )
    assert facts.labels is None and facts.outcome is None and facts.words is None
    assert "do: There is no column 'kind': only the texts are described" in said(facts)
    assert [sign.by_label for sign in facts.signs] == [{}]


def test_a_label_column_without_any_label_is_told_from_none(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of([{"text": text, "label": None} for text, _ in toy_rows(30)])
    assert facts.labels is None
    assert "The column 'label' is empty: only the texts are described" in said(facts)


def test_a_column_that_does_not_exist_is_refused_with_those_there_are(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", toy(10))
    with pytest.raises(DataError, match="Column 'headline' is missing; the data has: text, label.*--text"):
        describe(recipe_of(text="headline"), data)
    with pytest.raises(DataError, match="Column 'kind' is missing"):
        describe(recipe_of(label="kind"), data, labelled=True)
    with pytest.raises(DataError, match="Column 'kind' is missing"):
        describe_alone(data, {"label": "kind"})


def test_data_without_any_text_is_refused(tmp_path: Path) -> None:
    blank = write_rows(tmp_path / "blank.jsonl", [{"text": " ", "label": "a"}, {"text": None, "label": "b"}])
    with pytest.raises(DataError, match="None of the 2 rows has a text: 2 empty text"):
        describe(recipe_of(), blank)
    with pytest.raises(SourceError, match="has no rows"):
        describe(recipe_of(), write_csv(tmp_path / "header.csv", []))


def test_an_empty_or_binary_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "picture.csv").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "picture.parquet").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(SourceError, match=r"empty\.csv' is empty"):
        describe_alone(tmp_path / "empty.csv")
    with pytest.raises(SourceError, match=r"picture\.csv' is not UTF-8"):
        describe_alone(tmp_path / "picture.csv")
    with pytest.raises(SourceError, match=r"picture\.parquet' cannot be read as parquet"):
        describe_alone(tmp_path / "picture.parquet")


def test_a_prepared_dataset_is_described_from_its_manifest(tmp_path: Path, toy_csv: Path) -> None:
    prepare_dataset(recipe_of(), toy_csv).save(tmp_path / "dataset")
    facts = describe_alone(tmp_path / "dataset", {"model": NOWHERE["model"]})
    assert (facts.name, facts.task, facts.time) == ("toy", "single", None)
    assert facts.outcome is not None
    assert sum(facts.outcome.rows.values()) == facts.rows.with_text == facts.rows.read
    assert [column.used_as for column in facts.rows.columns] == ["", "text", "label", "part", "", ""]
    assert facts.copies.across == facts.copies.near.across == 0


def test_copies_across_the_parts_of_a_dataset_are_a_leak(tmp_path: Path) -> None:
    rows = [{"text": f"{text}{end}", "label": label} for text, label in toy_rows(100) for end in ("", " again", "!")]
    recipe = recipe_of(prepare={"dedupe": "none", "split": {"by": "row"}})
    prepare_dataset(recipe, write_rows(tmp_path / "rows.jsonl", rows)).save(tmp_path / "dataset")
    facts = describe(recipe, tmp_path / "dataset")
    assert facts.copies.near.across > 0
    assert "stand in several parts" in said(facts)


def test_a_dataset_that_was_changed_is_refused(tmp_path: Path, toy_csv: Path) -> None:
    prepare_dataset(recipe_of(), toy_csv).save(tmp_path / "dataset")
    table = tmp_path / "dataset" / "data.parquet"
    pl.read_parquet(table).head(10).write_parquet(table)
    with pytest.raises(SourceError, match="was changed after it was prepared"):
        describe_alone(tmp_path / "dataset")


def test_a_file_alone_shows_its_task_by_its_label_column(tmp_path: Path) -> None:
    lists = [{"text": f"text number {n}", "labels": ["a", "b"][: 1 + n % 2]} for n in range(20)]
    assert describe_alone(write_rows(tmp_path / "My lists.jsonl", lists)).task == "multi"
    facts = describe_alone(write_rows(tmp_path / "My rows 2.jsonl", toy(20)))
    assert (facts.task, facts.name) == ("single", "my-rows-2")
    assert facts.labels is not None and facts.labels.counts == {"money": 10, "sport": 10}


def test_signals_without_a_recipe_are_refused_with_the_way_to_describe_them(tmp_path: Path) -> None:
    rows = [{"text": "one", "signals": [{"category": "crime", "score": 0.5, "tag": ""}]}]
    with pytest.raises(UsageError, match="copydesk describe RECIPE --data"):
        describe_alone(write_rows(tmp_path / "rows.jsonl", rows))


def test_few_test_texts_are_named_with_what_they_can_tell(facts_of: Callable[..., Facts]) -> None:
    assert "The test part has 12 texts: a model that is right for 90 % there is right for" in said(facts_of(toy()))


def test_uneven_labels_come_with_what_always_the_commonest_would_reach(facts_of: Callable[..., Facts]) -> None:
    rows = [
        {"text": f"{text} {n}", "label": "rare" if n % 5 == 0 else "common"}
        for n, (text, _) in enumerate(toy_rows(200))
    ]
    assert "'common' has 160 texts (80 %), 'rare' has 40: 4 to 1" in said(facts_of(rows))
    assert "Always saying 'common' is right for 80 %" in said(facts_of(rows))
    assert "class_weights: balanced" not in said(facts_of(rows, train={"class_weights": "balanced"}))


def test_rare_labels_come_with_the_key_that_leaves_them_out(facts_of: Callable[..., Facts]) -> None:
    rows = [*multi_rows(), {"text": "the only one of its kind", "labels": ["lonely"]}]
    found = said(facts_of(rows, task="multi", label="labels"))
    assert "do: 1 of 4 labels have fewer than 20 texts: 'lonely'. Leave them out with prepare.min_support: 20" in found
    settled = said(facts_of(rows, task="multi", label="labels", prepare={"min_support": 20}))
    assert "Prepare warns: 1 of 4 labels have fewer than 20 rows (prepare.min_support) and are left out" in settled
    assert "do: 1 of 4 labels" not in settled


def test_what_is_in_order_is_said_too(facts_of: Callable[..., Facts]) -> None:
    assert {"every row has a text", "every text has a label", "no text is repeated"} <= set(facts_of(toy()).settled)


def test_facts_are_plain_json_and_the_same_each_time(facts_of: Callable[..., Facts]) -> None:
    once, again = facts_of(toy()), facts_of(toy())
    assert json.loads(json.dumps(once.to_json(), allow_nan=False))["rows"]["read"] == 120
    assert once == again
