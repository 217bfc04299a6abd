"""Tables in 80 columns, which is what a pipe or a narrow terminal has: figures are never what gives way."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.table import Table

from copydesk.cli import tables
from copydesk.compare import Entry
from copydesk.types import Calibration, Report


def _shown(table: Table) -> str:
    text = io.StringIO()
    Console(file=text, width=80).print(table)
    return " ".join(text.getvalue().split())


def test_long_reasons_and_examples_leave_the_counts_readable() -> None:
    place = "a_file_with_quite_a_long_name.parquet:{}"
    reason = "leaks into the validation part"
    shown = _shown(
        tables.dropped_table(
            {
                "rows_read": 48_215,
                "rows": 47_199,
                "dropped": {reason: 1_016},
                "dropped_examples": {reason: [place.format(16_294), place.format(16_295)]},
            }
        )
    )
    assert "read 48,215" in shown and "-1,016" in shown and "kept 47,199" in shown and "…" not in shown
    assert "16294" in shown and "16295" in shown


def test_long_names_of_collected_rows_leave_the_counts_readable() -> None:
    shown = _shown(tables.collected_table({"articles": 12_345, "rows": 12_000, "same_title_other_site": 345}))
    assert "articles from GDELT 12,345" in shown and "rows in the file 12,000" in shown


def test_a_precision_that_changes_nothing_has_no_minus_zero() -> None:
    measured = {"quality": 0.95, "drop": 0.0, "agreement": 1.0, "texts_per_second": 900.0, "megabytes": 11.0}
    candidates = [{"precision": name, "accepted": True, **measured} for name in ("fp32", "int8")]
    runtime = {"precision": "int8", "checked_on": 2_000, "cores": 2, "candidates": candidates}
    shown = _shown(tables.runtime_table(runtime, "accuracy"))
    assert "+0.0000" in shown and "-0.0000" not in shown


def test_a_leaderboard_of_long_names_leaves_every_figure_whole() -> None:
    bundle: Any = None
    report = Report(
        task="signals",
        model="keywords",
        n=2_816,
        metrics={"macro_f1": 0.98, "sign_accuracy": 0.9},
        intervals={"macro_f1": (0.961, 0.992), "sign_accuracy": (0.88, 0.92)},
        per_label={},
        slices=[],
        calibration=Calibration(0.01, 0.02),
        confusion=None,
        mistakes=[],
        latency_ms={"p50": 11.2},
        costs={"train_seconds": 12_345.0, "texts_per_second": 123_456.0, "bundle_mb": 102.4},
        headline="macro_f1",
    )
    shown = _shown(tables.leaderboard([Entry("keywords", bundle, report)]))
    assert "keywords 0.9800 0.961–0.992 0.9000 12,345 s 123,456 11.2 ms 102 MB" in shown
