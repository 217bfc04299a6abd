"""Evidently's default drift preset on the windows that bench/drift.py writes; run by it, in Evidently's environment.

Prints one JSON list: for each window the columns that it calls drifted.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

COLUMNS = DataDefinition(
    text_columns=["text"], categorical_columns=["label"], numerical_columns=["confidence", "words"]
)


def main() -> None:
    """Judge every window of a folder against its reference."""
    warnings.filterwarnings("ignore")
    folder = Path(sys.argv[1])
    reference = Dataset.from_pandas(pd.read_parquet(folder / "reference.parquet"), data_definition=COLUMNS)
    found = []
    for file in sorted(folder.glob("[0-9]*.parquet")):
        window = Dataset.from_pandas(pd.read_parquet(file), data_definition=COLUMNS)
        result = json.loads(Report([DataDriftPreset()], include_tests=True).run(window, reference).json())
        found.append([name for name in drifted(result) if name])
    print(json.dumps(found))


def drifted(result: dict) -> list[str]:
    """Return the columns whose test failed."""
    failed = [test for test in result["tests"] if test["status"] == "FAIL"]
    return [test["metric_config"]["params"].get("column") for test in failed]


if __name__ == "__main__":
    main()
