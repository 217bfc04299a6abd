"""Texts nobody writes on purpose, or only to do harm: an answer or a clear error, and the neighbours' answers stay."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from copydesk.cli import main as cli
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.recipe import Recipe, parse_recipe
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from fakes import toy_rows

PLAIN = [text for text, _ in toy_rows(12)]
HOSTILE = {
    "empty": "",
    "blank": " \t\u2003 ",
    "a megabyte of one letter": "x" * 1_000_000,
    "a megabyte of spaces": " " * 1_000_000,
    "a megabyte of backslashes": "\\" * 1_000_000,
    "many accents on one letter": "e" + "\u0301" * 100_000,
    "lone surrogates": "goal \ud83d bank \udc00",
    "nothing but lone surrogates": "\ud800" * 1_000,
    "NULs": "\x00" * 100 + "goal\x00match",
    "right to left": "مرحبا بالعالم \u202e goal \u202c",
    "emoji sequences": "👩‍👩‍👧‍👦" * 50 + "🏳️‍🌈",
    "only unknown tokens": "ѫѯѱ ѵѷ ҂",
    "column separators": COLUMN_SEPARATOR * 10_000,
    "columns that were not asked for": f"goal{COLUMN_SEPARATOR}bank{COLUMN_SEPARATOR * 3}",
    "special tokens": "[SEP] [CLS] [MASK] [PAD] [UNK] </s> <s> <pad>",
    "no characters": "\ue000\U0010ffff\ufffe\uffff\u200b\ufeff",
    "escapes": "\\ud83d" * 100 + "\\n\\u00",
    "a character's number with many digits": "&#" + "1" * 5_000 + ";",
}
KINDS = ("linear", "keywords", "fp32", "int8")


@pytest.fixture(scope="module")
def bundles(
    encoder_bundles: dict[str, Path], toy_csv: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "words.yaml").write_text("en: {money: [bank, loan], sport: [goal, match]}", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        for kind in ("linear", "keywords"):
            model = {"kind": kind, "keywords": str(folder / "words.yaml")}
            train_bundle(parse_recipe({"name": "toy", "model": model}), data=toy_csv, out=folder / kind)
    return {kind: encoder_bundles.get(kind, folder / kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", ["as trained", "none"])
def test_every_text_gets_an_answer_and_changes_no_neighbours(bundles: dict[str, Path], kind: str, steps: str) -> None:
    classifier = Classifier.load(bundles[kind])
    if steps == "none":
        classifier.settings = replace(classifier.settings, normalise=())
    before = classifier.scores(PLAIN)
    mixed = [*PLAIN[:6], *HOSTILE.values(), *PLAIN[6:]]
    scores = classifier.scores(mixed)
    assert np.isfinite(scores).all()
    assert scores.sum(axis=1) == pytest.approx(1.0)
    neighbours = np.concatenate([scores[:6], scores[-6:]])
    assert neighbours == pytest.approx(before, abs=2e-3)
    assert (neighbours.argmax(axis=1) == before.argmax(axis=1)).all()
    answers = classifier.predict(list(HOSTILE.values()), scores=True)
    assert all(json.dumps(answer.to_json(), allow_nan=False) for answer in answers)


@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_standard_input_are_answered_one_by_one(
    bundles: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are no UTF-8 arrive as lone surrogates, as Python reads them."""
    lines = [text for text in HOSTILE.values() if len(text.splitlines()) < 2 and len(text) < 10_000]
    content = "\n".join([PLAIN[0], *lines, PLAIN[1]]).encode("utf-8", "surrogatepass") + b"\n\xff\xfe\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8", "surrogateescape", newline="\n"))
    monkeypatch.setattr(sys, "argv", ["copydesk", "predict", str(bundles[kind]), "--stdin", "--json"])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    out = capsys.readouterr().out
    assert not exit_.value.code
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == len(lines) + 3
    alone = Classifier.load(bundles[kind]).predict([PLAIN[0], PLAIN[1]])
    assert [answers[0]["label"], answers[-2]["label"]] == [one.label for one in alone]


def test_two_text_columns_take_them_too(toy_recipe: Recipe, toy_csv: Path, tmp_path: Path) -> None:
    classifier = Classifier.load(train_bundle(toy_recipe, data=toy_csv, out=tmp_path / "b").path)
    classifier.settings = replace(classifier.settings, text=("title", "body"))
    for text in HOSTILE.values():
        (answer,) = classifier.predict([{"title": text, "body": "goal match"}])
        assert answer.label in classifier.labels
