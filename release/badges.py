"""Badges from real results: tests, coverage, ML Test Score, version.

Each is a JSON file of shields.io's endpoint schema, https://shields.io/badges/endpoint-badge. A result that is not
given makes no badge; nothing is guessed.
"""

from __future__ import annotations

import argparse
import json
import xml.etree.ElementTree as ElementTree  # nosec B405 # read are reports that our own pytest wrote just before
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_COVERAGE = ((95, "brightgreen"), (90, "green"), (80, "yellow"))
_SCORE = ((5, "brightgreen"), (3, "green"), (1, "yellow"))


def badge(label: str, message: str, colour: str) -> dict[str, Any]:
    """Return a badge in shields.io's endpoint schema."""
    return {"schemaVersion": 1, "label": label, "message": message, "color": colour}


def tests_badge(reports: Sequence[str]) -> dict[str, Any]:
    """Return the badge of JUnit reports, added up. Raises `ValueError` for reports in which nothing ran."""
    suites = [suite for report in reports for suite in ElementTree.fromstring(report).iter("testsuite")]  # noqa: S314 # nosec B314 # our own pytest's report
    ran, failed, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "skipped")
    )
    failed += sum(int(suite.get("errors", 0)) for suite in suites)
    if ran - skipped <= 0:
        raise ValueError("no test ran: that is no badge. Give the reports that pytest wrote with --junit-xml.")
    if failed:
        return badge("tests", f"{failed:,} of {ran - skipped:,} failed", "red")
    told = f"{ran - skipped:,} passed" + (f", {skipped:,} skipped" if skipped else "")
    return badge("tests", told, "brightgreen")


def coverage_badge(report: dict[str, Any]) -> dict[str, Any]:
    """Return the badge of `coverage json`."""
    percent = float(report["totals"]["percent_covered"])
    return badge("coverage", f"{percent:.1f} %", _colour(percent, _COVERAGE))


def score_badge(checks: dict[str, Any]) -> dict[str, Any]:
    """Return the badge of `copydesk check`'s checks.json."""
    score = float(checks["score"])
    return badge("ML Test Score", f"{score:g} of 7", _colour(score, _SCORE))


def version_badge(version: str) -> dict[str, Any]:
    """Return the badge of a version."""
    return badge("version", version, "blue")


def _colour(value: float, steps: Sequence[tuple[float, str]]) -> str:
    return next((colour for least, colour in steps if value >= least), "red")


def main() -> None:
    """Write a file for each result that is given."""
    parser = argparse.ArgumentParser(prog="python -m release.badges", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--junit", type=Path, action="append", default=[], help="a report of pytest --junit-xml")
    parser.add_argument("--coverage", type=Path, help="what coverage json wrote")
    parser.add_argument("--checks", type=Path, help="checks.json of copydesk check --report")
    parser.add_argument("--version", help="the released version")
    given = parser.parse_args()
    badges: dict[str, dict[str, Any]] = {}
    if given.junit:
        badges["tests"] = tests_badge([file.read_text("utf-8") for file in given.junit])
    if given.coverage:
        badges["coverage"] = coverage_badge(json.loads(given.coverage.read_text("utf-8")))
    if given.checks:
        badges["ml-test-score"] = score_badge(json.loads(given.checks.read_text("utf-8")))
    if given.version:
        badges["version"] = version_badge(given.version)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, values in badges.items():
        (given.out / f"{name}.json").write_text(json.dumps(values, ensure_ascii=False) + "\n", "utf-8")
        print(f"{name}: {values['message']}")


if __name__ == "__main__":
    main()
