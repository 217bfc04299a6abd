"""`copydesk predict`: answers for texts from the command line or standard input."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from copydesk.cli.options import Debug, Json, ModelPath, Quiet, Threshold, Trust, thresholds_of

if TYPE_CHECKING:
    from copydesk.types import Prediction

_LINES_AT_ONCE = 1_024


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict")(predict)


def predict(
    model: ModelPath,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT...", help="The texts; columns parted by a tab.")
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read one text per line from standard input.")] = False,
    scores: Annotated[bool, typer.Option("--scores", help="Give every label's score.")] = False,
    threshold: Threshold = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Classify texts: one line per text, the answer and the text parted by tabs, or one JSON object per line."""
    from copydesk.cli import console
    from copydesk.errors import UsageError
    from copydesk.runtime.fallback import load_model

    if stdin == bool(texts):
        raise UsageError("Give texts to classify, or --stdin to read one per line (not both).")
    classifier = load_model(model)
    for note in classifier.notes:
        console.listener(quiet=True).warn(note)
    thresholds = thresholds_of(threshold, classifier.labels)
    columns = len(classifier.settings.text)
    lines = (line.rstrip("\r\n") for line in sys.stdin) if stdin else iter(texts or [])
    for batch in _batches(lines):
        answers = classifier.predict([_columns(line, columns) for line in batch], scores=scores, thresholds=thresholds)
        for line, answer in zip(batch, answers, strict=True):
            if json:
                console.print_json(answer.to_json())
                continue
            every = "".join(f"\t{label}={score:.4f}" for label, score in (answer.scores or {}).items())
            typer.echo(f"{_answer(answer)}{every}" + ("" if quiet else f"\t{line}"))


def _columns(line: str, count: int) -> str | list[str]:
    """Return a line's text columns; those it does not have are empty."""
    if count == 1:
        return line
    parts = line.split("\t", count - 1)
    return parts + [""] * (count - len(parts))


def _answer(answer: Prediction) -> str:
    """Return how a line begins: label and score; labels; or the present signals, the strongest first."""
    if answer.labels is not None:
        return " ".join(answer.labels) or "-"
    if answer.signals is not None:
        there = sorted((signal for signal in answer.signals if signal.present), key=lambda signal: -abs(signal.score))
        return ", ".join(f"{s.category}{f':{s.tag}' if s.tag else ''} {s.score:+.2f}" for s in there) or "-"
    return f"{answer.label or '-'}\t{answer.score:.4f}"


def _batches(lines: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(lines, _LINES_AT_ONCE)):
        yield batch
