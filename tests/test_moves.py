"""Promoting and going back, over a registry in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copydesk.errors import RegistryError, Stale, UsageError
from copydesk.registry import moves
from copydesk.registry.base import Change, Facts, Registered
from copydesk.registry.moves import Mover
from memory_registry import MemoryRegistry
from registry_contract import AT, promoted

ADA = Mover("ada", AT.format(0))


@pytest.fixture
def registry() -> MemoryRegistry:
    """Return a registry with five versions of one model, none in production."""
    facts = [Facts(str(number) * 64, "", "", "bob", AT.format(number)) for number in range(1, 6)]
    return MemoryRegistry({"toy": facts})


def _promote(registry: MemoryRegistry, *versions: int) -> None:
    for version in versions:
        moves.promote(registry, registry.find("toy", version), moves.production_of(registry, "toy"), ADA)


def _production(registry: MemoryRegistry) -> int:
    return registry.find("toy", "production").version


def test_a_promotion_says_who_when_and_by_which_test(registry: MemoryRegistry) -> None:
    _promote(registry, 1)
    change = moves.promote(registry, registry.find("toy", 2), registry.find("toy", 1), ADA, test="t" * 64)
    assert change == promoted(2, 1, test="t" * 64)
    assert registry.history("toy")[-1] == change
    assert _production(registry) == 2


def test_a_forced_promotion_keeps_its_reason(registry: MemoryRegistry) -> None:
    change = moves.promote(registry, registry.find("toy", 1), None, ADA, forced="it burns")
    assert (change.action, change.reason) == ("forced", "it burns")


def test_a_promotion_against_a_champion_of_yesterday_is_stale(registry: MemoryRegistry) -> None:
    champion = registry.find("toy", 1)
    _promote(registry, 1, 2)
    with pytest.raises(Stale):
        moves.promote(registry, registry.find("toy", 3), champion, ADA)
    assert _production(registry) == 2


def test_a_refusal_moves_nothing_and_counts_as_a_use_of_the_test(registry: MemoryRegistry) -> None:
    _promote(registry, 1)
    moves.refuse(registry, registry.find("toy", 2), ADA, reason="accuracy", test="t")
    moves.promote(registry, registry.find("toy", 3), registry.find("toy", 1), ADA, test="t")
    moves.promote(registry, registry.find("toy", 4), registry.find("toy", 3), ADA, test="another")
    moves.rollback(registry, "toy", ADA)
    history = registry.history("toy")
    assert [moves.decided_by(history, test) for test in ("t", "another", "none", "")] == [2, 1, 0, 0]


def test_rolling_back_goes_further_back_each_time(registry: MemoryRegistry) -> None:
    _promote(registry, 1, 2, 4)
    went = [moves.rollback(registry, "toy", ADA, reason="slow").version for _ in range(2)]
    assert went == [2, 1]
    with pytest.raises(RegistryError, match="first in production"):
        moves.rollback(registry, "toy", ADA)
    assert registry.history("toy")[-1] == Change(
        "rolled back", 1, "ada", AT.format(0), "production", before=2, reason="slow"
    )


def test_after_a_rollback_a_promotion_begins_a_new_way_back(registry: MemoryRegistry) -> None:
    _promote(registry, 1, 2)
    moves.rollback(registry, "toy", ADA)
    _promote(registry, 3)
    assert moves.rollback(registry, "toy", ADA).version == 1


def test_one_may_go_back_to_a_version_that_was_in_production_only(registry: MemoryRegistry) -> None:
    _promote(registry, 1, 2, 3)
    with pytest.raises(RegistryError, match=r"Version 5.*1, 2.*promote toy 5"):
        moves.rollback(registry, "toy", ADA, to=5)
    assert moves.rollback(registry, "toy", ADA, to=1).version == 1
    with pytest.raises(RegistryError, match="first"):
        moves.rollback(registry, "toy", ADA)


def test_nothing_in_production_is_nothing_to_go_back_from(registry: MemoryRegistry) -> None:
    with pytest.raises(RegistryError, match="No version of 'toy' is in production"):
        moves.rollback(registry, "toy", ADA)


def test_a_version_that_was_deleted_is_passed_over(registry: MemoryRegistry) -> None:
    _promote(registry, 1, 2, 3)
    registry.forget("toy", 2)
    assert moves.rollback(registry, "toy", ADA).version == 1


def test_a_version_that_another_tool_put_there_is_gone_back_from_and_to(registry: MemoryRegistry) -> None:
    _promote(registry, 1)
    registry.aliases["toy"]["production"] = 4  # not by us
    assert moves.rollback(registry, "toy", ADA).version == 1
    registry.aliases["toy"]["production"] = 4
    _promote(registry, 5)
    assert moves.rollback(registry, "toy", ADA).version == 4


def test_an_alias_is_set_once_and_production_never_by_hand(registry: MemoryRegistry) -> None:
    one, two = (registry.find("toy", version) for version in (1, 2))
    assert moves.point(registry, one, "staging", ADA) == promoted(1, None, alias="staging", action="pointed")
    assert moves.point(registry, one, "staging", ADA) is None
    assert moves.point(registry, two, "staging", ADA) == promoted(2, 1, alias="staging", action="pointed")
    with pytest.raises(UsageError, match="copydesk promote"):
        moves.point(registry, two, "production", ADA)


def test_the_account_has_registrations_and_moves_in_the_order_they_happened(registry: MemoryRegistry) -> None:
    for version, at in ((1, 2), (3, 1)):  # the second mover's clock is slow
        moves.promote(
            registry,
            registry.find("toy", version),
            moves.production_of(registry, "toy"),
            replace(ADA, at=AT.format(at)),
        )
    told = [(change.action, change.version) for change in moves.account(registry, "toy")]
    assert [version for action, version in told if action == "registered"] == [1, 2, 3, 4, 5]
    assert [line for line in told if line[0] == "promoted"] == [("promoted", 1), ("promoted", 3)]
    assert told.index(("registered", 3)) < told.index(("promoted", 3))


def test_who_is_in_production(registry: MemoryRegistry) -> None:
    assert moves.production_of(registry, "toy") is None
    _promote(registry, 2)
    assert moves.production_of(registry, "toy") == Registered("toy", 2, registry.find("toy", 2).facts, ("production",))
