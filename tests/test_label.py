"""The stage and its command, from files to a labelled file and on to a trained model."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import copydesk
from copydesk.cli import main as cli
from copydesk.data.prepare import prepare_dataset
from copydesk.data.raw import read_facts
from copydesk.errors import DataError, UsageError
from copydesk.labelling import label as stage
from copydesk.labelling.label import Labelled, label_texts
from copydesk.recipe import load_recipe
from fakes import Listener, toy_rows, write_csv

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RULES = """
functions:
  play: {label: sport, words: [goal, match, league]}
  people: {label: sport, words: [striker, coach, referee]}
  places: {label: sport, words: [stadium, penalty]}
  banks: {label: money, words: [bank, loan, budget]}
  trade: {label: money, words: [shares, market, trade]}
  figures: {label: money, words: [profit, prices]}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    path = tmp_path / "toy.yaml"
    path.write_text("name: toy\nmodel: {kind: linear}\nweak: {functions: rules.yaml}\n")
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Return 240 texts without labels, and ten that no function knows."""
    rows = [(text, number) for number, (text, _) in enumerate(toy_rows())]
    rows += [(f"nothing of either {number}", number) for number in range(10)]
    return write_csv(tmp_path / "raw.csv", rows, ("text", "views"))


def _label(recipe: Path, data: Path, out: str = "out.parquet", **overrides: object) -> tuple[Labelled, Listener]:
    progress = Listener()
    loaded = load_recipe(recipe, {key.replace("__", "."): value for key, value in overrides.items()})
    return label_texts(loaded, str(data), out=Path(out), now=NOW, progress=progress), progress


def test_texts_get_labels_probabilities_and_votes_and_keep_their_columns(recipe: Path, texts: Path) -> None:
    done, progress = _label(recipe, texts)
    table = pl.read_parquet("out.parquet")
    assert table.columns == ["text", "views", "_source", "_row", "label", "probabilities", "votes"]
    assert table.select("_source", "_row").row(2) == ("raw.csv", 3)
    truth = [label for _, label in toy_rows()]
    assert (table["label"].head(240) == pl.Series(truth)).sum() == done.counts.labelled == 240
    assert table["label"].tail(10).null_count() == done.counts.without_votes == 10
    sums = table["probabilities"].drop_nulls().list.eval(pl.element().struct.field("probability").sum()).explode()
    assert sums.to_list() == pytest.approx([1.0] * 240)
    assert done.settled.name == "dawid_skene" and done.counts.agreement is None
    assert progress.tracked == {"labelling": 250}


def test_the_files_metadata_says_how_it_came_to_be(recipe: Path, texts: Path) -> None:
    _label(recipe, texts)
    facts = read_facts(Path("out.parquet"))
    assert (facts["made_by"], facts["recipe"], facts["created"]) == ("label", "toy", "2026-11-21T00:00:00+00:00")
    assert facts["sources"][0]["url"].endswith("raw.csv") and len(facts["sources"][0]["sha256"]) == 64
    assert facts["counts"]["labelled"] == 240 and facts["functions"][0]["name"] == "play"


def test_what_nobody_labelled_is_left_out_of_the_dataset_and_counted(recipe: Path, texts: Path) -> None:
    _label(recipe, texts)
    dataset = prepare_dataset(load_recipe(recipe), "out.parquet")
    assert dataset.manifest["dropped"]["no label"] == 10
    assert set(dataset.labels) == {"sport", "money"}


def test_a_model_trained_on_weak_labels_knows_texts_without_keywords(recipe: Path, tmp_path: Path) -> None:
    rows = [(f"{text} {'pitch' if label == 'sport' else 'coin'}",) for text, label in toy_rows()]
    _label(recipe, write_csv(tmp_path / "more.csv", rows, ("text",)))
    classifier = copydesk.train(recipe, data="out.parquet")
    assert [answer.label for answer in classifier.predict(["pitch", "coin"])] == ["sport", "money"]


def test_labels_by_people_are_kept_hidden_and_measure(recipe: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "labelled.csv", toy_rows())
    (tmp_path / "peek.py").write_text(
        "from copydesk import labelling_function\n"
        "@labelling_function\ndef peek(example):\n    return example.columns.get('label')\n"
    )
    done, progress = _label(recipe, data, weak__functions=["rules.yaml", "peek.py"])
    table = pl.read_parquet("out.parquet")
    assert table["label_given"].to_list() == [label for _, label in toy_rows()]
    assert done.counts.agreement is not None and done.counts.agreement.f1 == 1.0
    assert {one.accuracy for one in done.functions if one.texts} == {1.0}
    assert progress.warned == ["1 labelling function votes on no text: 'peek'."]


def test_where_no_text_gets_a_label_that_is_said(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "even.yaml").write_text("functions: {a: {label: sport, words: [x]}, b: {label: money, words: [x]}}")
    data = write_csv(tmp_path / "x.csv", [("x one", "sport"), ("x two", "money")])
    done, progress = _label(recipe, data, weak__functions=["even.yaml"])
    assert done.counts.labelled == 0
    assert progress.warned == ["No text got a label: no votes are decisive. Add functions, or correct those there are."]


def test_a_labelled_file_can_be_labelled_again(recipe: Path, tmp_path: Path) -> None:
    _label(recipe, write_csv(tmp_path / "labelled.csv", toy_rows()), "first.parquet")
    done, _ = _label(recipe, Path("first.parquet"), "second.parquet", weak__votes="majority")
    assert done.counts.agreement is not None and done.settled.name == "majority"
    columns = ["text", "label_given", "_source", "_row", "label", "probabilities", "votes"]
    assert pl.read_parquet("second.parquet").columns == columns


def test_a_given_part_stays_with_its_row(recipe: Path, texts: Path) -> None:
    label_texts(
        load_recipe(recipe, {"source": [{"url": str(texts), "part": "test"}]}),
        None,
        out=Path("out.parquet"),
        now=NOW,
        progress=Listener(),
    )
    assert pl.read_parquet("out.parquet")["_part"].unique().to_list() == ["test"]


def test_another_column_can_hold_peoples_labels(recipe: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "labelled.csv", toy_rows(), ("text", "topic"))
    done, _ = _label(recipe, data, weak__gold="topic")
    assert done.counts.agreement is not None
    with pytest.raises(DataError, match=r"Column 'topics' \(weak.gold\) is missing; the data has: text, topic\."):
        _label(recipe, data, "other.parquet", weak__gold="topics")


def test_functions_that_vote_for_labels_nobody_gave_are_told(recipe: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "labelled.csv", [(text, label.upper()) for text, label in toy_rows()])
    _, progress = _label(recipe, data)
    assert progress.warned == [
        "Functions vote for 'money', 'sport', which people gave to no text; they gave 'MONEY', 'SPORT'."
    ]


def test_the_name_of_kept_labels_must_be_free(recipe: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "odd.csv", [("goal", "x", "y")], ("text", "label", "label_given"))
    with pytest.raises(DataError, match="columns 'label' and 'label_given'"):
        _label(recipe, data)


def test_failures_and_time_outs_are_counted_and_told_but_end_nothing(recipe: Path, texts: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES + "  slow: {label: sport, regex: '(?=a)(a|aa)+$'}\n")
    (tmp_path / "fragile.py").write_text(
        "from copydesk import labelling_function\n"
        "@labelling_function\ndef fragile(example):\n    return ['sport'][len(example['views']) - 2]\n"
    )
    with texts.open("a") as file:
        file.write("a" * 5_000 + "!,1\n")
    done, progress = _label(recipe, texts, weak__functions=["rules.yaml", "fragile.py"])
    faults = {one.name: one.faults for one in done.functions}
    assert faults["fragile"].failures == 140  # views of three digits
    assert faults["slow"].time_outs == 1 and not faults["slow"].given_up
    assert any("'fragile' failed on 140 texts" in line and "IndexError" in line for line in progress.warned)
    assert any("'slow' took too long 1 time." in line for line in progress.warned)


def test_without_any_vote_there_is_nothing_to_write(recipe: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "raw.csv", [("nothing",), ("of it",)], ("text",))
    with pytest.raises(DataError, match="None of the 6 labelling functions votes on any of the 2 texts"):
        _label(recipe, data)
    assert not Path("out.parquet").exists()


def test_a_function_may_look_at_columns_that_are_there(recipe: Path, texts: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("functions: {site: {label: sport, words: espn, column: domain}}")
    with pytest.raises(DataError, match="looks at column 'domain', which is missing; the data has: text, views"):
        _label(recipe, texts)


def test_a_prepared_dataset_is_not_raw(recipe: Path, tmp_path: Path) -> None:
    prepare_dataset(load_recipe(recipe), write_csv(tmp_path / "toy.csv", toy_rows())).save(Path("dataset"))
    with pytest.raises(UsageError, match="is a prepared Dataset; label takes raw texts"):
        _label(recipe, Path("dataset"))


def test_parts_make_the_same_file_as_the_whole(recipe: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _label(recipe, texts, "whole.parquet")
    monkeypatch.setattr(stage, "_CELLS_AT_ONCE", 14)
    monkeypatch.setattr("copydesk.labelling.votes.BATCH_ROWS", 11)
    _label(recipe, texts, "parts.parquet")
    assert pl.read_parquet("parts.parquet").equals(pl.read_parquet("whole.parquet"))


def test_an_interrupted_write_leaves_nothing(recipe: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> pl.DataFrame:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "outcome_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _label(recipe, texts, "new/out.parquet")
    assert list(Path("new").iterdir()) == []


def test_several_labels_and_signals_are_labelled_too(recipe: Path, texts: Path, tmp_path: Path) -> None:
    done, _ = _label(recipe, texts, task="multi")
    table = pl.read_parquet("out.parquet")
    assert table["label"][0].to_list() == ["sport"] and table["label"][-1] is None
    assert done.settled.name == "dawid_skene"
    (tmp_path / "rules.yaml").write_text(
        "negation: 2\nfunctions: {play: {label: sport, tag: game, score: 0.5, words: [goal, match]}}\n"
        "severity: {big: 0.9}\npolarity: {negative: [loan]}\n"
    )
    _label(recipe, texts, "signals.parquet", task="signals", categories={"sport": ["game"], "money": []})
    first = pl.read_parquet("signals.parquet")["label"].drop_nulls()[0].to_list()[0]
    assert first["category"] == "sport" and first["tag"] == "game" and first["score"] >= 0.5


class Run:
    """What one call printed and returned."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    def call(*arguments: str | Path) -> Run:
        monkeypatch.setattr(sys, "argv", ["copydesk", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return Run(int(exit_.value.code or 0), captured.out, captured.err)

    return call


def test_the_command_prints_a_table_and_ends_with_the_file(
    run: Callable[..., Run], recipe: Path, tmp_path: Path
) -> None:
    data = write_csv(tmp_path / "labelled.csv", toy_rows())
    done = run("label", recipe, data)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "labelled: labelled/toy-1.parquet"
    assert "function votes for covers overlaps conflicts right" in " ".join(done.out.split())
    assert "all 240 100.0% without votes 0 0.0%" in " ".join(done.out.split())
    assert "F1 against people's labels, on 240 texts: 1.0000" in done.out
    assert run("label", recipe, data, "--quiet").out == "labelled: labelled/toy-2.parquet\n"


def test_the_command_can_answer_in_json(run: Callable[..., Run], recipe: Path, texts: Path) -> None:
    value = json.loads(run("label", recipe, texts, "--out", "x.parquet", "--json").out)
    assert value["labelled"] == "x.parquet" and value["votes"] == "dawid_skene"
    assert value["counts"]["without_votes"] == 10 and value["counts"]["agreement"] is None
    assert {"name", "coverage", "overlaps", "conflicts", "accuracy", "faults"} <= value["functions"][0].keys()


def test_faults_stand_in_the_table(run: Callable[..., Run], recipe: Path, texts: Path, tmp_path: Path) -> None:
    name = "fragile_and_with_a_very_long_name"
    (tmp_path / "fragile.py").write_text(
        f"from copydesk import labelling_function\n@labelling_function\ndef {name}(example):\n    return 1 / 0\n"
    )
    done = run("label", recipe, texts, "--set", "weak.functions=[rules.yaml, fragile.py]")
    assert "went wrong" in done.out and "ZeroDivisionError" in done.err
    table = done.out[: done.out.index("Weak labels")]
    assert "250 failures" in " ".join(table.split()) and "…" not in table  # in 80 columns nothing is cut off


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--set", "weak.functions=[]"], 2, "names no labelling functions"),
        (["--set", "weak.function=x.yaml"], 2, "unknown key 'weak.function'. Did you mean 'functions'?"),
        (["--set", "weak.votes=most"], 2, "weak.votes: 'most' is not valid"),
        (["--out", "toy.yaml"], 2, "exists already"),
        (["--text", "headline"], 1, "Column 'headline' is missing"),
    ],
)
def test_wrong_use_is_told_in_a_line(
    run: Callable[..., Run], recipe: Path, texts: Path, arguments: list[str], code: int, message: str
) -> None:
    done = run("label", recipe, texts, *arguments)
    assert (done.code, message in done.err) == (code, True), done.err
    assert len(done.err.strip().splitlines()) <= 3
