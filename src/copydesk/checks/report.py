"""The checks of one bundle as a folder: data, a page that stands alone, and a badge."""

from __future__ import annotations

from pathlib import Path

from copydesk.checks.badge import badge_svg
from copydesk.checks.outcome import SECTIONS
from copydesk.checks.run import Checked
from copydesk.checks.score import FULL, POINTS
from copydesk.files import new_folder, write_json, write_text
from copydesk.rendering import rendered

JSON_FILE, PAGE_FILE, BADGE_FILE = "checks.json", "checks.html", "badge.svg"
_SHOWN_FAILURES = 3


def write_report(checked: Checked, folder: Path) -> None:
    """Write checks.json, checks.html and badge.svg to a new folder. Raises `UsageError` if it exists."""
    with new_folder(folder) as new:
        write_json(new / JSON_FILE, checked.to_json())
        write_text(new / PAGE_FILE, render_checks(checked))
        write_text(new / BADGE_FILE, badge_svg(checked.score.value))


def render_checks(checked: Checked) -> str:
    """Return the page's HTML; the same result always gives the same text. Raises `MissingExtra`."""
    sections = [
        (name, checked.score.sections[name], [outcome for outcome in checked.outcomes if outcome.section == name])
        for name in SECTIONS
    ]
    counts = {status: sum(outcome.status == status for outcome in checked.outcomes) for status in POINTS}
    return rendered(
        "checks.html",
        checked=checked,
        score=checked.score,
        sections=sections,
        counts=counts,
        full=FULL,
        weakest=[name for name, points, _ in sections if points == checked.score.value],
        seconds=sum(outcome.seconds for outcome in checked.outcomes),
        shown=_SHOWN_FAILURES,
    )
