"""One text, one answer: whoever asks, in whatever order and company. What else answers belongs into `DECISIONS` too."""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

import copydesk
from copydesk.cli import main as cli
from copydesk.evaluate import evaluate
from copydesk.pair import pair_bundles
from copydesk.recipe import override
from copydesk.runtime.engine import Classifier
from copydesk.score.run import score
from copydesk.training import train_bundle
from fakes import toy_rows
from serving import served

ROWS = toy_rows(1_000, seed=11)
TEXTS = [text for text, _ in ROWS]


@pytest.fixture(params=["linear", "torch", "fp32", "int8", "cascade"])
def bundle(
    request: pytest.FixtureRequest,
    encoder_bundles: dict[str, Path],
    toy_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    if request.param in encoder_bundles:
        return encoder_bundles[request.param]
    encoder = Classifier.load(encoder_bundles["int8"])
    recipe = override(encoder.recipe, {"model.kind": "linear", "runtime.max_drop": 0.3})
    linear = train_bundle(recipe, data=toy_csv, out=tmp_path / "linear")
    if request.param == "linear":
        return linear.path
    monkeypatch.setattr("copydesk.cascade.build.MOST_TIME", 99)  # so small an encoder is as fast
    cascade = override(recipe, {"model.kind": "cascade"})
    both = pair_bundles(cascade, Classifier.of(linear), encoder, data=toy_csv, out=tmp_path / "cascade")
    assert {answer.stage for answer in Classifier.of(both).predict(TEXTS)} == {"linear", "encoder"}
    return both.path


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


def _file(bundle: Path) -> list[str | None]:
    with tempfile.TemporaryDirectory() as folder:
        rows, out = Path(folder) / "rows.csv", Path(folder) / "out.parquet"
        pl.DataFrame({"text": TEXTS}).write_csv(rows)
        score(Classifier.load(bundle), str(rows), str(out))
        return pl.read_parquet(out)["label"].to_list()


def _http(bundle: Path) -> list[str | None]:
    """Some texts a request, and several requests at once."""
    asked, start = [], 0
    while start < len(TEXTS):
        asked.append(TEXTS[start : start + 1 + len(asked) % 61])
        start += len(asked[-1])
    with served(Classifier.load(bundle)) as client, ThreadPoolExecutor(4) as clients:
        answers = clients.map(lambda texts: client.post("/v1/classify", json={"texts": texts}).json(), asked)
        return [one["label"] for answer in answers for one in answer["predictions"]]


DECISIONS: dict[str, Callable[[Path], list[str | None]]] = {
    "another order": _other_order,
    "other batches": _other_batches,
    "copydesk predict --stdin": _command,
    "copydesk score": _file,
    "POST /v1/classify": _http,
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
        if decisions is _http and bundle.name == "torch":
            continue  # what needs torch is not served
        assert decisions(bundle) == decided, way
