"""The dashboards and what sets Grafana up: as its documentation has them, since no Grafana is at hand to open them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from copydesk.serve.metrics import DECLARED, JOBS
from monitored import (
    DASHBOARDS,
    DEPLOY,
    GAUGES,
    GRAFANA,
    all_rules,
    asked,
    dashboard,
    filled_in,
    metrics,
    mistakes,
    panels,
)
from promql import labels_named, selectors

COMPOSE = yaml.safe_load((DEPLOY / "monitoring.compose.yml").read_text("utf-8"))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
KINDS = {"timeseries", "stat", "heatmap", "bargauge", "state-timeline"}
UNITS = {"short", "none", "s", "reqps", "percentunit"}
CALCULATIONS = {"lastNotNull", "max"}
WIDTH = 24
each = pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)


def test_the_dashboards_are_what_their_python_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-B", GRAFANA / "dashboards.py", tmp_path], check=True)
    made = {file.name: file.read_text("utf-8") for file in tmp_path.iterdir()}
    assert made == {file.name: file.read_text("utf-8") for file in DASHBOARDS}, (
        "Run: python deploy/grafana/dashboards.py"
    )
    assert sorted(made) == ["model.json", "service.json"]


@each
def test_a_dashboard_is_of_the_documented_model(file: Path) -> None:
    found = dashboard(file)
    assert found["schemaVersion"] == 39 and 8 <= len(found["uid"]) <= 40 and "id" not in found
    assert found["title"] and found["description"] and found["tags"] == ["copydesk"]
    assert found["graphTooltip"] in (0, 1, 2) and re.fullmatch(r"\d+[smh]", found["refresh"])
    assert set(found["time"]) == {"from", "to"}
    numbers = [panel["id"] for panel in found["panels"]]
    assert len(set(numbers)) == len(numbers) and min(numbers) > 0


def test_no_two_dashboards_have_one_uid() -> None:
    assert len({dashboard(file)["uid"] for file in DASHBOARDS}) == len(DASHBOARDS)


@each
def test_no_panel_lies_on_another_and_none_sticks_out(file: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard(file)["panels"]:
        place = panel["gridPos"]
        assert place["w"] > 0 and place["h"] > 0 and 0 <= place["x"] <= WIDTH - place["w"] and place["y"] >= 0
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken.get((x, y))}"
                taken[x, y] = panel["title"]
    bottom = 1 + max(y for _, y in taken)
    assert len(taken) >= 0.95 * WIDTH * bottom, "the rows have holes"


@each
def test_a_panel_says_what_it_shows_in_which_unit_by_which_legend(file: Path) -> None:
    for panel in panels(file):
        title = panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["type"] in KINDS and title and panel["description"].endswith("."), title
        assert panel["datasource"] == SOURCE and defaults["unit"] in UNITS, title
        steps = defaults["thresholds"]["steps"]
        assert steps[0]["value"] is None and [step["value"] for step in steps[1:]] == sorted(
            step["value"] for step in steps[1:]
        )
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == [*"ABCDEFGH"][: len(letters)] and letters, title
        for target in panel["targets"]:
            assert target["datasource"] == SOURCE and target["legendFormat"], title
            assert target["instant"] != target["range"], title
            assert (target["format"] == "heatmap") == (panel["type"] == "heatmap"), title
            _require_labels(target["legendFormat"], target["expr"])
        calculations = panel["options"].get("legend", {}).get("calcs", [])
        assert set(calculations) <= CALCULATIONS


def _require_labels(legend: str, expression: str) -> None:
    """Require that the labels a legend shows are those that the series have."""
    shown = set(re.findall(r"{{(\w+)}}", legend))
    known, expression = metrics(), filled_in(expression)
    aggregated = re.search(r"\b(sum|max|min|avg|count)\b", expression) is not None
    there = labels_named(expression) if aggregated else set.union(*(known[one.metric] for one in selectors(expression)))
    assert shown <= there, f"{legend!r} shows {shown - there}, which {expression} has not"
    if aggregated and "le" not in shown:
        assert shown >= labels_named(expression) - {"le"}, f"{legend!r} tells series apart too little: {expression}"


@each
def test_every_expression_asks_for_series_and_labels_that_there_are(file: Path) -> None:
    for title, expression in asked(file):
        assert not mistakes(expression), title
        assert "$" not in expression


def test_every_metric_is_shown_or_alarmed_for() -> None:
    expressions = [expression for file in DASHBOARDS for _, expression in asked(file)]
    expressions += [rule["expr"] for rule in all_rules()]
    used = {re.sub("_(bucket|sum|count)$", "", one.metric) for each in expressions for one in selectors(each)}
    assert {*DECLARED, JOBS, *GAUGES} <= used


@each
def test_variables_are_declared_used_and_read_from_series_that_there_are(file: Path) -> None:
    found = dashboard(file)
    variables = {variable["name"]: variable for variable in found["templating"]["list"]}
    text = file.read_text("utf-8")
    used = {name for name in re.findall(r"\$\{?(\w+)\}?", text) if not name.startswith("__")}
    assert used == set(variables)
    source = variables.pop("datasource")
    assert source["type"] == "datasource" and source["query"] == "prometheus"
    for variable in variables.values():
        asked_for = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
        assert asked_for is not None and variable["query"]["query"] == variable["definition"]
        assert not mistakes(f"sum by ({asked_for[2]}) ({filled_in(asked_for[1])})")
        assert variable["datasource"] == SOURCE and variable["includeAll"] and variable["allValue"] == ".*"


@each
def test_versions_are_marked(file: Path) -> None:
    (note,) = dashboard(file)["annotations"]["list"]
    assert note["name"] == "Version" and note["enable"] and note["datasource"] == SOURCE
    assert "{{version}}" in note["textFormat"]


def _provisioned(kind: str, list_of: str) -> dict[str, Any]:
    (file,) = (GRAFANA / "provisioning" / kind).glob("*.yml")
    found = yaml.safe_load(file.read_text("utf-8"))
    assert found["apiVersion"] == 1
    (only,) = found[list_of]
    return dict(only)


def _mounted(service: str) -> dict[str, str]:
    """Return where a service finds which folder of deploy/, or which volume."""
    volumes = [volume.split(":") for volume in COMPOSE["services"][service]["volumes"]]
    return {parts[1]: parts[0] for parts in volumes}


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    source = _provisioned("datasources", "datasources")
    assert source["url"] == "http://prometheus:9090" and "prometheus" in COMPOSE["services"]
    assert source["type"] == "prometheus" and source["isDefault"] and not {"password", "secureJsonData"} & set(source)
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
    folder = _provisioned("dashboards", "providers")["options"]["path"]
    mounted = _mounted("grafana")
    assert (DEPLOY / mounted[folder]).resolve() == GRAFANA / "dashboards"
    assert (DEPLOY / mounted["/etc/grafana/provisioning"]).resolve() == GRAFANA / "provisioning"


def test_grafana_has_no_password_of_its_own_and_lets_nobody_in_without_one() -> None:
    environment = COMPOSE["services"]["grafana"]["environment"]
    (secret,) = COMPOSE["services"]["grafana"]["secrets"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == f"/run/secrets/{secret}"
    assert COMPOSE["secrets"][secret]["file"] == "${GRAFANA_ADMIN_PASSWORD_FILE:-./secrets/grafana-password}"
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    for file in DEPLOY.rglob("*"):
        if file.suffix in (".yml", ".json", ".py"):
            assert not re.search(r"ADMIN_PASSWORD\s*[:=]|admin_password", file.read_text("utf-8")), file


def test_data_lies_on_volumes_and_ports_on_this_machine_alone() -> None:
    for service, folder in (("prometheus", "/prometheus"), ("grafana", "/var/lib/grafana")):
        assert _mounted(service)[folder] in COMPOSE["volumes"]
        assert all(port.startswith("127.0.0.1:") for port in COMPOSE["services"][service]["ports"])
        assert COMPOSE["services"][service]["restart"] == "unless-stopped"
    command = COMPOSE["services"]["prometheus"]["command"]
    assert "--storage.tsdb.path=/prometheus" in command
    assert {option.partition("=")[0] for option in command} >= {
        "--storage.tsdb.retention.time",
        "--storage.tsdb.retention.size",
    }
    assert _mounted("prometheus")["/etc/prometheus"] == "./prometheus"
