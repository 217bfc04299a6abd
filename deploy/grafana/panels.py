"""Grafana's dashboard JSON from a few words for each panel: its kind, its queries, its unit.

The classic model, schemaVersion 39, which Grafana 10.3 and later read; every panel asks the data source that is chosen
at the top of the dashboard. Places and ids follow from the order of rows and panels. What the queries mean it does not
know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = 39
WIDTH = 24
_TAG = "copydesk"
_HEIGHTS = {"stat": 4}
_HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LEGEND = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
_TOOLTIP = {"mode": "multi", "sort": "desc"}
_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_YES_NO = [
    {
        "type": "value",
        "options": {
            "0": {"text": "no", "color": "semi-dark-green", "index": 0},
            "1": {"text": "yes", "color": "semi-dark-red", "index": 1},
        },
    }
]


@dataclass(frozen=True)
class Panel:
    """One panel. `queries` are legends with their expressions; `warn` and `alarm` colour it from these values on.

    `unit` is one of Grafana's. `stacked` lines add up, `dashed` is a regular expression of legends that are drawn so.
    """

    kind: str
    title: str
    about: str
    queries: dict[str, str]
    unit: str = "short"
    width: int = 8
    thresholds: tuple[float, ...] = ()
    stacked: bool = False
    dashed: str = ""
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Row:
    """A heading and the panels under it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard. `variables` are names and what their values are read from, `notes` annotations and their queries."""

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    variables: dict[str, str]
    notes: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return what Grafana reads."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": [_TAG],
            "schemaVersion": SCHEMA,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "links": [_LINKS],
            "annotations": {"list": [_note(name, query) for name, query in self.notes.items()]},
            "templating": {"list": [_CHOICE, *(_variable(name, query) for name, query in self.variables.items())]},
            "panels": [*_placed(self.rows)],
        }


_CHOICE = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "hide": 0,
    "refresh": 1,
}
_LINKS = {
    "title": "Copydesk",
    "type": "dashboards",
    "tags": [_TAG],
    "asDropdown": False,
    "includeVars": False,
    "keepTime": True,
    "targetBlank": False,
    "icon": "dashboard",
    "tooltip": "",
    "url": "",
}


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _note(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": _SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": query,
        "step": "60s",
        "titleFormat": name,
        "textFormat": "{{name}} {{version}}",
    }


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield rows and panels from left to right and from top to bottom, numbered."""
    number, top = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        top += 1
        left, height = 0, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top = 0, top + height
            number, height = number + 1, _HEIGHTS.get(panel.kind, _HEIGHT)
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": height})
            left += panel.width
        top += height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [_target(panel, *query) for query in zip(_letters(), panel.queries.items(), strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel.kind](panel),
    }


def _letters() -> Iterator[str]:
    yield from "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _target(panel: Panel, letter: str, query: tuple[str, str]) -> dict[str, Any]:
    legend, expression = query
    at_once = panel.kind in ("stat", "bargauge")
    return {
        "refId": letter,
        "datasource": _SOURCE,
        "editorMode": "code",
        "expr": expression,
        "legendFormat": legend,
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        "instant": at_once,
        "range": not at_once,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    colours = ("green", "orange", "red")[: len(panel.thresholds) + 1]
    values = (None, *panel.thresholds)
    steps = [{"color": colour, "value": value} for colour, value in zip(colours, values, strict=True)]
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.limits:
        found["min"], found["max"] = panel.limits
    if panel.kind == "state-timeline":
        return {**found, "mappings": _YES_NO, "color": {"mode": "thresholds"}, "custom": {"fillOpacity": 80}}
    if panel.kind != "timeseries":
        return {**found, "color": {"mode": "thresholds"}}
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
    }
    return {**found, "color": {"mode": "palette-classic"}, "custom": custom}


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    if not panel.dashed:
        return []
    style = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}}
    return [{"matcher": {"id": "byRegexp", "options": f"/{panel.dashed}/"}, "properties": [style]}]


def _heat(panel: Panel) -> dict[str, Any]:
    return {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "scale": "exponential", "exponent": 0.5, "steps": 64},
        "filterValues": {"le": 1e-9},
        "rowsFrame": {"layout": "auto"},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "unit": panel.unit, "reverse": False},
    }


_OPTIONS = {
    "timeseries": lambda panel: {"legend": _LEGEND, "tooltip": _TOOLTIP},
    "stat": lambda panel: {
        "reduceOptions": _LAST,
        "colorMode": "value" if panel.thresholds else "none",
        "graphMode": "none",
        "textMode": "name" if panel.unit == "none" else "auto",
        "orientation": "auto",
        "justifyMode": "auto",
    },
    "bargauge": lambda panel: {
        "reduceOptions": _LAST,
        "displayMode": "basic",
        "orientation": "horizontal",
        "showUnfilled": True,
    },
    "heatmap": _heat,
    "state-timeline": lambda panel: {
        "mergeValues": True,
        "showValue": "never",
        "rowHeight": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"},
    },
}
