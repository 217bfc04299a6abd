"""Texts, answers or a log in; a folder with the sheet, the page and the same as data out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.errors import UsageError
from copydesk.files import new_folder, next_free, refuse_existing, write_json, write_text
from copydesk.progress import Progress, Silent
from copydesk.runtime.engine import Classifier
from copydesk.score.request import model_of
from copydesk.score.run import score
from copydesk.signals.aggregate import Span, aggregate
from copydesk.signals.columns import Asked, columns_of
from copydesk.signals.findings import Findings, findings_of
from copydesk.signals.inputs import is_log, log_rows, scored_by, scored_files
from copydesk.signals.page import render_signals
from copydesk.signals.rows import rows_of_table
from copydesk.signals.sheet import COLUMNS
from copydesk.signals.windows import known_every, known_zone

FOLDER = Path("signals")
SHEET, SCORED, PAGE, DATA = "sheet", "scored.parquet", "report.html", "report.json"
_HELD = ".rows.parquet"
_DIGITS = 4


@dataclass(frozen=True)
class Outcome:
    """The folder that was written, and what it says."""

    path: Path
    findings: Findings


def report(
    classifier: Classifier,
    source: str,
    span: Span,
    *,
    asked: Asked | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Write `sheet.csv`, `sheet.parquet`, `report.html` and `report.json` to `out` (default: `signals/NAME-N`).

    Texts are scored first, into `scored.parquet` beside them. Raises `UsageError` for a model of another task,
    `DataError` for rows that cannot be used.
    """
    listener = progress or Silent()
    known_every(span.every), known_zone(span.zone)
    if classifier.settings.task != "signals":
        raise UsageError(
            f"The model's task is {classifier.settings.task!r}; a signals report needs one of task signals."
        )
    if out is not None:
        refuse_existing(out)
    model = model_of(classifier)
    target = out or next_free(FOLDER, model["name"] or "signals")
    with new_folder(target) as folder:
        rows, notes = _rows(classifier, source, asked or Asked(), folder, listener)
        categories = classifier.labels
        found = aggregate(rows, categories, span, listener)
        told = findings_of(found, span, name=str(target.name), categories=categories, model=model, notes=notes)
        _write(folder, found.sheet, told)
        (folder / _HELD).unlink(missing_ok=True)
    return Outcome(target, told)


def _rows(
    classifier: Classifier, source: str, asked: Asked, folder: Path, progress: Progress
) -> tuple[pl.LazyFrame, list[str]]:
    """Return the rows of whatever the source is, and what a reader must know of it."""
    if is_log(source):
        notes = _log_notes(asked)
        return log_rows(source, folder / _HELD), notes
    if files := scored_files(source):
        notes = _model_notes(classifier, scored_by(source, files))
    else:
        score(classifier, source, str(folder / SCORED), progress=progress)
        files, notes = [str(folder / SCORED)], list(classifier.notes)
    table = pl.scan_parquet(files, missing_columns="insert", extra_columns="ignore")
    columns = columns_of(table.collect_schema(), asked, classifier.settings.text)
    places = (
        f"places by column {columns.place!r}" if columns.place else "no column of places: all texts are of one place"
    )
    progress.say(f"times by column {columns.time!r}, {places}")
    return rows_of_table(table, columns), notes


def _log_notes(asked: Asked) -> list[str]:
    if asked.place or asked.time or asked.outlet:
        raise UsageError(
            "A prediction log knows no places or sources, and has its own times. Leave out --place, --time, --source."
        )
    return ["These are the answers of a prediction log, which knows no places: all texts are of one."]


def _model_notes(classifier: Classifier, found: Any) -> list[str]:  # noqa: ANN401 (JSON)
    if found is None or found.get("identity") == model_of(classifier)["identity"]:
        return list(classifier.notes)
    return [f"The answers are of another model than the one named here: {found.get('name') or found.get('kind')}."]


def _write(folder: Path, sheet: pl.DataFrame, told: Findings) -> None:
    rounded = sheet.select(pl.col(*COLUMNS)).with_columns(pl.col(pl.Float64).round(_DIGITS))
    rounded.write_parquet(folder / f"{SHEET}.parquet")
    rounded.with_columns(pl.col("start").dt.strftime("%Y-%m-%dT%H:%M:%S%:z")).write_csv(folder / f"{SHEET}.csv")
    write_json(folder / DATA, told.to_json())
    write_text(folder / PAGE, render_signals(told, sheet))
