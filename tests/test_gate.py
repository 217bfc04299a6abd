from __future__ import annotations

import numpy as np
import pytest

from copydesk.gate.evidence import Evidence, SeenTexts
from copydesk.gate.gate import gate, judge
from copydesk.gate.laxer import laxer
from copydesk.recipe import Gate
from gate_evidence import TEXTS, behaviour, made_up

CHAMPION = made_up(range(100))
BETTER = range(60)
"""What a model that is clearly better than the champion answers wrongly."""


def rules(**sections: object) -> Gate:
    return Gate.model_validate(sections)


def refused_by(candidate: Evidence, champion: Evidence | None = CHAMPION, **sections: object) -> set[str]:
    return {failure.rule for failure in gate(candidate, champion, rules(**sections))}


def test_a_truly_better_candidate_passes() -> None:
    verdict = judge(made_up(BETTER), CHAMPION, rules())
    assert not verdict.failures
    assert verdict.difference is not None and verdict.difference.rise == pytest.approx(0.04)
    assert 0 < verdict.difference.low < 0.04 < verdict.difference.high


def test_a_ruined_slice_is_refused_for_the_slice_alone() -> None:
    wire = {"source: wire": range(0, 300, 4), "source: desk": range(300, TEXTS)}
    champion = made_up(range(600, 720), slices=wire)
    ruined = made_up([*range(0, 80, 4), *range(600, 630)], slices=wire)
    failures = gate(ruined, champion, rules(max_drops={"label_f1": 1}))
    assert [one.rule for one in failures] == ["max_drops.slice_accuracy"]
    assert "source: wire" in failures[0].why and "1.000 → 0.733" in failures[0].measured


def test_a_ruined_label_is_refused_for_the_label_alone() -> None:
    champion = made_up(range(1, 400, 4))
    ruined = made_up([*range(0, 120, 4), *range(1, 100, 4)])
    failures = gate(ruined, champion, rules())
    assert {one.rule for one in failures} == {"max_drops.label_f1"}
    assert "“a” got worse" in failures[0].why


def test_better_but_twice_as_slow_is_refused_for_its_latency_alone() -> None:
    failures = gate(made_up(BETTER, slow=2.0), CHAMPION, rules())
    assert [one.rule for one in failures] == ["max_ratios.p95_latency_ms"]
    assert failures[0].measured.startswith("2.0")


@pytest.mark.parametrize(("times", "refused"), [(1.0, False), (1.4, False), (1.7, True), (2.0, True)])
def test_a_busy_machine_does_not_flip_the_verdict_on_latency(times: float, refused: bool) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        calm = np.linspace(1.0, 2.0, 60)
        champion, candidate = (calm * (1 + rng.exponential(0.4, (8, 60))) for _ in range(2))
        found = refused_by(made_up(BETTER, times_ms=times * candidate), made_up(range(100), times_ms=champion))
        assert found == ({"max_ratios.p95_latency_ms"} if refused else set()), seed


@pytest.mark.parametrize(("cost", "value"), [("bundle_mb", 160.0), ("memory_mb", 310.0)])
def test_better_but_much_larger_is_refused_for_its_size_alone(cost: str, value: float) -> None:
    assert refused_by(made_up(BETTER, **{cost: value})) == {f"max_ratios.{cost}"}
    assert refused_by(made_up(BETTER, **{cost: value}), max_ratios={cost: None}) == set()


def test_a_few_megabytes_more_or_less_are_no_matter() -> None:
    small = made_up(range(100), bundle_mb=1.0)
    assert refused_by(made_up(BETTER, bundle_mb=3.0), small) == set()
    allowed = {"against_production": {"max_drop": 0.01}}
    assert refused_by(made_up([*range(1, 100), 500], bundle_mb=0.5), small, **allowed) == {"against_production.require"}


def test_over_confident_scores_are_refused_for_calibration_alone() -> None:
    assert refused_by(made_up(BETTER, sure=0.999)) == {"max_drops.calibration"}
    assert refused_by(made_up(BETTER, sure=0.999), max_drops={"calibration": 1}) == set()
    assert refused_by(made_up(BETTER, sure=0.999), None, floors={"ece": 0.02}) == {"floors.ece"}


def test_a_lost_behaviour_is_refused_and_said_to_be_kept_by_production() -> None:
    champion = made_up(range(100), behaviours=[behaviour("negation", 95)])
    failures = gate(made_up(BETTER, behaviours=[behaviour("negation", 40)]), champion, rules())
    assert [one.rule for one in failures] == ["behaviours"]
    assert failures[0].why.startswith("Production keeps this behaviour")


def test_a_behaviour_that_still_holds_may_not_fall_far() -> None:
    champion = made_up(range(100), behaviours=[behaviour("typos", 299, 300, required=0.5)])
    fallen = made_up(BETTER, behaviours=[behaviour("typos", 210, 300, required=0.5)])
    assert refused_by(fallen, champion) == {"max_drops.behaviour"}
    assert refused_by(fallen, champion, floors={"behaviours": 0.8}) == {"max_drops.behaviour", "floors.behaviours"}


def test_a_behaviour_without_a_case_is_refused_with_what_to_do() -> None:
    failures = gate(made_up(BETTER, behaviours=[behaviour("typos", 0, 0)]), None, rules())
    assert [one.rule for one in failures] == ["behaviours"] and "no cases" in failures[0].measured


