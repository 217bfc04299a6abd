"""Candidate and production from a registry, measured, judged, and the alias moved or not; every decision is recorded.

Of two promotions at once one is told: the alias moves only if it still leads where this one believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from copydesk.behaviour.load import load_suite, suite_of
from copydesk.bundle import Bundle
from copydesk.errors import InProduction, UsageError
from copydesk.gate.answered import Contender
from copydesk.gate.gate import Verdict, judge, reason
from copydesk.gate.laxer import laxer
from copydesk.gate.measure import Measurement, measure
from copydesk.gate.pinned import read_test_part
from copydesk.progress import Progress
from copydesk.recipe import Gate, load_recipe
from copydesk.registry.base import STAGING, Change, Registered, Registry
from copydesk.registry.moves import Mover, decided_by, production_of, refuse
from copydesk.registry.moves import promote as let_lead


@dataclass(frozen=True)
class Shelf:
    """A registry, how to open the bundle of one of its versions, and how commands call that version."""

    registry: Registry
    open: Callable[[Registered], Bundle]
    call: Callable[[Registered], str]


@dataclass(frozen=True)
class Request:
    """What is asked for: the version (default: the alias `staging`'s), other test data, another recipe's rules.

    `overrule` is why the candidate shall pass although the gate refuses it; empty: it shall not.
    """

    version: int | None = None
    data: str | None = None
    recipe: str | None = None
    overrule: str = ""


@dataclass(frozen=True)
class Decision:
    """What was decided, and by what. `decided_before` counts earlier decisions by the same test texts."""

    change: Change
    verdict: Verdict
    measured: Measurement
    texts: int
    decided_before: int
    why: str
    warnings: list[str] = field(default_factory=list)

    @property
    def promoted(self) -> bool:
        """Tell whether the candidate is in production now."""
        return self.change.action in ("promoted", "forced")

    def to_json(self) -> dict[str, Any]:
        """Return the decision as plain JSON values."""
        candidate, champion = self.measured.candidate, self.measured.champion
        found = self.verdict.difference
        return {
            **asdict(self.change),
            "why": self.why,
            "failures": [asdict(one) for one in self.verdict.failures],
            "difference": asdict(found) if found else None,
            "ratios": [{**asdict(ratio), "ratio": ratio.value} for ratio in self.verdict.ratios],
            "metrics": {"candidate": candidate.metrics, "production": champion.metrics if champion else None},
            "behaviours": {result.name: result.rate for result in candidate.behaviours},
            "texts": self.texts,
            "decided_before": self.decided_before,
            "warnings": self.warnings,
        }


def promote(shelf: Shelf, name: str, request: Request, mover: Mover, *, progress: Progress) -> Decision:
    """Measure and judge a candidate, and let `production` lead to it or note the refusal.

    Raises `Stale` if production was moved meanwhile, `InProduction` if the candidate is there already, `UsageError` if
    it cannot be compared, `RegistryError`, and what reading the test texts does.
    """
    candidate = shelf.registry.find(name, STAGING if request.version is None else request.version)
    champion = production_of(shelf.registry, name)
    if champion and champion.version == candidate.version:
        raise InProduction(f"Version {candidate.version} of '{name}' is in production already.")
    bundle, opponent = shelf.open(candidate), shelf.open(champion) if champion else None
    recipe = load_recipe(request.recipe) if request.recipe else bundle.recipe
    if recipe.task != bundle.settings.task:
        raise UsageError(
            f"Recipe '{recipe.name}' is for task {recipe.task!r}, the candidate's is {bundle.settings.task!r}."
        )
    test = read_test_part(bundle, recipe, request.data, _labels(bundle, opponent), progress)
    before = decided_by(shelf.registry.history(name), test.hash)
    measured = measure(
        Contender(shelf.call(candidate), bundle, _score(shelf.registry, candidate, bundle)),
        Contender(shelf.call(champion), opponent) if champion and opponent else None,
        test.labelled,
        recipe,
        load_suite(recipe.behaviours, recipe) if request.recipe and recipe.behaviours else suite_of(bundle),
        progress,
    )
    verdict = judge(measured.candidate, measured.champion, recipe.gate)
    warnings = [*measured.warnings, *_lax(recipe.gate, opponent), *_worn(before, recipe.gate)]
    change = _recorded(shelf.registry, (candidate, champion), verdict, request.overrule, mover, test.hash)
    return Decision(change, verdict, measured, len(test.labelled.texts), before, _why(verdict, recipe.gate), warnings)


def _recorded(
    registry: Registry,
    versions: tuple[Registered, Registered | None],
    verdict: Verdict,
    overrule: str,
    mover: Mover,
    test: str,
) -> Change:
    """Move the alias, or note the refusal."""
    candidate, champion = versions
    if not verdict.failures:
        return let_lead(registry, candidate, champion, mover, test=test)
    found = "; ".join(f"{one.rule}: {one.measured}, needed {one.needed}" for one in verdict.failures)
    if overrule:
        return let_lead(registry, candidate, champion, mover, test=test, forced=f"{overrule} (overruled: {found})")
    return refuse(registry, candidate, mover, reason=found, test=test)


def _labels(bundle: Bundle, opponent: Bundle | None) -> list[str]:
    own = bundle.settings.labels
    return list(dict.fromkeys([*own, *(opponent.settings.labels if opponent else ())]))


def _score(registry: Registry, candidate: Registered, bundle: Bundle) -> float | None:
    """Return the ML Test Score of the attached checks, if they are of this very bundle."""
    checks = registry.attached(candidate, "checks") or {}
    return float(checks["score"]) if checks.get("digest") == bundle.digest and "score" in checks else None


def _lax(rules: Gate, opponent: Bundle | None) -> list[str]:
    keys = laxer(rules, opponent.recipe.gate) if opponent else []
    if not keys:
        return []
    return [f"These rules ask for less than those that production came in by: {'; '.join(keys)}."]


def _worn(before: int, rules: Gate) -> list[str]:
    """Return a warning where the same test texts have decided often."""
    if before < rules.test_uses:
        return []
    level = 1 - rules.against_production.confidence
    chance = 1 - (1 - level) ** (before + 1)
    return [
        f"These test texts have decided {before:,} times before. One candidate that is no better passes with up to "
        f"{level:.1%}, one or more of {before + 1:,} with up to {chance:.0%}: it is time for new test texts (--data)."
    ]


def _why(verdict: Verdict, rules: Gate) -> str:
    if verdict.difference is None:
        return "the first in production"
    return reason(verdict.difference, verdict.ratios, rules.against_production)
