"""One text, one answer: whoever asks, in whatever order and company.

What else answers (score, HTTP) belongs into `DECISIONS` too.
"""

from __future__ import annotations

import io
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import copydesk
from copydesk.cli import main as cli
from copydesk.evaluate import evaluate
from copydesk.recipe import Recipe
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from fakes import toy_rows

ROWS = toy_rows(1_000, seed=11)
TEXTS = [text for text, _ in ROWS]


@pytest.fixture(params=["linear", "torch", "fp32", "int8"])
def bundle(
    request: pytest.FixtureRequest,
    encoder_bundles: dict[str, Path],
    toy_recipe: Recipe,
    toy_csv: Path,
    tmp_path: Path,
) -> Path:
    if request.param == "linear":
        return train_bundle(toy_recipe, data=toy_csv, out=tmp_path / "linear").path
    return encoder_bundles[request.param]


def _python(bundle: Path) -> list[str | None]:
    return [answer.label for answer in copydesk.load(bundle).predict(TEXTS)]


def _other_order(bundle: Path) -> list[str | None]:
    order = random.Random(5).sample(range(len(TEXTS)), len(TEXTS))
    answers = copydesk.load(bundle).predict([TEXTS[place] for place in order])
    return [answer.label for _, answer in sorted(zip(order, answers, strict=True), key=lambda pair: pair[0])]


def _other_batches(bundle: Path) -> list[str | None]:
    """Between long texts, and some at a time, down to one."""
    classifier, found, start = Classifier.load(bundle), [], 0
    while start < len(TEXTS):
        size = 1 + start % 37
        answers = classifier.predict(["goal bank " * 40, *TEXTS[start : start + size], "loan"])
        found += [answer.label for answer in answers[1:-1]]
        start += size
    return found


def _command(bundle: Path) -> list[str | None]:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        out = io.StringIO()
        patch.setattr(sys, "argv", ["copydesk", "predict", str(bundle), "--stdin", "--json"])
        patch.setattr(sys, "stdin", io.StringIO("\n".join(TEXTS)))
        patch.setattr(sys, "stdout", out)
        cli.main()
    return [json.loads(line)["label"] for line in out.getvalue().splitlines()]


DECISIONS: dict[str, Callable[[Path], list[str | None]]] = {
    "another order": _other_order,
    "other batches": _other_batches,
    "copydesk predict --stdin": _command,
}


def test_every_way_to_ask_gives_the_decisions_that_evaluation_measured(bundle: Path) -> None:
    decided = _python(bundle)
    assert len(set(decided)) == 2
    report = evaluate(Classifier.load(bundle), TEXTS, [label for _, label in ROWS])
    assert report.confusion is not None
    names = report.confusion.labels
    counted = Counter(zip((label for _, label in ROWS), decided, strict=True))
    assert report.confusion.counts == [[counted[name, given] for given in names] for name in names]
    assert all(mistake.predicted == decided[TEXTS.index(mistake.text)] for mistake in report.mistakes)
    for way, decisions in DECISIONS.items():
        assert decisions(bundle) == decided, way
