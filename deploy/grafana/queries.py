"""Expressions that dashboards need again and again, in Prometheus' language."""

from __future__ import annotations

EVERY = "[$__rate_interval]"
"""Grafana's: long enough for a rate at any zoom."""


def quantile(share: float, metric: str, by: str = "") -> str:
    """Return the expression of a quantile of a histogram: `metric` with its matchers, by these labels."""
    name, _, matchers = metric.partition("{")
    return f"histogram_quantile({share}, sum by (le{by and ', ' + by}) (rate({name}_bucket{{{matchers}{EVERY})))"


def mean(metric: str, by: str) -> str:
    """Return the expression of a histogram's mean."""
    name, _, matchers = metric.partition("{")
    parts = [f"sum by ({by}) (rate({name}_{part}{{{matchers}{EVERY}))" for part in ("sum", "count")]
    return " / ".join(parts)


def rate(metric: str, by: str) -> str:
    """Return the expression of a counter's rate."""
    return f"sum by ({by}) (rate({metric}{EVERY}))"


def changes(matchers: str) -> str:
    """Return the expression of versions that answer now and did not two minutes ago."""
    now = f"max by (name, version) (copydesk_model_info{{{matchers}}})"
    return f"{now} == 1 unless {now.replace('})', '} offset 2m)')} == 1"
