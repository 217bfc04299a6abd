"""What there is to ask a Prometheus for: the server's metrics, the watch's gauges, what the rules record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Histogram

from copydesk.monitor import gauges
from copydesk.serve.metrics import DECLARED, JOBS
from promql import labels_named, selectors

DEPLOY = Path(__file__).parent.parent / "deploy"
PROMETHEUS, GRAFANA = DEPLOY / "prometheus", DEPLOY / "grafana"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"), reverse=True)
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
GAUGES = {f"{gauges.PREFIX}{name}": labels for name, (_, labels) in gauges.DECLARED.items()}
_TARGET = {"job", "instance"}
_GRAFANA = {"$__rate_interval": "1m"}


def rules(file: Path) -> list[dict[str, Any]]:
    """Return a file's rules, recording and alerting."""
    return [rule for group in yaml.safe_load(file.read_text("utf-8"))["groups"] for rule in group["rules"]]


@cache
def all_rules() -> list[dict[str, Any]]:
    """Return every rule."""
    return [rule for file in RULES for rule in rules(file)]


def alerts() -> dict[str, dict[str, Any]]:
    """Return every alert by its name."""
    return {rule["alert"]: rule for rule in all_rules() if "alert" in rule}


def dashboard(file: Path) -> dict[str, Any]:
    """Return a dashboard."""
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def panels(file: Path) -> list[dict[str, Any]]:
    """Return a dashboard's panels without the headings of its rows."""
    return [panel for panel in dashboard(file)["panels"] if panel["type"] != "row"]


def asked(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the titles and expressions of a dashboard's panels and annotations, variables filled in as Grafana does."""
    for panel in panels(file):
        for target in panel["targets"]:
            yield f"{panel['title']}: {target['legendFormat']}", filled_in(target["expr"])
    for note in dashboard(file)["annotations"]["list"]:
        yield f"annotation {note['name']}", filled_in(note["expr"])


def filled_in(expression: str) -> str:
    """Return an expression as it is asked when `All` is chosen everywhere."""
    for name, value in _GRAFANA.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$\{?\w+\}?", ".*", expression)


@cache
def metrics() -> dict[str, set[str]]:
    """Return the labels of every series by its name."""
    known = {"up": set(_TARGET), JOBS: {"status", *_TARGET}}
    for name, declared in DECLARED.items():
        labels = {*declared.labels, *_TARGET}
        if declared.kind is Histogram:
            known |= {f"{name}_bucket": {*labels, "le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            known[name] = labels
    known |= {name: {*labels, *_TARGET} for name, labels in GAUGES.items()}
    for rule in all_rules():
        if "record" in rule:
            known[rule["record"]] = _labels_left(rule["expr"], known)
    return known


def mistakes(expression: str) -> list[str]:
    """Return what an expression asks for and nobody tells."""
    known = metrics()
    found = []
    for selector in selectors(expression):
        if selector.metric not in known:
            found.append(f"nobody tells of {selector.metric}")
            continue
        strange = {label for label, _, _ in selector.matchers} - known[selector.metric]
        found += [f"{selector.metric} has no label {label}" for label in sorted(strange)]
    possible = {label for selector in selectors(expression) for label in known.get(selector.metric, ())}
    return found + [f"no series here has a label {label}" for label in sorted(labels_named(expression) - possible)]


def _labels_left(expression: str, known: dict[str, set[str]]) -> set[str]:
    """Return the labels of what a rule records: those it groups by, or of what it reads where it groups by none."""
    named = labels_named(expression) - {"le"}
    return named or set.union(*(known.get(selector.metric, set()) for selector in selectors(expression)))
