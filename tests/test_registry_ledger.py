"""The ledger: versions, aliases and history as one value."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from copydesk.errors import RegistryError, Stale
from copydesk.registry.base import Change, Facts
from copydesk.registry.ledger import Ledger

FACTS = Facts("a" * 64, "d" * 64, "c" * 40, "ada", "2026-11-21T10:00:00+00:00", {"accuracy": 0.1 + 0.2})
FIRST = Change("promoted", 1, "ada", "2026-11-21T10:00:00+00:00", "production", None, "“so”")


@pytest.fixture
def two() -> Ledger:
    return Ledger().with_version("one", FACTS).with_version("two", replace(FACTS, digest="b" * 64))


def test_a_ledger_survives_its_file(two: Ledger) -> None:
    ledger = two.pointed("toy", FIRST)
    assert Ledger.from_json(json.dumps(ledger.to_json()).encode()) == ledger


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', '{"aliases": {"production": "x"}}'])
def test_what_is_no_ledger_of_this_format_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r"format 2|validation error"):
        Ledger.from_json(content.encode())


def test_numbers_go_up_and_pass_over_what_is_taken(two: Ledger) -> None:
    assert sorted(two.versions) == [1, 2]
    assert sorted(two.with_version("three", replace(FACTS, digest="e" * 64), [1, 7]).versions) == [1, 2, 8]


def test_what_has_been_done_changes_nothing_when_it_is_done_again(two: Ledger) -> None:
    assert two.with_version("elsewhere", FACTS) == two
    pointed = two.pointed("toy", FIRST)
    assert pointed.pointed("toy", FIRST) == pointed
    noted = two.noted(FIRST)
    assert noted.noted(FIRST) == noted
    assert noted.aliases == {}


def test_an_alias_moves_only_from_where_it_is_and_to_what_there_is(two: Ledger) -> None:
    pointed = two.pointed("toy", FIRST)
    with pytest.raises(Stale, match="'production' of 'toy' leads to version 1, not to no version any more"):
        pointed.pointed("toy", replace(FIRST, version=2))
    assert pointed.pointed("toy", replace(FIRST, version=2, before=1)).aliases == {"production": 2}
    with pytest.raises(RegistryError, match="'toy' has no version 3. Its versions: 1, 2"):
        two.pointed("toy", replace(FIRST, version=3))
