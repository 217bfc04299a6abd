"""What a model's tags say of its history, wherever a writer was killed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from copydesk.errors import RegistryError
from copydesk.registry.base import Change
from copydesk.registry.mlflow_tags import Line, State, lines_in
from registry_contract import promoted


def _line(number: int, change: Change, state: State = "done") -> Line:
    return Line(number, "ab12", state, change)


def _tags(*lines: Line) -> dict[str, str]:
    return {"other": "tag"} | {line.key: line.text for line in lines}


def _states(*lines: Line, aliases: dict[str, int]) -> list[State]:
    return [line.state for line in lines_in(_tags(*lines), aliases)]


def test_a_line_is_read_as_it_was_written() -> None:
    line = _line(12, promoted(3, 2, reason='"quoted"\nö', test="t" * 64))
    assert lines_in(_tags(line), {}) == [line]


def test_lines_are_in_the_order_of_their_numbers() -> None:
    lines = [_line(number, promoted(number, None)) for number in (10, 9, 100, 1)]
    assert [line.number for line in lines_in(_tags(*lines), {})] == [1, 9, 10, 100]


def test_a_move_that_was_begun_took_place_if_the_alias_leads_there() -> None:
    lines = _line(1, promoted(1, None)), _line(2, promoted(2, 1), "begun")
    assert _states(*lines, aliases={"production": 2}) == ["done", "done"]


@pytest.mark.parametrize("aliases", [{"production": 1}, {}, {"staging": 2}])
def test_a_move_that_was_begun_did_not_take_place_if_the_alias_leads_elsewhere(aliases: dict[str, int]) -> None:
    lines = _line(1, promoted(1, None)), _line(2, promoted(2, 1), "begun")
    assert _states(*lines, aliases=aliases) == ["done", "void"]


def test_a_move_that_was_begun_is_judged_by_where_the_next_one_found_the_alias() -> None:
    begun, found, lost = (
        _line(2, promoted(2, 1), "begun"),
        _line(4, promoted(3, 2), "done"),
        _line(4, promoted(3, 1), "done"),
    )
    refused = _line(3, promoted(9, None, action="refused"))
    staged = _line(3, promoted(9, 7, alias="staging"))
    for between in (refused, staged):
        assert _states(begun, between, found, aliases={"production": 3})[0] == "done"
        assert _states(begun, between, lost, aliases={"production": 3})[0] == "void"


def test_a_move_that_is_done_stays_so_when_another_tool_moves_the_alias() -> None:
    assert _states(_line(1, promoted(1, None)), aliases={"production": 7}) == ["done"]


def test_two_lines_under_one_number_are_both_kept() -> None:
    first = _line(1, promoted(1, None))
    assert len(lines_in(_tags(first, replace(first, token="cd34")), {})) == 2


def test_a_long_reason_is_cut() -> None:
    (read,) = lines_in(_tags(_line(1, promoted(1, None, reason="x" * 9_000))), {})
    assert read.change.reason == "x" * 2_000


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"state": "odd"}', '{"state": "done", "version": "one"}'])
def test_a_line_that_somebody_changed_is_told(text: str) -> None:
    with pytest.raises(RegistryError, match=r"copydesk\.history\.000001"):
        lines_in({"copydesk.history.000001.ab12": text}, {})