def test_a_candidate_trained_on_test_texts_is_judged_by_nothing_else() -> None:
    leaky = made_up(BETTER, seen=SeenTexts(TEXTS, exact=3, example="the very text"), slow=9.0)
    failures = gate(leaky, CHAMPION, rules())
    assert [one.rule for one in failures] == ["max_leaks.exact"] and "the very text" in failures[0].why


def test_a_few_near_copies_are_borne_and_many_refused() -> None:
    assert refused_by(made_up(BETTER, seen=SeenTexts(TEXTS, near=10))) == set()
    assert refused_by(made_up(BETTER, seen=SeenTexts(TEXTS, near=11))) == {"max_leaks.near"}


def test_a_bundle_that_does_not_tell_what_it_was_trained_on_is_refused() -> None:
    assert refused_by(made_up(BETTER, seen=None)) == {"max_leaks"}


def test_a_larger_model_with_a_gain_that_may_be_chance_has_no_reason() -> None:
    failures = gate(made_up([*range(12, 100), *range(500, 508)], bundle_mb=130.0), CHAMPION, rules())
    assert [one.rule for one in failures] == ["against_production.require"]
    assert "The gain may be chance: 12 texts got better, 8 worse, of 1,000." in failures[0].why


def test_an_equal_candidate_that_is_cheaper_passes_and_a_dearer_one_does_not() -> None:
    allowed = {"against_production": {"max_drop": 0.01}}
    equal = [*range(1, 100), 500]
    assert refused_by(made_up(equal, bundle_mb=70.0), **allowed) == set()
    assert refused_by(made_up(equal, bundle_mb=70.0, slow=1.2), **allowed) == {"against_production.require"}
    assert refused_by(made_up(equal), **allowed) == {"against_production.require"}


def test_not_worse_is_enough_where_the_recipe_says_so() -> None:
    allowed = {"against_production": {"max_drop": 0.01, "require": "not_worse"}}
    assert refused_by(made_up([*range(1, 100), 500]), **allowed) == set()
    assert refused_by(made_up(range(110)), **allowed) == {"against_production.require"}


def test_the_same_answers_are_no_reason() -> None:
    assert refused_by(CHAMPION) == {"against_production.require"}


@pytest.mark.parametrize("test", ["auto", "exact", "paired_bootstrap", "mcnemar"])
def test_all_tests_agree_on_what_is_clear(test: str) -> None:
    allowed = {"against_production": {"require": "better", "test": test}}
    assert refused_by(made_up(BETTER), **allowed) == set()
    assert refused_by(made_up(range(98)), **allowed) == {"against_production.require"}


def test_the_first_model_needs_its_floors_and_no_reason() -> None:
    assert refused_by(CHAMPION, None, floors={"accuracy": 0.9}) == set()
    assert refused_by(CHAMPION, None, floors={"accuracy": 0.91}) == {"floors.accuracy"}


def test_costs_have_ceilings_measured_now() -> None:
    ceilings = {"p95_latency_ms": 1.5, "bundle_mb": 90, "memory_mb": 150}
    assert refused_by(CHAMPION, None, floors=ceilings) == {f"floors.{name}" for name in ceilings}
    assert refused_by(CHAMPION, None, floors={name: 3 * value for name, value in ceilings.items()}) == set()


def test_a_missing_ml_test_score_names_the_command_that_makes_one() -> None:
    failures = gate(CHAMPION, None, rules(floors={"ml_test_score": 4}))
    assert "copydesk check models:/toy/2" in failures[0].why
    assert refused_by(made_up(range(100), ml_test_score=3.5), None, floors={"ml_test_score": 4}) != set()
    assert refused_by(made_up(range(100), ml_test_score=4.0), None, floors={"ml_test_score": 4}) == set()


def test_a_small_slice_fails_only_where_that_is_shown() -> None:
    floor = {"worst_slice_accuracy": 0.95}
    few, many = made_up([0, 1], slices={"few": range(36)}), made_up(range(10), slices={"many": range(150)})
    assert refused_by(few, None, floors=floor) == set()
    assert refused_by(many, None, floors=floor) == {"floors.worst_slice_accuracy"}
    assert refused_by(made_up(range(12), slices={"few": range(36)}), None, floors=floor) != set()


@pytest.mark.parametrize("floor", ["behaviours", "worst_slice_accuracy"])
def test_a_floor_of_which_nothing_is_known_is_not_reached(floor: str) -> None:
    assert refused_by(CHAMPION, None, floors={floor: 0.1}) == {f"floors.{floor}"}


def test_no_text_that_both_have_not_seen_is_a_failure_that_says_so() -> None:
    nothing = made_up([], texts=0, metrics={}, seen=SeenTexts(100))
    failures = gate(nothing, made_up([], texts=0), rules())
    assert [one.rule for one in failures] == ["against_production"] and "--data" in failures[0].why


def test_rules_that_ask_for_less_are_named() -> None:
    old = rules(floors={"accuracy": 0.9, "ece": 0.05}, against_production={"max_drop": 0.001, "require": "better"})
    new = rules(
        floors={"accuracy": 0.8, "ece": 0.05},
        against_production={"max_drop": 0.01},
        max_ratios={"bundle_mb": None},
    )
    assert [key.split()[0] for key in laxer(new, old)] == [
        "floors.accuracy",
        "against_production.max_drop",
        "against_production.require",
        "max_ratios.bundle_mb",
    ]
    assert laxer(old, old) == [] and not laxer(old, new)
