"""The five shipped recipes as commands, from raw rows to answers, on small data and with a tiny encoder."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copydesk.data.sample import headlines
from copydesk.recipe import shipped_recipe
from fakes import COMMON, MONEY, SPORT, toy_rows, write_csv

pytestmark = pytest.mark.e2e


def _clickbait(folder: Path) -> list[str]:
    return ["--data", str(write_csv(folder / "headlines.csv", headlines(300)))]


def _restaurant(folder: Path) -> list[str]:
    rows = ["Review\tLiked", *(f'{text} "so\t{int(label == "sport")}' for text, label in toy_rows(200))]
    (folder / "reviews.tsv").write_text("\n".join(rows), "utf-8")
    return ["--data", str(folder / "reviews.tsv")]


def _tweets(folder: Path) -> list[str]:
    chance = random.Random(3)
    words = (("awful", "sad", "worst"), ("so", "it", "is"), ("great", "happy", "love"))
    rows = {" ".join(chance.sample([*words[n % 3], *COMMON], 8)) + f" {words[n % 3][0]}": n % 3 for n in range(240)}
    return ["--data", str(write_csv(folder / "tweets.csv", [(text, str(label)) for text, label in rows.items()]))]


def _arxiv(folder: Path) -> list[str]:
    chance = random.Random(4)
    with (folder / "arxiv.json").open("w", encoding="utf-8") as file:
        for number in range(240):
            codes = [["q-alg"], ["cs.IT", "q-alg"], ["math.IT"]][number % 3]  # legacy and alias codes
            words = [word for code in codes for word in (SPORT if code == "q-alg" else MONEY)[:4]]
            abstract = " ".join(chance.sample([*words, *COMMON], 12))
            row = {"title": f"On {words[0]} {number}", "abstract": abstract, "categories": " ".join(codes)}
            file.write(json.dumps(row) + "\n")
    return ["--data", str(folder / "arxiv.json")]


def _signals(folder: Path) -> list[str]:
    return ["--data", str(shipped_recipe("signals").parent / "samples/signals.jsonl")]


CASES: dict[str, tuple[Callable[[Path], list[str]], set[str]]] = {
    "clickbait": (_clickbait, {"accuracy", "macro_f1", "macro_recall"}),
    "restaurant": (_restaurant, {"accuracy", "macro_f1"}),
    "tweets": (_tweets, {"macro_recall"}),
    "arxiv": (_arxiv, {"micro_f1", "macro_f1", "samples_f1", "subset_accuracy", "hamming"}),
    "signals": (_signals, {"score_mae", "sign_accuracy", "tag_f1", "macro_f1"}),
}
LABELS = {
    "clickbait": {"clickbait", "news"},
    "restaurant": {"0", "1"},
    "tweets": {"negative", "neutral", "positive"},
    "arxiv": {"math.QA", "cs.IT"},
}


@pytest.mark.parametrize("name", CASES)
def test_a_shipped_recipe_goes_from_rows_to_answers(name: str, tiny_encoder: Path, tmp_path: Path) -> None:
    make, metrics = CASES[name]
    tiny = ["--set", f"model.encoder={tiny_encoder}", "--set", "train.epochs=2", "--set", "train.learning_rate=0.005"]
    done = _run("train", shipped_recipe(name), *make(tmp_path), *tiny, "--json")
    trained = json.loads(done)
    assert metrics <= trained["report"]["metrics"].keys()
    assert trained["report"]["baseline"]["model"] == "linear"
    if name in LABELS:
        assert set(trained["report"]["per_label"]) == LABELS[name]
    answers = [
        json.loads(line) for line in _run("predict", trained["bundle"], "goal match", "bank", "--json").splitlines()
    ]
    assert len(answers) == 2
    if name == "signals":
        assert [len(answer["signals"]) for answer in answers] == [9, 9]
    elif name == "arxiv":
        assert all(answer["labels"] and set(answer["labels"]) <= LABELS[name] for answer in answers)
    else:
        assert all(answer["label"] in LABELS[name] for answer in answers)


def test_the_three_kinds_of_model_are_compared_on_signals(tiny_encoder: Path, tmp_path: Path) -> None:
    tiny = ["--set", f"model.encoder={tiny_encoder}", "--set", "train.epochs=2"]
    found = json.loads(
        _run(
            "compare",
            shipped_recipe("signals"),
            *_signals(tmp_path),
            "--models",
            "keywords,linear,encoder",
            *tiny,
            "--json",
        )
    )
    assert {entry["model"] for entry in found["models"]} == {"keywords", "linear", "encoder"}
    f1 = [entry["report"]["metrics"]["macro_f1"] for entry in found["models"]]
    assert f1 == sorted(f1, reverse=True)


def _run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "copydesk", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
