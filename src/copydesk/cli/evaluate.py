"""`copydesk evaluate`: a bundle measured on labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copydesk.cli.options import (
    Debug,
    Json,
    JudgedBy,
    LabelColumn,
    ModelPath,
    Quiet,
    TextColumns,
    Trust,
    overrides_of,
    recipe_for,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    model: ModelPath,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Labelled data: CSV, TSV, JSONL, Parquet, or a Dataset.")],
    recipe: JudgedBy = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write report.json, report.html and tables.")
    ] = None,
    text: TextColumns = None,
    label: LabelColumn = None,
    trust: Trust = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure a model on labelled data: every row of a file, or the test part of a prepared Dataset."""
    from copydesk.cli import console, tables
    from copydesk.data.labelled import read_labelled
    from copydesk.evaluate import evaluate as measure
    from copydesk.files import new_folder, refuse_existing, write_json, write_text
    from copydesk.labelling.slice_rules import slice_rules
    from copydesk.recipe import override
    from copydesk.registry.references import opened
    from copydesk.report_page import render_report
    from copydesk.report_tables import calibration_table, label_table
    from copydesk.runtime.engine import Classifier
    from copydesk.slices import slices_of

    if report is not None:
        refuse_existing(report)
    classifier = Classifier.of(opened(model))
    progress = console.listener(quiet=quiet or json)
    for note in classifier.notes:
        progress.warn(note)
    judge = override(recipe_for(classifier, recipe), overrides_of(None, text, label))
    labelled = read_labelled(
        judge, data, steps=classifier.settings.normalise, progress=progress, known=classifier.labels
    )
    slices = slices_of(labelled.texts, sources=labelled.sources, rules=slice_rules(judge))
    found = measure(classifier, labelled.texts, labelled.labels, weak=labelled.weak, slices=slices)
    if report is not None:
        with new_folder(report) as folder:
            write_json(folder / "report.json", found.to_json())
            write_text(folder / "report.html", render_report(found))
            write_text(folder / "labels.csv", label_table(found))
            write_text(folder / "calibration.csv", calibration_table(found))
    for note in found.notes:
        progress.warn(note)
    if json:
        console.print_json(found.to_json())
        return
    if not quiet:
        console.out.print(tables.report_table(found))
    console.out.print(
        f"{found.headline}: {found.metrics[found.headline]:.4f}" + (f"  report: {report}" if report else ""),
        markup=False,
    )
