"""Where a version comes from, as this machine knows it: who is here, what time it is, which commit the folder is at."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime

from copydesk.bundle import Bundle
from copydesk.git import commit_of
from copydesk.registry.base import Facts
from copydesk.registry.moves import Mover

WHO = "COPYDESK_USER"


def mover() -> Mover:
    """Return who acts, and now: COPYDESK_USER, else the name of this system's user."""
    return Mover(os.environ.get(WHO) or _user(), datetime.now(UTC).isoformat(timespec="seconds"))


def facts_of(bundle: Bundle, who: Mover) -> Facts:
    """Return a bundle's facts as it is registered by somebody now; the headline metric comes first."""
    commit, report = commit_of(), bundle.report
    headline = {report.headline: report.metrics[report.headline]} if report.headline in report.metrics else {}
    return Facts(
        digest=bundle.digest,
        data=str(bundle.manifest.get("data", "")),
        commit=str(commit or ""),
        by=who.by,
        created=who.at,
        metrics={**headline, **report.metrics},
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user that has a number and no name
        return str(os.getuid())
