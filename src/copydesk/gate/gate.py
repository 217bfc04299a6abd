"""Whether a candidate may go into production: evidence of it and of production, and rules -> failures.

Pure: no file, clock or model. A promotion needs a reason; what counts as one is `reason`. All else are rules that a
candidate must not break, and they look for proof of harm, so that a truly better one is seldom refused by chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from copydesk.gate.evidence import Evidence, failure
from copydesk.gate.floors import failed_behaviours, leaks, under_floors
from copydesk.gate.ratios import Ratio, cost_ratios, is_cheaper, too_dear
from copydesk.gate.regressions import regressions
from copydesk.metrics.difference import Difference, difference
from copydesk.recipe import AgainstProduction, Gate
from copydesk.types import Failure


@dataclass(frozen=True)
class Verdict:
    """What the gate found: failures, none if the candidate may pass; next to production the difference and costs."""

    failures: list[Failure] = field(default_factory=list)
    difference: Difference | None = None
    ratios: list[Ratio] = field(default_factory=list)


def gate(candidate: Evidence, champion: Evidence | None, rules: Gate) -> list[Failure]:
    """Return the rules that the candidate does not keep; without a champion, those that it must keep by itself."""
    return judge(candidate, champion, rules).failures


def judge(candidate: Evidence, champion: Evidence | None, rules: Gate) -> Verdict:
    """Return the verdict; see `gate`. Raises `ValueError` if the rules' test does not fit their metric.

    A candidate that was trained on test texts is judged by nothing else: no figure of it means anything.
    """
    leaked = leaks(candidate, rules.max_leaks)
    if leaked and candidate.seen is not None:
        return Verdict(leaked)
    alone = [
        *leaked,
        *under_floors(candidate, rules.floors),
        *failed_behaviours(candidate, champion),
    ]
    if champion is None:
        return Verdict(alone)
    ratios = cost_ratios(candidate, champion)
    alone += too_dear(ratios, rules.max_ratios)
    if not len(candidate.tallies.right):
        why = "The two models were trained on every test text. Give texts that neither has seen: --data FILE"
        return Verdict([*alone, *failure("against_production", "texts to compare on", "none", why)], None, ratios)
    against = rules.against_production
    metric = rules.compared(candidate.task)
    found = difference(candidate.tallies, champion.tallies, metric, test=against.test, confidence=against.confidence)
    compared = [*regressions(candidate, champion, rules.max_drops), *_without_reason(found, ratios, against)]
    return Verdict([*alone, *compared], found, ratios)


def reason(found: Difference, ratios: list[Ratio], against: AgainstProduction) -> str:
    """Return why the candidate may take production's place; empty where there is no reason."""
    not_worse = found.is_not_worse(against.max_drop)
    if found.is_better:
        return "better"
    if against.require == "not_worse" and not_worse:
        return "not worse"
    if against.require == "better_or_cheaper" and not_worse and is_cheaper(ratios, against.cheaper):
        return "cheaper, and not worse"
    return ""


def _without_reason(found: Difference, ratios: list[Ratio], against: AgainstProduction) -> list[Failure]:
    if reason(found, ratios, against):
        return []
    needed = {
        "better": f"better {found.metric}",
        "not_worse": f"a drop of {found.metric} below {against.max_drop:g}",
        "better_or_cheaper": f"better {found.metric}, or cheaper with a drop below {against.max_drop:g}",
    }
    measured = f"{found.rise:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
    return failure("against_production.require", needed[against.require], measured, _why(found, ratios, against))


def _why(found: Difference, ratios: list[Ratio], against: AgainstProduction) -> str:
    texts = f"{found.gains:,} texts got better, {found.losses:,} worse, of {found.texts:,}"
    if found.high < 0:
        said = f"It is worse: {texts}."
    elif found.rise > 0:
        said = f"The gain may be chance: {texts}."
    elif found.rise < 0:
        said = f"It did worse, which may be chance: {texts}."
    else:
        said = f"It did neither better nor worse: {texts}."
    if against.require != "better_or_cheaper":
        return said
    if is_cheaper(ratios, against.cheaper):
        return f"{said} It is cheaper, but may be worse by {-found.low:.4f}."
    costs = ", ".join(f"{ratio.cost} {ratio.value:.2f} x" for ratio in ratios)
    return f"{said} Nor is it clearly cheaper: {costs}."
