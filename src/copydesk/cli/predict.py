"""`copydesk predict`: answers for texts from the command line or standard input."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from copydesk.cli.options import Debug, Json, ModelPath, Quiet

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
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Classify texts: one line per text, `label<TAB>score<TAB>text`, or one JSON object per line."""
    from copydesk.cli import console
    from copydesk.errors import UsageError
    from copydesk.runtime.engine import Classifier

    if stdin == bool(texts):
        raise UsageError("Give texts to classify, or --stdin to read one per line (not both).")
    classifier = Classifier.load(model)
    columns = len(classifier.settings.text)
    lines = (line.rstrip("\r\n") for line in sys.stdin) if stdin else iter(texts or [])
    for batch in _batches(lines):
        answers = classifier.predict(
            [line.split("\t", columns - 1) if columns > 1 else line for line in batch], scores=scores
        )
        for line, answer in zip(batch, answers, strict=True):
            if json:
                console.print_json(answer.to_json())
                continue
            every = "".join(f"\t{label}={score:.4f}" for label, score in (answer.scores or {}).items())
            typer.echo(f"{answer.label}\t{answer.score:.4f}{every}" + ("" if quiet else f"\t{line}"))


def _batches(lines: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(lines, _LINES_AT_ONCE)):
        yield batch
