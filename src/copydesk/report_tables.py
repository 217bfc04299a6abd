"""Report -> flat CSV tables, for programs that draw curves of several runs, such as `dvc plots diff`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from copydesk.types import Report


def label_table(report: Report) -> str:
    """Return precision, recall, F1 and support of each label."""
    rows = ((label, one.precision, one.recall, one.f1, one.support) for label, one in report.per_label.items())
    return _csv(("label", "precision", "recall", "f1", "support"), rows)


def calibration_table(report: Report) -> str:
    """Return each bin's mean score, the share that is right, and how many; the head alone where there are no bins."""
    bins = report.calibration.bins if report.calibration else []
    return _csv(("score", "accuracy", "n"), ((one.score, one.accuracy, one.n) for one in bins))


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return table.getvalue()
