"""The command line as a user meets it: right and wrong use, what is printed where, and the exit code."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from copydesk import __version__
from copydesk.cli import demo
from copydesk.cli import main as cli
from copydesk.data.review_file import Header, Item, Review, write_review
from copydesk.review.server import ReviewServer
from fakes import toy_rows, write_csv
from gdelt_server import copies_of, made_up_articles, serve

RECIPE = "name: toy\nmodel: {kind: linear}\n"


class Run:
    """What one call printed and returned."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    def call(*arguments: str | Path, stdin: str = "") -> Run:
        monkeypatch.setattr(sys, "argv", ["copydesk", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return Run(int(exit_.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(RECIPE)
    return tmp_path / "toy.yaml"


@pytest.fixture
def bundle(run: Callable[..., Run], recipe: Path, toy_csv: Path) -> str:
    return run("train", recipe, "--data", toy_csv, "--quiet").out.strip().removeprefix("bundle: ")


def test_every_command_is_there_once() -> None:
    names = [command.name for command in cli.app.registered_commands]
    assert sorted(names) == sorted(set(names))


def test_train_ends_with_the_bundles_folder(run: Callable[..., Run], recipe: Path, toy_csv: Path) -> None:
    done = run("train", recipe, "--data", toy_csv)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "bundle: bundles/toy-1"
    assert "accuracy" in done.out
    assert "fitting the linear model" in done.err


def test_train_can_answer_in_json(run: Callable[..., Run], recipe: Path, toy_csv: Path) -> None:
    done = run("train", recipe, "--data", toy_csv, "--out", "b", "--json")
    value = json.loads(done.out)
    assert value["bundle"] == "b"
    assert value["report"]["metrics"]["accuracy"] > 0.9


def test_columns_can_be_named_on_the_command_line(run: Callable[..., Run], recipe: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "other.csv", toy_rows(), ("Review", "Liked"))
    assert run("train", recipe, "--data", data).code == 1
    assert run("train", recipe, "--data", data, "--text", "Review", "--label", "Liked").code == 0


def test_score_ends_with_the_outputs_name_and_goes_on_where_it_was(
    run: Callable[..., Run], bundle: str, toy_csv: Path, tmp_path: Path
) -> None:
    done = run("score", bundle, toy_csv, "answers.parquet", "--scores")
    assert (done.code, done.out.splitlines()) == (0, ["240 rows; 240 different texts.", "scored: answers.parquet"])
    assert "WARNING: The input has a column 'label' already" in done.err and "scoring: 240 texts in" in done.err
    frame = pl.read_parquet("answers.parquet")
    assert (frame["label"] == frame["predicted_label"]).mean() > 0.9
    again = run("score", bundle, toy_csv, "answers.parquet", "--scores", "--json")
    assert json.loads(again.out) == {
        "out": "answers.parquet",
        "rows": 240,
        "errors": {},
        "computed": 240,
        "done_before": 240,
    }
    assert "Done already" in run("score", bundle, toy_csv, "answers.parquet", "--scores").out
    refused = run("score", bundle, toy_csv, "answers.parquet")
    assert refused.code == 2 and "--scores is off, it was on" in refused.err


def test_predict_prints_a_line_per_text(run: Callable[..., Run], bundle: str) -> None:
    done = run("predict", bundle, "striker penalty goal", "bank loan profit")
    assert [line.split("\t")[0] for line in done.out.splitlines()] == ["sport", "money"]
    assert "striker penalty goal" in done.out


def test_predict_prints_json_lines_with_scores_on_request(run: Callable[..., Run], bundle: str) -> None:
    value = json.loads(run("predict", bundle, "striker penalty goal", "--json").out)
    assert set(value) == {"label", "score"}
    value = json.loads(run("predict", bundle, "striker penalty goal", "--json", "--scores").out)
    assert sum(value["scores"].values()) == pytest.approx(1.0)
    assert "money=" in run("predict", bundle, "striker", "--scores").out


def test_predict_reads_standard_input(run: Callable[..., Run], bundle: str) -> None:
    done = run("predict", bundle, "--stdin", "--quiet", stdin="goal match\n\nbank loan\n")
    assert [line.split("\t")[0] for line in done.out.splitlines()][::2] == ["sport", "money"]


def test_predict_takes_texts_or_standard_input_but_not_both(run: Callable[..., Run], bundle: str) -> None:
    assert run("predict", bundle).code == 2
    assert run("predict", bundle, "goal", "--stdin").code == 2


def test_two_text_columns_are_parted_by_a_tab(run: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text("name: two\ntext: [title, body]\nmodel: {kind: linear}\n")
    rows = [(text[:20], text[20:], label) for text, label in toy_rows()]
    data = write_csv(tmp_path / "two.csv", rows, ("title", "body", "label"))
    assert run("train", "two.yaml", "--data", data, "--out", "two").code == 0
    done = run("predict", "two", "goal match\tstriker penalty\tand a tab")
    assert done.out.startswith("sport\t")


def test_evaluate_measures_every_row_of_a_file(run: Callable[..., Run], bundle: str, toy_csv: Path) -> None:
    value = json.loads(run("evaluate", bundle, toy_csv, "--json").out)
    assert value["n"] == 240
    assert value["metrics"]["accuracy"] > 0.9
    plain = run("evaluate", bundle, toy_csv, "--report", "measured")
    assert "accuracy" in plain.out
    assert json.loads(Path("measured/report.json").read_text())["n"] == 240
    assert Path("measured/report.html").read_text().startswith("<!")
    assert Path("measured/labels.csv").read_text().startswith("label,precision,recall,f1,support\nmoney,")
    assert Path("measured/calibration.csv").read_text().startswith("score,accuracy,n\n0.")


def test_evaluate_goes_by_the_slices_of_a_recipe_that_is_given(
    run: Callable[..., Run], bundle: str, toy_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text("name: toy\nevaluate: {slices: {goals: {words: [goal]}}}\n")
    value = json.loads(run("evaluate", bundle, toy_csv, "--recipe", "other.yaml", "--json").out)
    assert "rule: goals" in [one["name"] for one in value["slices"]]
    (tmp_path / "multi.yaml").write_text("name: toy\ntask: multi\n")
    done = run("evaluate", bundle, toy_csv, "--recipe", "multi.yaml")
    assert done.code == 2 and "is for task 'multi', the model's is 'single'" in done.err


def test_evaluate_measures_the_test_part_of_a_dataset(
    run: Callable[..., Run], bundle: str, recipe: Path, toy_csv: Path
) -> None:
    assert run("prepare", recipe, "--data", toy_csv, "--out", "set", "--quiet").out == "dataset: set\n"
    assert json.loads(run("evaluate", bundle, "set", "--json").out)["n"] == 24


def test_evaluate_counts_the_rows_it_leaves_out(run: Callable[..., Run], bundle: str, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "some.csv", [*toy_rows(10), ("", "sport")])
    done = run("evaluate", bundle, data)
    assert "1 rows left out: empty text (some.csv:11)" in done.err
    assert run("evaluate", bundle, write_csv(tmp_path / "none.csv", [("", "")])).code == 1


def test_evaluate_says_which_labels_people_did_not_give(run: Callable[..., Run], bundle: str, tmp_path: Path) -> None:
    votes = [[{"function": "words", "label": label}] if place else None for place, (_, label) in enumerate(toy_rows(9))]
    rows = [{"text": text, "label": label} for text, label in toy_rows(9)]
    pl.DataFrame(rows).with_columns(pl.Series("votes", votes)).write_parquet(tmp_path / "weak.parquet")
    done = run("evaluate", bundle, tmp_path / "weak.parquet")
    assert done.code == 0 and "8 of 9 test labels are weak" in done.err


def test_evaluate_refuses_labels_the_model_does_not_have(run: Callable[..., Run], bundle: str, tmp_path: Path) -> None:
    done = run("evaluate", bundle, write_csv(tmp_path / "odd.csv", [("goal", "weather")]), "--quiet")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "'weather' is not one of the model's: money, sport" in done.err


def test_prepare_prints_what_it_dropped(run: Callable[..., Run], recipe: Path, tmp_path: Path) -> None:
    rows = [*toy_rows(), ("", "sport"), ("same words", "sport"), ("same words", "money")]
    done = run("prepare", recipe, "--data", write_csv(tmp_path / "raw.csv", rows))
    assert done.code == 0, done.err
    for piece in ("dropped: empty text", "raw.csv:241", "two labels: 'same words'", "dataset: datasets/toy-1"):
        assert piece in done.out
    value = json.loads(run("prepare", recipe, "--data", tmp_path / "raw.csv", "--json").out)
    assert value["manifest"]["dropped"]["empty text"] == 1


def test_describe_writes_a_page_and_says_what_to_know(run: Callable[..., Run], recipe: Path, toy_csv: Path) -> None:
    done = run("describe", recipe, "--data", toy_csv, "--set", "model.encoder=nowhere/at-all")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "description: descriptions/toy-1"
    for piece in (
        "texts",
        "money 120, sport 120",
        "train 192, validation 24, test 24",
        "to know: The test part has 24",
    ):
        assert piece in done.out
    assert Path("descriptions/toy-1/data.html").read_text().startswith("<!")
    again = run("describe", recipe, "--data", toy_csv, "--set", "model.encoder=nowhere/at-all", "--json")
    value = json.loads(again.out)
    assert (value["description"], value["labels"]["counts"]["money"]) == ("descriptions/toy-2", 120)
    assert value["findings"] == json.loads(Path("descriptions/toy-1/data.json").read_text())["findings"]
    assert run("describe", recipe, "--data", toy_csv, "--report", "descriptions/toy-1").code == 2


def test_describe_takes_a_file_or_a_dataset_without_a_recipe(
    run: Callable[..., Run], recipe: Path, toy_csv: Path
) -> None:
    quiet = ("--set", "model.encoder=nowhere/at-all", "--quiet")
    assert run("describe", toy_csv, *quiet).out == "description: descriptions/toy-1\n"
    run("prepare", recipe, "--data", toy_csv, "--out", "set", "--quiet")
    assert run("describe", "set", *quiet).out == "description: descriptions/toy-2\n"
    assert run("describe", recipe, "--data", "set", *quiet).out == "description: descriptions/toy-3\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.csv"], 2, "Data 'nowhere.csv' does not exist"),
        (["nowhere.yaml"], 2, "Recipe 'nowhere.yaml' does not exist"),
        (["."], 2, "is a folder without a Dataset in it"),
        (["toy.csv", "--data", "toy.csv"], 2, "--data needs a recipe before it"),
        (["toy.csv", "--text", "headline"], 1, "Column 'headline' is missing; the data has: text, label"),
        (["toy.csv", "--label", "kind"], 1, "Column 'kind' is missing"),
        (["toy.csv", "--task", "both"], 2, "task: 'both' is not valid"),
        (["toy.yaml"], 2, "has no source"),
    ],
)
def test_describe_refuses_in_one_line(
    run: Callable[..., Run], recipe: Path, arguments: list[str], code: int, message: str
) -> None:
    write_csv(Path("toy.csv"), toy_rows(20))
    done = run("describe", *arguments, "--quiet")
    assert (done.code, done.err.count("\n")) == (code, 1), done.err
    assert message in done.err
    assert not Path("descriptions").exists()


def test_label_errors_are_found_reviewed_and_put_right(run: Callable[..., Run], recipe: Path, tmp_path: Path) -> None:
    rows = toy_rows()
    right, (text, label) = rows[100][1], rows[100]
    rows[100] = (text, "money" if label == "sport" else "sport")
    data = write_csv(tmp_path / "raw.csv", rows)
    done = run("prepare", recipe, "--data", data, "--find-label-errors", "--also", "uncertain")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[-2:] == ["review: reviews/toy-1.jsonl", "dataset: datasets/toy-1"]
    start = next(number for number, line in enumerate(lines) if line.startswith("To review: "))
    assert " label error, " in lines[start] and len(lines) == start + 13
    assert any(f"{rows[100][1]} → {right}  raw.csv:101  {text[:60]}" in line for line in lines)
    header, *items = [json.loads(line) for line in Path("reviews/toy-1.jsonl").read_text("utf-8").splitlines()]
    decided = [{**item, "decision": "accept"} if item["text"] == text else item for item in items]
    Path("done.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (header, *decided)), "utf-8")
    again = json.loads(
        run("prepare", recipe, "--data", data, "--reviewed", "done.jsonl", "--find-label-errors", "--json").out
    )
    assert again["manifest"]["reviewed"]["labels_changed"] == 1
    assert again["review"] == "reviews/toy-2.jsonl" and sum(again["doubts"].values()) < len(items)
    assert text not in Path("reviews/toy-2.jsonl").read_text("utf-8")


def test_wrong_use_of_the_search_for_label_errors_is_explained_and_nothing_written(
    run: Callable[..., Run], recipe: Path, toy_csv: Path
) -> None:
    done = run("prepare", recipe, "--data", toy_csv, "--also", "outlier")
    assert (done.code, done.err.count("\n")) == (2, 1) and "belong to --find-label-errors" in done.err
    done = run("prepare", recipe, "--data", toy_csv, "--find-label-errors", "--also", "duplicates")
    assert done.code == 2 and "--also 'duplicates' is none of language, outlier, uncertain" in done.err
    done = run("prepare", recipe, "--data", toy_csv, "--reviewed", "nothing.jsonl")
    assert done.code == 1 and "nothing.jsonl' cannot be read" in done.err
    done = run("prepare", recipe, "--data", toy_csv, "--find-label-errors", "--review-out", recipe)
    assert done.code == 2 and "exists already" in done.err
    assert not Path("datasets").exists() and not Path("reviews").exists()


def test_compare_prints_a_leaderboard(run: Callable[..., Run], recipe: Path, toy_csv: Path) -> None:
    done = run("compare", recipe, "--data", toy_csv, "--models", "linear")
    assert done.code == 0, done.err
    assert "texts/s" in done.out and "linear: bundles/toy-compare-1/linear" in done.out
    value = json.loads(run("compare", recipe, "--data", toy_csv, "--models", "linear", "--json").out)
    assert [row["model"] for row in value["models"]] == ["linear"]
    wrong = run("compare", recipe, "--models", "linear,quantum")
    assert wrong.code == 2 and "choose from linear, encoder" in wrong.err


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_need_no_model_library(option: str) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['copydesk', {option!r}]\n"
        "from copydesk.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as done:\n"
        "    assert not done.code\n"
        "heavy = {'torch', 'transformers', 'polars', 'sklearn', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("train" in done.stdout) if option == "--help" else (__version__ in done.stdout)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "missing.yaml"], 2, "Recipe 'missing.yaml' does not exist. Recipes at hand: toy.yaml"),
        (["train", "toy.yaml"], 2, "Recipe 'toy' has no source"),
        (["train", "toy.yaml", "--data", "missing.csv"], 2, "Data 'missing.csv' does not exist"),
        (["train", "toy.yaml", "--data", "bad.csv"], 1, "Column 'text' is missing; the data has: a, b"),
        (["train", "toy.yaml", "--set", "train.epoch=3"], 2, "Did you mean 'epochs'"),
        (["train", "toy.yaml", "--set", "nonsense"], 2, "is not KEY=VALUE"),
        (["train", "toy.yaml", "--data", "bad.csv", "--out", "."], 2, "Output '.' exists already"),
        (["predict", "nothing", "text"], 2, "Bundle 'nothing' does not exist"),
        (["predict", ".", "text"], 1, "manifest.json is missing"),
        (["evaluate", "nothing", "bad.csv"], 2, "Bundle 'nothing' does not exist"),
        (["train", "toy.yaml", "--data", "latin.csv"], 1, "not UTF-8: byte 0xe9 in line 2"),
    ],
)
def test_wrong_input_is_told_in_a_line_with_the_right_exit_code(
    run: Callable[..., Run], recipe: Path, arguments: list[str], code: int, message: str
) -> None:
    Path("bad.csv").write_text("a,b\n1,2\n")
    Path("latin.csv").write_bytes(b"text,label\ncaf\xe9,x\n")
    done = run(*arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err
    assert not Path("bundles").exists()


def test_an_unknown_option_is_wrong_usage(run: Callable[..., Run], recipe: Path) -> None:
    assert run("train", recipe, "--dta", "x").code == 2


def test_debug_shows_the_traceback(run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    from copydesk.errors import RecipeError

    monkeypatch.setattr(sys, "argv", ["copydesk", "train", "missing.yaml", "--debug"])
    with pytest.raises(RecipeError):
        cli.main()


def test_a_data_file_with_one_class_is_refused(run: Callable[..., Run], recipe: Path, tmp_path: Path) -> None:
    done = run("train", recipe, "--data", write_csv(tmp_path / "one.csv", [(f"text {n} x", "a") for n in range(9)]))
    assert done.code == 1
    assert "All 9 rows have the label 'a'" in done.err


def test_memory_that_runs_out_is_told(
    run: Callable[..., Run], recipe: Path, toy_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*args: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("copydesk.training.train_bundle", exhausted)
    done = run("train", recipe, "--data", toy_csv)
    assert done.code == 1 and "Out of memory" in done.err


@pytest.mark.e2e
def test_control_c_leaves_nothing_behind_and_exits_with_130(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "slow.yaml").write_text(
        f"name: slow\nmodel: {{encoder: '{tiny_encoder}', max_tokens: 32}}\ntrain: {{epochs: 10000, early_stop: 0}}\n"
    )
    write_csv(tmp_path / "toy.csv", toy_rows())
    command = [sys.executable, "-m", "copydesk", "train", "slow.yaml", "--data", "toy.csv", "--out", "out/slow"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "frozen_layers" in line:
            break
    time.sleep(1)  # into the training itself
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. Nothing half-written was left behind." in rest
    assert "Traceback" not in rest
    left = {path.name for path in (tmp_path / "out").iterdir()} if (tmp_path / "out").exists() else set()
    assert left <= {".slow.training"}  # checkpoints, if one was written


def test_a_parquet_with_fifty_thousand_labels_is_refused(run: Callable[..., Run], recipe: Path) -> None:
    numbers = range(50_000)
    pl.DataFrame({"text": [f"row {n}" for n in numbers], "label": list(numbers)}).write_parquet("many.parquet")
    done = run("train", recipe, "--data", "many.parquet")
    assert done.code == 1
    assert "50,000 distinct labels, more than prepare.max_labels (1,000)" in done.err


@pytest.fixture
def news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("COPYDESK_ALLOW_PRIVATE_HOSTS", "1")
    articles = made_up_articles(40)
    with serve([*articles, *copies_of(articles[:6])]) as server:
        (tmp_path / "news.yaml").write_text(
            "name: news\nsource:\n  gdelt: {query: storm, since: 2026-01-01, until: 2026-01-15,\n"
            f"    seconds_per_request: 0, endpoint: '{server.url}'}}\n"
        )
        yield tmp_path / "news.yaml"


def test_collect_ends_with_the_raw_file_and_says_what_was_dropped(run: Callable[..., Run], news: Path) -> None:
    done = run("collect", news)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "raw: raw/news-1.parquet"
    table = " ".join(done.out.split())
    assert "articles from GDELT 46" in table and "dropped: same address -4" in table
    assert "dropped: same title on another site -2" in table and "rows in the file 40" in table
    assert "14 windows of time" in table
    assert "asking GDELT for storm" in done.err and "collecting: 336 hours" in done.err


def test_collect_can_be_quiet_and_answer_in_json(run: Callable[..., Run], news: Path) -> None:
    assert run("collect", news, "--out", "a.parquet", "--quiet").out == "raw: a.parquet\n"
    done = run("collect", news, "--out", "b.parquet", "--json", "--set", "source.gdelt.countries=Sweden")
    value = json.loads(done.out)
    assert (value["raw"], value["made_by"], value["sources"][0]["gdelt"]["countries"]) == (
        "b.parquet",
        "collect",
        ["Sweden"],
    )
    assert value["counts"]["rows"] == pl.read_parquet("b.parquet").height
    assert done.err == ""


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--set", "source.gdelt.until=2025-01-01"], 2, "since (2026-01-01 00:00) is not before until (2025-01-01"),
        (["--set", "source.gdelt.querry=x"], 2, "Did you mean 'query'?"),
        (["--set", "source.gdelt.countries=SE"], 2, "'SE' is a code"),
        (["--set", "source.gdelt.countries=Atlantis"], 1, '"Invalid/Unsupported Country."'),
        (["--set", "source.gdelt.query=x"], 1, '"Your query was too short or too long."'),
        (["--set", "source.gdelt.query=nothinglikethis"], 1, "GDELT has no article for nothinglikethis"),
        (["--set", "source.gdelt.endpoint=http://127.0.0.1:1/"], 1, "cannot be reached: nobody listens there"),
        (["--out", "news.csv"], 2, "will be a Parquet file"),
    ],
)
def test_wrong_use_of_collect_is_told_in_a_line(
    run: Callable[..., Run], news: Path, options: list[str], code: int, message: str
) -> None:
    done = run("collect", news, *options)
    assert (done.code, done.out) == (code, "")
    assert message in done.err and "Traceback" not in done.err
    assert list(news.parent.glob("**/*.parquet*")) == []


@pytest.fixture
def review_file(tmp_path: Path) -> Path:
    header = Header("single", ("bad", "good"), recipe="toy")
    items = (Item("a", "one", "bad", decision="keep"), Item("b", "two", "bad", decision="skip"))
    write_review(tmp_path / "doubts.jsonl", Review(header, items))
    return tmp_path / "doubts.jsonl"


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C as soon as the page is served."""

    def serve(server: ReviewServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ReviewServer, "serve_forever", serve)


@pytest.mark.usefixtures("interrupted")
def test_review_ends_with_how_many_were_decided_and_the_next_command(
    run: Callable[..., Run], review_file: Path, recipe: Path
) -> None:
    done = run("review", review_file, "--no-browser", "--port", "0")
    assert done.code == 0, done.err
    assert done.out == "1 of 2 texts decided. Next: copydesk prepare RECIPE --reviewed doubts.jsonl\n"
    assert "doubts.jsonl: 2 texts at http://127.0.0.1:" in done.err
    value = json.loads(run("review", "doubts.jsonl", "--no-browser", "--recipe", recipe, "--json").out)
    assert (value["decided"], value["skipped"], value["texts"]) == (1, 1, 2)
    assert value["next"] == f"copydesk prepare {recipe} --reviewed doubts.jsonl"


@pytest.mark.usefixtures("interrupted")
def test_the_review_of_a_queue_leads_to_retraining(run: Callable[..., Run], tmp_path: Path) -> None:
    item = Item("a", "one", None, decision="change", new_label="bad", prediction="1.00000001")
    write_review(tmp_path / "queue.jsonl", Review(Header("single", ("bad", "good")), (item,)))
    done = run("review", "queue.jsonl", "--no-browser", "--port", "0")
    assert done.out == "1 of 1 texts decided. Next: copydesk retrain RECIPE --review queue.jsonl\n"


@pytest.mark.usefixtures("interrupted")
def test_review_opens_the_browser_with_its_address(
    run: Callable[..., Run], review_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    done = run("review", review_file, "--port", "0", "--quiet")
    assert opened == [done.err.split()[-1]]


@pytest.mark.usefixtures("interrupted")
def test_review_takes_a_labelled_raw_table(run: Callable[..., Run], recipe: Path) -> None:
    votes = [
        [{"function": "f", "label": "bad"}, {"function": "g", "label": "good"}],
        [{"function": "f", "label": "bad"}],
    ]
    pl.DataFrame({"text": ["one", "two"], "label": ["bad", "bad"], "votes": votes}).write_parquet("toy-1.parquet")
    done = run("review", "toy-1.parquet", "--recipe", recipe, "--no-browser", "--port", "0", "--limit", "1")
    assert done.code == 0, done.err
    next_ = f"copydesk prepare {recipe} --data toy-1.parquet --reviewed toy-1.review.jsonl"
    assert done.out == f"0 of 1 texts decided. Next: {next_}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.jsonl"], 2, "'none.jsonl' does not exist. Give a review file, a labelled raw table, or a Dataset's"),
        (["toy.yaml"], 1, "toy.yaml' is no review file"),
        (["."], 2, "is a folder without a Dataset in it"),
        (["toy.parquet"], 2, "is a raw table. Give the recipe"),
        (["doubts.jsonl", "--port", "70000"], 2, "'--port'"),
    ],
)
def test_review_says_what_is_wrong_with_its_file(
    arguments: list[str], code: int, message: str, run: Callable[..., Run], recipe: Path, review_file: Path
) -> None:
    Path("toy.parquet").touch()
    done = run("review", *arguments, "--no-browser")
    assert done.code == code
    assert message in done.err


@pytest.mark.parametrize(
    ("called", "shown"), [("/x/copydesk/__main__.py", f"{sys.executable} -m copydesk"), ("/x/bin/copydesk",) * 2]
)
def test_the_demo_names_the_program_as_it_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, called: str, shown: str
) -> None:
    monkeypatch.setattr(demo.shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", [called])
    assert demo._program() == shown
