"""`copydesk check`: the ML Test Score of a model, by checks that are executed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from copydesk.cli.options import DataPath, Debug, Json, JudgedBy, ModelPath, Quiet, Trust, recipe_for

if TYPE_CHECKING:
    from copydesk.checks.run import Checked
    from copydesk.checks.settings import CheckSettings
    from copydesk.checks.subject import Subject


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    model: ModelPath,
    data: DataPath = None,
    recipe: JudgedBy = None,
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
        Path | None, typer.Option("--feedback", metavar="FILE", help="Corrections; default: serving/feedback.jsonl.")
    ] = None,
    suggest_augmentation: Annotated[
        Path | None,
        typer.Option(
            "--suggest-augmentation", metavar="FILE", help="Write training rows that would teach failed behaviours."
        ),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", metavar="X", help="Exit with 1 if the score is lower.")
    ] = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run the 28 checks of the ML Test Score on a model; the last line is the score."""
    from copydesk.checks.report import write_report
    from copydesk.checks.run import run_checks
    from copydesk.checks.subject import FEEDBACK, Subject
    from copydesk.checks.table import chosen
    from copydesk.cli import console
    from copydesk.cli.check_table import check_table
    from copydesk.files import refuse_existing
    from copydesk.registry.references import opened
    from copydesk.runtime.engine import Classifier

    for output in (report, suggest_augmentation):
        if output is not None:
            refuse_existing(output)
    chosen(only or [])
    now, settings = _now(), settings_in(manual)
    progress = console.listener(quiet=quiet or json)
    classifier = Classifier.of(opened(model))
    given = recipe_for(classifier, recipe) if recipe else None
    subject = Subject(
        classifier, data, feedback or FEEDBACK, settings=settings, now=now, progress=progress, given=given
    )
    checked = run_checks(subject, only=only or [])
    _attach(subject, checked)
    if report is not None:
        write_report(checked, report)
    if suggest_augmentation is not None:
        _suggest(subject, suggest_augmentation)
    if json:
        console.print_json(checked.to_json())
    else:
        if not quiet:
            console.out.print(check_table(checked))
        told = f"ML Test Score: {checked.score.value:g} ({checked.score.meaning})"
        console.out.print(told + (f"  report: {report}" if report else ""), markup=False)
    if min_score is not None and checked.score.value < min_score:
        raise typer.Exit(1)


def settings_in(path: Path | None) -> CheckSettings:
    """Return what the file says, or the one in the working folder where there is one."""
    from copydesk.checks.settings import FILE, CheckSettings, load_settings
    from copydesk.checks.table import CHECKS

    found = path or (Path(FILE) if Path(FILE).is_file() else None)
    return load_settings(found, known=list(CHECKS), today=_now().date()) if found else CheckSettings()


def _now() -> datetime:
    return datetime.now(UTC)


def _attach(subject: Subject, checked: Checked) -> None:
    """Keep the result beside the registered version that was checked, where it was one and all was checked."""
    from copydesk.registry.references import is_reference, parse, registry_for

    registered = subject.bundle.registered
    if registered is None or not is_reference(registered.path):
        return
    if not checked.is_whole:
        subject.progress.warn("With --only the result is not attached to the registered version.")
        return
    reference = parse(registered.path)
    registry = registry_for(reference)
    registry.attach(registry.find(reference.name, reference.which), "checks", checked.to_json())
    subject.progress.say(f"attached to {registered.path}")


def _suggest(subject: Subject, path: Path) -> None:
    from copydesk.behaviour.teach import suggest, write_lessons
    from copydesk.errors import UsageError

    suite = subject.suite
    if suite is None:
        raise UsageError("The bundle holds no behaviours, so none can be taught. Name some in the recipe.")
    texts, labels = subject.trained_on.part("train")
    suggestion = suggest(suite, subject.behaviours, texts=texts, labels=labels)
    for note in suggestion.notes:
        subject.progress.warn(note)
    write_lessons(path, suggestion, subject.recipe)
    counts = ", ".join(f"{name} {count}" for name, count in suggestion.by_behaviour.items()) or "every behaviour holds"
    subject.progress.say(f"{len(suggestion.lessons)} training rows in {path}: {counts}")
