"""How often the gate is wrong: many candidates whose true quality is known, against a champion, on simulated answers.

    python bench/gate_simulated.py [--candidates 200] [--quick]

Each text has a difficulty that both models feel, and each model an error of its own, so that their answers agree about
as often as those of two good classifiers do (the table gives the share of texts on which they differ). Labels: 4, of
55, 25, 15 and 5 % of the texts. Slices: four quarters and four rules that pick out 10 % each. Behaviours: 8 of 50 cases
each, passed with 97 %, 90 % needed. Scores are as honest as the model can be. Both cost the same, to 3 % in each time.
A truly equal candidate has the same chance to answer rightly, not the same answers.

Printed are the shares that pass by the comparison alone (`against_production.require`) and by all rules together, with
95 % Wilson intervals, and which other rules refused a truly better one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from copydesk.gate.evidence import Evidence, SeenTexts
from copydesk.gate.gate import gate
from copydesk.metrics.base import proportion_interval
from copydesk.recipe import Gate
from copydesk.slices import TextSlice
from copydesk.tasks import make_task
from copydesk.types import BehaviourResult

LABELS, SHARES = ("a", "b", "c", "d"), (0.55, 0.25, 0.15, 0.05)
ALIKE = 0.8
"""The share of the variance of a text's difficulty that both models feel."""
BEHAVIOURS, CASES, PASSED, REQUIRED = 8, 50, 0.97, 0.9
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """What is simulated: the candidate's true accuracy is the champion's and `rise`."""

    texts: int
    accuracy: float
    rise: float
    require: str = "better_or_cheaper"
    metric: str = "accuracy"
    test: str = "auto"
    max_drop: float = 0.01
    confidence: float = 0.975

    def rules(self) -> Gate:
        """Return the gate's default rules, with what is compared."""
        against = {key: getattr(self, key) for key in ("require", "metric", "test", "max_drop", "confidence")}
        return Gate.model_validate({"against_production": against, "floors": {"accuracy": self.accuracy - 0.05}})


def evidence(rng: np.random.Generator, accuracy: float, targets: NDArray[np.int64], hard: Floats) -> Evidence:
    """Return what is known of a model that answers so many texts rightly, feeling how hard they are."""
    texts = len(targets)
    margin = ndtri(accuracy) - np.sqrt(ALIKE) * hard
    right = rng.normal(size=texts) * np.sqrt(1 - ALIKE) < margin
    others = rng.integers(1, len(LABELS), size=texts)
    given = np.where(right, targets, (targets + others) % len(LABELS))
    sure = np.clip(ndtr(margin / np.sqrt(1 - ALIKE)), 0.51, 0.999)
    scores = np.repeat(((1 - sure) / (len(LABELS) - 1))[:, None], len(LABELS), axis=1)
    scores[np.arange(texts), given] = sure
    tallies = make_task("single", LABELS).tallies(targets, scores)
    passed = rng.binomial(CASES, PASSED, size=BEHAVIOURS)
    return Evidence(
        name="simulated",
        task="single",
        metrics=tallies.figures(),
        slices=[],
        tallies=tallies,
        parts=_slices(texts),
        labels=LABELS,
        times_ms=rng.lognormal(0.0, 0.03, size=(5, 30)),
        bundle_mb=10.0,
        memory_mb=100.0,
        behaviours=[
            BehaviourResult(str(place), "INV", CASES, int(count), proportion_interval(int(count), CASES), REQUIRED)
            for place, count in enumerate(passed)
        ],
        seen=SeenTexts(texts),
    )


def _slices(texts: int) -> list[TextSlice]:
    place = np.arange(texts)
    quarters = [TextSlice(f"quarter {number}", place * 4 // texts == number) for number in range(4)]
    drawn = np.random.default_rng(5).random((4, texts))
    rules = [TextSlice(f"rule {number}", row < 0.1) for number, row in enumerate(drawn)]
    return [part for part in (*quarters, *rules) if part.texts >= 30]


def simulate(setting: Setting, candidates: int, seed: int) -> None:
    """Judge many candidates, and print a line."""
    rng = np.random.default_rng(seed)
    passed = compared = 0
    differing, rules = [], Counter[str]()
    for _ in range(candidates):
        targets = rng.choice(len(LABELS), size=setting.texts, p=SHARES)
        hard = rng.normal(size=setting.texts)
        champion = evidence(rng, setting.accuracy, targets, hard)
        candidate = evidence(rng, setting.accuracy + setting.rise, targets, hard)
        found = {one.rule for one in gate(candidate, champion, setting.rules())}
        compared += "against_production.require" not in found
        passed += not found
        rules.update(found - {"against_production.require"})
        differing.append((candidate.tallies.right != champion.tallies.right).mean())
    said = f"{setting.require}, {setting.metric} by {setting.test}, {setting.confidence:g}"
    shares = " | ".join(_share(count, candidates) for count in (compared, passed))
    refused = ", ".join(f"{rule} {count}" for rule, count in rules.most_common()) or "-"
    known = f"{setting.texts:,} | {setting.accuracy:.2f} | {setting.rise:+.2f} | {np.mean(differing):.1%}"
    print(f"| {said} | {known} | {shares} | {refused} |", flush=True)


def _share(count: int, total: int) -> str:
    low, high = proportion_interval(count, total)
    return f"{count / total:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    """Run the settings that the documents quote."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="only 500 texts, accuracy 0.9")
    arguments = parser.parse_args()
    columns = ["needed", "texts", "champion", "true rise", "differ", "compared: pass", "all rules: pass", "refused by"]
    print(f"| {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|---|---|")
    sizes, accuracies = ((500,), (0.9,)) if arguments.quick else ((2_800, 500), (0.8, 0.9, 0.97))
    settings = [Setting(n, accuracy, 0.0) for n in sizes for accuracy in accuracies]
    settings += [Setting(n, accuracy, -0.01, "not_worse") for n in sizes for accuracy in accuracies[-2:]]
    settings += [Setting(n, accuracy, rise) for accuracy in accuracies[-2:] for n in sizes for rise in (0.01, 0.02)]
    settings += [Setting(n, 0.9, rise, confidence=0.95) for n in sizes for rise in (0.0, 0.01, 0.02)]
    settings += [Setting(n, 0.9, 0.0, metric="macro_f1") for n in sizes]
    settings += [Setting(n, 0.9, 0.0, test=test) for test in ("paired_bootstrap", "mcnemar") for n in sizes]
    for seed, setting in enumerate(settings):
        simulate(setting, arguments.candidates, seed)


if __name__ == "__main__":
    main()
