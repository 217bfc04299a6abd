"""`copydesk check`: the ML Test Score of a model, by checks that are executed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import DataPath, Debug, Json, ModelPath, Quiet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    model: ModelPath,
    data: DataPath = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write checks.json, checks.html and badge.svg.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="SECTION|ID", help="Only these checks (repeatable).")
    ] = None,
    manual: Annotated[
        Path | None, typer.Option("--manual", metavar="FILE", help="Limits and signed notes; default: checks.yaml.")
    ] = None,
    feedback: Annotated[
        Path | None,
        typer.Option("--feedback", metavar="FILE", help="Corrections; default: serving/feedback.jsonl."),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", metavar="X", help="Exit with 1 if the score is lower.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run the 28 checks of the ML Test Score on a model; the last line is the score."""
    from datetime import UTC, datetime

    from copydesk.checks.report import write_report
    from copydesk.checks.run import run_checks
    from copydesk.checks.settings import FILE, CheckSettings, load_settings
    from copydesk.checks.subject import FEEDBACK, Subject
    from copydesk.checks.table import CHECKS, chosen
    from copydesk.cli import console
    from copydesk.cli.check_table import check_table
    from copydesk.files import refuse_existing
    from copydesk.runtime.engine import Classifier

    if report is not None:
        refuse_existing(report)
    now = datetime.now(UTC)
    chosen(only or [])
    notes = manual or (Path(FILE) if Path(FILE).is_file() else None)
    settings = load_settings(notes, known=list(CHECKS), today=now.date()) if notes else CheckSettings()
    progress = console.listener(quiet=quiet or json)
    subject = Subject(
        Classifier.load(model),
        data=data,
        feedback=feedback or FEEDBACK,
        settings=settings,
        now=now,
        progress=progress,
    )
    checked = run_checks(subject, only=only or [])
    if report is not None:
        write_report(checked, report)
    if json:
        console.print_json(checked.to_json())
    else:
        if not quiet:
            console.out.print(check_table(checked))
        told = f"ML Test Score: {checked.score.value:g} ({checked.score.meaning})"
        console.out.print(told + (f"  report: {report}" if report else ""), markup=False)
    if min_score is not None and checked.score.value < min_score:
        raise typer.Exit(1)
