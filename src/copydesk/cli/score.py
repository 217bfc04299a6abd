"""`copydesk score`: answers for files of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from copydesk.cli.options import Debug, Json, ModelPath, Quiet, TextColumns, Threshold, Trust, thresholds_of

if TYPE_CHECKING:
    from copydesk.score.run import Outcome


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score")(score)


def score(
    model: ModelPath,
    source: Annotated[
        str, typer.Argument(metavar="IN", help="CSV, TSV, JSONL, Parquet: a file, folder, glob or address.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="A folder of Parquet parts, or one file NAME.parquet.")],
    text: TextColumns = None,
    scores: Annotated[bool, typer.Option("--scores", help="Give every label's score.")] = False,
    threshold: Threshold = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="local|ray", help="Where: on this machine, or on a Ray cluster.")
    ] = "local",
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Classify every row of files of any size into Parquet; interrupted, the same command goes on."""
    from copydesk.cli import console
    from copydesk.runtime.fallback import load_model
    from copydesk.score.run import score as run

    classifier = load_model(model)
    done = run(
        classifier,
        source,
        out,
        text=text,
        scores=scores,
        thresholds=thresholds_of(threshold, classifier.labels),
        engine=engine,
        progress=console.listener(quiet=quiet or json),
    )
    if json:
        console.print_json(done.to_json())
        return
    if not quiet:
        console.out.print(_account(done), markup=False)
    console.out.print(f"scored: {done.out}", markup=False)


def _account(done: Outcome) -> str:
    if done.done_before == done.rows:
        return f"Done already: all {done.rows:,} rows are scored."
    errors = "".join(f", {count:,} without an answer ({reason})" for reason, count in sorted(done.errors.items()))
    return f"{done.rows:,} rows{errors}; {done.computed:,} different texts."
