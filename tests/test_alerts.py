"""The rules that Prometheus is given: sound, explained, and each tried by Prometheus' own tool."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitored import PROMETHEUS, RULES, alerts, all_rules, mistakes
from prometheus_server import needed

ROOT = PROMETHEUS.parent.parent
DOCUMENT = ROOT / "docs" / "alerts.md"
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
_WITHOUT_VALUE = "absent("  # what is not there has neither value nor labels


def _promtool(*arguments: object, folder: Path = PROMETHEUS) -> str:
    needed()
    done = subprocess.run(
        [str(shutil.which("promtool")), *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    assert "SUCCESS" in _promtool("check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")
    for file in RULES:
        assert "SUCCESS" in _promtool("check", "rules", "--lint=all", "--lint-fatal", file)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then_and_resolve(file: Path) -> None:
    assert "SUCCESS" in _promtool("test", "rules", file)


def _tried() -> dict[str, list[list[bool]]]:
    """Return by alert, for each test of it, whether it fires at the times that are looked at."""
    found: dict[str, list[list[bool]]] = {name: [] for name in alerts()}
    for file in TESTS:
        for test in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            times: dict[str, list[bool]] = {}
            for look in sorted(test["alert_rule_test"], key=lambda look: _minutes(look["eval_time"])):
                times.setdefault(look["alertname"], []).append(bool(look["exp_alerts"]))
            for name, fires in times.items():
                found[name].append(fires)
    return found


def _minutes(time: str) -> int:
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?", time)
    assert found is not None, time
    return 60 * int(found[1] or 0) + int(found[2] or 0)


def test_every_alert_is_tried_firing_resolved_and_quiet() -> None:
    for name, tests in _tried().items():
        assert [True, False] in tests, f"{name} has no test in which it fires and is over"
        assert any(not any(fires) for fires in tests), f"{name} has no test in which it does not fire"


def test_an_alert_that_is_too_eager_or_deaf_fails_its_test(tmp_path: Path) -> None:
    copy = tmp_path / "prometheus"
    shutil.copytree(PROMETHEUS, copy)
    rule, file = copy / "rules" / "service.yml", copy / "tests" / "service.yml"
    tests = yaml.safe_load(file.read_text("utf-8"))
    tests["tests"] = [test for test in tests["tests"] if test["name"].startswith(("CopydeskSlow", "CopydeskRefusing"))]
    file.write_text(yaml.safe_dump(tests), encoding="utf-8")
    _promtool("test", "rules", file)
    sound = rule.read_text("utf-8")
    for before, after in (
        ("p99_5m > 0.5", "p99_5m > 0.2"),
        ("p99_5m > 0.5", "p99_5m > 5"),
        ("ratio5m > 0.01", "ratio5m > 0"),
    ):
        assert before in sound
        rule.write_text(sound.replace(before, after), encoding="utf-8")
        with pytest.raises(AssertionError, match="FAILED"):
            _promtool("test", "rules", file)


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_bad_it_is_what_it_saw_and_what_to_do(name: str) -> None:
    alert = alerts()[name]
    texts = alert["annotations"]
    assert alert["labels"]["severity"] in ("critical", "warning") and re.fullmatch(r"\d+[mh]", alert["for"])
    assert set(texts) == {"summary", "description", "runbook_url"}
    if _WITHOUT_VALUE not in alert["expr"]:
        assert "$value" in texts["description"] and "$labels" in texts["description"]
    assert texts["runbook_url"] == f"docs/alerts.md#{name.lower()}"


def test_every_alert_has_its_entry_and_no_other_has() -> None:
    entries = _entries()
    assert [*entries] == [*alerts()]
    for name, entry in entries.items():
        for part in ("Means", "Look at", "Do"):
            assert f"**{part}.**" in entry, f"{name} does not say: {part}"
        for expected in (alerts()[name]["labels"]["severity"], alerts()[name]["for"]):
            assert f"`{expected}`" in entry, f"{name}: {expected}"


def _entries() -> dict[str, str]:
    parts = re.split(r"^### (\w+)\n", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {name: text.split("\n## ")[0] for name, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_series_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    assert not mistakes(rule["expr"])


def test_a_rule_that_asks_for_what_nobody_tells_is_found() -> None:
    assert mistakes("copydesk_request_total") == ["nobody tells of copydesk_request_total"]
    assert mistakes('copydesk_jobs{state="pending"}') == ["copydesk_jobs has no label state"]
    assert mistakes("sum by (lane) (copydesk_jobs)") == ["no series here has a label lane"]


def test_alerts_are_in_one_group_with_what_they_read_as_groups_are_evaluated_in_any_order() -> None:
    for file in RULES:
        assert len(yaml.safe_load(file.read_text("utf-8"))["groups"]) == 1


def test_no_rule_hides_that_a_series_is_missing() -> None:
    for rule in all_rules():
        assert not re.search(r"\b(vector|unless)\b|\bor\b", rule["expr"]), rule


def test_the_tests_of_alerts_run_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prometheus_server.BINARY", None)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install prometheus"):
        needed()
    assert "prometheus" in (ROOT / ".ci" / "run").read_text("utf-8")
