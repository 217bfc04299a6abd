"""Execute the checks one by one, each in a folder of its own; what one does wrong, the others do not feel."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from copydesk import __version__
from copydesk.checks.outcome import Finding, Outcome, Status
from copydesk.checks.score import Score, score_of
from copydesk.checks.settings import CheckSettings
from copydesk.checks.subject import Subject
from copydesk.checks.table import CHECKS, Check, chosen
from copydesk.errors import Terminated, Undecided
from copydesk.types import BehaviourResult

_NOT_ASKED = "not run: --only named others"


@dataclass(frozen=True)
class Checked:
    """What became of every check of one bundle, and how it behaves. `created` is ISO 8601 in UTC."""

    name: str
    digest: str
    created: str
    outcomes: list[Outcome]
    behaviours: list[BehaviourResult]

    @property
    def score(self) -> Score:
        """The ML Test Score."""
        return score_of(self.outcomes)

    @property
    def is_whole(self) -> bool:
        """Tell whether every check was asked for."""
        return all(outcome.evidence != _NOT_ASKED for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values: what `checks.json` holds and a registry keeps."""
        behaviours = [{**asdict(result), "rate": result.rate, "holds": result.holds} for result in self.behaviours]
        return {
            "name": self.name,
            "digest": self.digest,
            "created": self.created,
            "copydesk": __version__,
            "score": self.score.value,
            "sections": dict(self.score.sections),
            "checks": [outcome.to_json() for outcome in self.outcomes],
            "behaviours": _encodable(behaviours),
        }


def _encodable(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """Return a value whose texts can be written: half a pair of surrogates, which a case may hold, cannot."""
    if isinstance(value, dict):
        return {key: _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(inner) for inner in value]
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def run_checks(subject: Subject, *, only: Sequence[str] = ()) -> Checked:
    """Execute the checks that are asked for (sections or ids; default: all). Raises `UsageError` for an unknown one."""
    asked = chosen(only)
    outcomes = []
    with subject.progress.track("checking", len(asked), "checks") as advance, tempfile.TemporaryDirectory() as folder:
        for check in CHECKS.values():
            if check not in asked:
                outcomes.append(_outcome(check, "skipped", _NOT_ASKED))
                continue
            advance(0, check.id)
            subject.work = Path(folder) / check.id
            subject.work.mkdir()
            outcome = execute(check, subject)
            subject.progress.say(f"{outcome.status:7} {check.id}: {outcome.evidence}")
            outcomes.append(outcome)
            advance(1)
    return Checked(
        name=str(subject.bundle.manifest["name"]),
        digest=subject.bundle.digest,
        created=subject.now.isoformat(timespec="seconds"),
        outcomes=outcomes,
        behaviours=[] if only else subject.behaviours,
    )


def execute(check: Check, subject: Subject) -> Outcome:
    """Run one check and return what became of it; an error of its own, whatever it is, is a failure that names it."""
    started = subject.clock()
    try:
        outcome = _found(check, check.run(subject))
    except Undecided as reason:
        outcome = _undecided(check, str(reason), subject.settings, subject.now)
    except (Terminated, KeyboardInterrupt):
        raise
    except Exception as error:
        told = " ".join(str(error).split())
        outcome = _outcome(check, "failed", f"{type(error).__name__}: {told}" if told else type(error).__name__)
    return replace(outcome, seconds=round(subject.clock() - started, 2))


def _found(check: Check, finding: Finding) -> Outcome:
    """Return a finding as an outcome; one that measured nothing has not passed."""
    evidence = finding.evidence
    if finding.holds and finding.n <= 0:
        evidence = f"it measured nothing, so it has not passed: {evidence}"
    status: Status = "passed" if finding.holds and finding.n > 0 else "failed"
    figures = {key: float(value) for key, value in finding.figures.items()}
    return replace(_outcome(check, status, evidence), n=finding.n, threshold=finding.threshold, figures=finite(figures))


def finite(figures: dict[str, float]) -> dict[str, float]:
    """Return the figures that are numbers: JSON has no other."""
    return {key: value for key, value in figures.items() if math.isfinite(value)}


def _undecided(check: Check, reason: str, settings: CheckSettings, now: datetime) -> Outcome:
    """Return a check that could not be executed as noted by hand, where there is a note that counts."""
    today = now.date()
    note, old = settings.note_for(check.id, today), settings.expired(check.id, today)
    if note is not None:
        return _outcome(check, "manual", f"{note.date}, {note.by}: {note.note} (until {note.expires()})")
    if old is not None:
        reason = f"{reason} (the note of {old.date} by {old.by} has expired)"
    return _outcome(check, "skipped", reason)


def _outcome(check: Check, status: Status, evidence: str) -> Outcome:
    return Outcome(check.id, check.section, check.number, check.title, status, evidence)
