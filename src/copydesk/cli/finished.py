"""What commands that write a bundle end with."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from copydesk.bundle import Bundle
from copydesk.cli import console, tables
from copydesk.progress import Progress


def show_bundle(
    bundle: Bundle,
    progress: Progress,
    *,
    json: bool,
    quiet: bool,
    before: Sequence[Table] = (),
    at: str | None = None,
) -> None:
    """Print a new bundle's notes, tables (`before` its report's) and places; the last line is `bundle: DIR`.

    `at` is the address where it is too, and which is named then.
    """
    report = bundle.report
    for note in report.notes:
        progress.warn(note)
    if json:
        console.print_json({"bundle": at or str(bundle.path), "report": report.to_json()})
        return
    if not quiet:
        for table in (*before, tables.report_table(report)):
            console.out.print(table)
        console.out.print(f"report: {bundle.layout.report_page}", markup=False)
    console.out.print(f"bundle: {at or bundle.path}", markup=False)
