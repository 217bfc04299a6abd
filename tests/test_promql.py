"""The lexer by which rules and dashboards are checked."""

from __future__ import annotations

import pytest

from promql import Selector, labels_named, selectors, uncompared


def test_what_an_expression_reads_are_its_selectors_and_nothing_else() -> None:
    expression = (
        'histogram_quantile(0.99, sum by (le, job) (rate(a_bucket{route=~"/v1/.+",code!="5"}[5m])))'
        " / on (job) group_left (version) b:c:d offset 2m and absent(e{}) > 1.5e3 or vector(1)"
    )
    assert [*selectors(expression)] == [
        Selector("a_bucket", (("route", "=~", '"/v1/.+"'), ("code", "!=", '"5"'))),
        Selector("b:c:d"),
        Selector("e"),
    ]
    assert labels_named(expression) == {"le", "job", "version"}


def test_a_comparison_outside_braces_tells_yes_or_no() -> None:
    assert uncompared('a{b!="c"} > 2 and d == 1') == 'a { b != "c" } > bool 2 and d == bool 1'
    assert uncompared("absent(a == 1)") == "group ( a == bool 1 )"


def test_what_is_no_token_is_told() -> None:
    with pytest.raises(ValueError, match="No token"):
        [*selectors("a # b")]
