"""Writes the dashboards that Grafana reads: `python deploy/grafana/dashboards.py [FOLDER]`.

FOLDER is `dashboards` beside this file unless named. A test compares what is there with what this makes, and another
runs every expression against a real Prometheus (tests/test_dashboards.py, tests/e2e/test_prometheus.py).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from model_dashboard import MODEL
from service_dashboard import SERVICE

FOLDER = Path(__file__).parent / "dashboards"


def write(folder: Path) -> None:
    """Write a file for each dashboard."""
    folder.mkdir(exist_ok=True)
    for name, dashboard in (("service", SERVICE), ("model", MODEL)):
        (folder / f"{name}.json").write_text(json.dumps(dashboard.to_json(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
