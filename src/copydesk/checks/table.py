"""The 28 tests of the ML Test Score in the paper's order, and what is executed for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from copydesk.checks import data_checks as data
from copydesk.checks import infrastructure_checks as infrastructure
from copydesk.checks import model_checks as model
from copydesk.checks import monitoring_checks as monitoring
from copydesk.checks.outcome import SECTIONS, Finding, Section
from copydesk.checks.subject import Subject
from copydesk.errors import UsageError


@dataclass(frozen=True)
class Check:
    """One test: its place in the paper, its title there, and what is executed.

    `run` raises `Undecided` where something to measure is missing.
    """

    id: str
    section: Section
    number: int
    title: str
    run: Callable[[Subject], Finding]


_TESTS: dict[Section, tuple[tuple[str, str, Callable[[Subject], Finding]], ...]] = {
    "data": (
        ("schema", "Feature expectations are captured in a schema", data.schema),
        ("features_beneficial", "All features are beneficial", data.beneficial),
        ("feature_cost", "No feature's cost is too much", data.cost),
        ("meta_level", "Features adhere to meta-level requirements", data.meta_level),
        ("privacy", "The data pipeline has appropriate privacy controls", data.privacy),
        ("features_added_quickly", "New features can be added quickly", data.added_quickly),
        ("input_code_tested", "All input feature code is tested", data.input_code),
    ),
    "model": (
        ("spec_reviewed", "Model specs are reviewed and submitted", model.spec_reviewed),
        ("online_metrics", "Offline and online metrics correlate", model.online_metrics),
        ("tuned", "All hyperparameters have been tuned", model.tuned),
        ("staleness_known", "The impact of model staleness is known", model.staleness_known),
        ("simpler_not_better", "A simpler model is not better", model.simpler_not_better),
        ("slices", "Model quality is sufficient on important data slices", model.slices),
        ("inclusion", "The model is tested for considerations of inclusion", model.inclusion),
    ),
    "infrastructure": (
        ("reproducible", "Training is reproducible", infrastructure.reproducible),
        ("spec_tested", "Model specs are unit tested", infrastructure.specification),
        ("pipeline_tested", "The ML pipeline is integration tested", infrastructure.pipeline),
        ("quality_validated", "Model quality is validated before serving", infrastructure.quality_validated),
        ("debuggable", "The model is debuggable", infrastructure.debuggable),
        ("canaried", "Models are canaried before serving", infrastructure.canary),
        ("rolled_back", "Serving models can be rolled back", infrastructure.rolled_back),
    ),
    "monitoring": (
        ("dependencies", "Dependency changes result in notification", monitoring.dependencies),
        ("invariants", "Data invariants hold for inputs", monitoring.invariants),
        ("no_skew", "Training and serving are not skewed", monitoring.skew),
        ("not_stale", "Models are not too stale", monitoring.age),
        ("numerically_stable", "Models are numerically stable", monitoring.numerics),
        ("performance", "Computing performance has not regressed", monitoring.performance),
        ("served_quality", "Prediction quality has not regressed", monitoring.served_quality),
    ),
}
CHECKS: dict[str, Check] = {
    f"{section}.{name}": Check(f"{section}.{name}", section, number, title, run)
    for section, tests in _TESTS.items()
    for number, (name, title, run) in enumerate(tests, 1)
}


def chosen(only: Sequence[str]) -> list[Check]:
    """Return the checks of these sections and ids, all without any, in the paper's order. Raises `UsageError`."""
    known = [*SECTIONS, *CHECKS]
    for name in only:
        if name not in known:
            raise UsageError(f"--only {name!r} is no section and no check. There are: {', '.join(known)}.")
    return [check for check in CHECKS.values() if not only or check.id in only or check.section in only]
