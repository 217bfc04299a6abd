"""What is an alarm, by the recipe's `monitor` section, and what to do about it.

Each rule answers with a `Finding`: it speaks for an alarm, against it, or neither. Pure: what is looked at comes in.
It does not know what was found before; that an alarm does not come and go is `hysteresis.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from copydesk.monitor.detectors import State
from copydesk.monitor.entry import SHADOW
from copydesk.monitor.quality import Judged
from copydesk.monitor.reference import Reference
from copydesk.recipe import Monitor

DRIFT = "drift."
EXPECTED, ACCURACY, AGE, SILENCE = "expected_accuracy", "accuracy", "age", "silence"
_GRAVEST_FIRST = (ACCURACY, SILENCE, EXPECTED, DRIFT, AGE)
_LABEL = "Label the texts most worth it (copydesk monitor queue), and train with them (copydesk retrain)."
_FORM = "Look at the texts themselves: perhaps they reach the model in another form than those it was trained on."
_REMEDIES = {
    ACCURACY: _LABEL,
    SILENCE: "Look whether the server runs, and whether it still writes this log.",
    EXPECTED: _LABEL,
    AGE: "Train it again on texts of today, and let the gate compare (copydesk retrain).",
    f"{DRIFT}labels": f"The world may have changed, or the model has. {_LABEL}",
    f"{DRIFT}tags": f"The categories may be about other things than before. {_LABEL}",
    f"{DRIFT}stages": "Look at the cascade's cost: another stage answers than was planned for.",
    f"{DRIFT}languages": "Look where texts of other languages come from; the model was not made for them.",
}
_OF_FORM = frozenset({"digits", "capitals", "punctuation", "not_ascii", "loose_punctuation", "words", "characters"})
MEANINGS = {
    "labels": "which labels are given",
    "tags": "which tags the categories have",
    "languages": "languages",
    "stages": "which stage answers",
    "confidence": "how sure the model is",
    "topics": "what texts are about",
    "words": "words in a text",
    "characters": "characters in a text",
    "digits": "share of digits",
    "capitals": "share of capital letters",
    "punctuation": "share of punctuation",
    "not_ascii": "share of characters beyond ASCII",
    "loose_punctuation": "punctuation that stands alone",
    "unknown_words": "words that training had not",
}
"""What a detector looks at, for people."""


@dataclass(frozen=True)
class Finding:
    """What a rule says: `speaks` is True for an alarm, False against it, None where neither can be said."""

    rule: str
    speaks: bool | None
    what: str
    value: float | None = None
    limit: float | None = None

    @property
    def remedy(self) -> str:
        """What to do."""
        if self.rule.removeprefix(DRIFT) in _OF_FORM:
            return _FORM
        return _REMEDIES.get(self.rule, _LABEL)


def gravest_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings in the order in which somebody should look at them."""

    def weight(finding: Finding) -> int:
        return next(place for place, rule in enumerate(_GRAVEST_FIRST) if finding.rule.startswith(rule))

    return sorted(findings, key=weight)


def drift_findings(states: Sequence[State], rules: Monitor) -> list[Finding]:
    """Return what each detector that may alarm says."""
    return [
        Finding(
            f"{DRIFT}{state.detector}",
            state.drifted,
            f"a change in {meaning_of(state.detector)}: {state.detail or 'by ' + format(state.effect, '.2g')} "
            f"({state.measure} {state.effect:.2g}, from {state.least_effect:g} on it matters)",
            state.effect,
            state.least_effect,
        )
        for state in states
        if state.detector not in rules.ignore
    ]


def expectation_finding(expected: float | None, reference: Reference | None, rules: Monitor) -> list[Finding]:
    """Return whether the accuracy to expect fell too far below that of the held-out texts."""
    if expected is None or reference is None or rules.max_accuracy_drop is None:
        return []
    limit = reference.accuracy - rules.max_accuracy_drop
    what = (
        f"{expected:.1%} of the answers are expected to be right; {reference.accuracy:.1%} of the held-out texts' were"
    )
    return [Finding(EXPECTED, expected < limit, what, expected, limit)]


def accuracy_finding(
    judged: Sequence[Judged], versions: frozenset[str], reference: Reference | None, rules: Monitor
) -> list[Finding]:
    """Return whether accuracy from feedback is surely below the floor; it speaks against it once the estimate is not.

    Of texts that were drawn for somebody to look at the interval counts. Where none were, users' corrections still say
    how many answers are right at most.
    """
    floor, own = _floor(reference, rules), [one for one in judged if one.version in versions and one.source != SHADOW]
    drawn = [one.estimate for one in own if one.estimate is not None]
    if floor is None or not own:
        return []
    if not drawn:
        most = max(own, key=lambda one: one.answers).bounds[1]
        what = f"users say that {1 - most:.1%} of the answers are wrong, and {1 - floor:.1%} may be"
        return [Finding(ACCURACY, most < floor, what, most, floor)]
    best = max(drawn, key=lambda one: one.n)
    speaks = True if best.high < floor else (False if best.share >= floor else None)
    what = (
        f"of {best.n:,} answers that were drawn and looked at {best.share:.1%} were right ({best.low:.1%} to "
        f"{best.high:.1%}), and {floor:.1%} are asked for"
    )
    return [Finding(ACCURACY, speaks, what, best.share, floor)]


def _floor(reference: Reference | None, rules: Monitor) -> float | None:
    if rules.accuracy_floor is not None or reference is None or rules.max_accuracy_drop is None:
        return rules.accuracy_floor
    return reference.accuracy - rules.max_accuracy_drop


def age_finding(trained: datetime | None, now: datetime, rules: Monitor) -> list[Finding]:
    """Return whether the model was trained too long ago."""
    if trained is None or rules.max_age_days is None:
        return []
    days = (now - trained) / timedelta(days=1)
    what = f"the model was trained {days:,.0f} days ago, and {rules.max_age_days:g} are allowed"
    return [Finding(AGE, days > rules.max_age_days, what, days, rules.max_age_days)]


def silence_finding(last: datetime | None, now: datetime, rules: Monitor) -> list[Finding]:
    """Return whether no text has come for too long; `last` is when the last one did, None if none ever."""
    if rules.max_silence_hours is None:
        return []
    if last is None:
        return [Finding(SILENCE, True, "the log holds no text of this model", None, rules.max_silence_hours)]
    hours = (now - last) / timedelta(hours=1)
    what = f"no text for {hours:,.1f} hours, and {rules.max_silence_hours:g} are allowed"
    return [Finding(SILENCE, hours > rules.max_silence_hours, what, hours, rules.max_silence_hours)]


def meaning_of(detector: str) -> str:
    """Return what a detector looks at, in words."""
    return MEANINGS.get(detector, detector.replace("_", " "))
