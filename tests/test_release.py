"""The steps of a release as functions: what is refused, what is taken out, what is counted."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from release import audit, badges, extras, packages, sbom
from release.extras import INSTALLED
from release.ready import Checkout, faults_of, faults_of_folder
from release.trial import TRIALS

ROOT = Path(__file__).parent.parent
CHANGELOG = "# Changelog\n\n## 1.2.3 — 2026-12-01\n\n- New.\n\n## 1.2.2 — 2026-11-01\n"


def _found(**other: Any) -> Checkout:
    values = {"version": "1.2.3", "changelog": CHANGELOG, "uncommitted": (), "tags": ("v1.2.2",), "committed_at": 1}
    return Checkout(**{**values, **other})


def test_a_clean_checkout_with_its_version_in_the_changelog_is_a_release() -> None:
    assert faults_of(_found(), dated=True) == []
    assert faults_of(_found(tags=("v1.2.3",)), tag="v1.2.3", dated=True) == []


@pytest.mark.parametrize(
    ("other", "tag", "told"),
    [
        ({"uncommitted": (" M src/x.py",)}, None, "not committed:  M src/x.py"),
        ({"version": "1.2.4"}, None, "CHANGELOG.md tells of 1.2.3, and __version__ is 1.2.4"),
        ({"version": "next"}, None, "expected is one like 1.2.3"),
        ({"changelog": CHANGELOG.replace("2026-12-01", "unreleased")}, None, "Write the day"),
        ({"tags": ("v1.2.3",)}, None, "the tag v1.2.3 exists"),
        ({}, "v1.2.4", "Expected is v1.2.3"),
    ],
)
def test_what_is_no_release_is_refused_with_the_reason(other: dict[str, Any], tag: str | None, told: str) -> None:
    (fault,) = [fault for fault in faults_of(_found(**other), tag=tag, dated=True) if told in fault]
    assert fault


def test_a_folder_with_anything_but_a_release_is_not_replaced(tmp_path: Path) -> None:
    for name in ("copydesk-0.1.0-py3-none-any.whl", "copydesk-0.1.0.tar.gz", "copydesk-serve.cdx.json"):
        (tmp_path / name).touch()
    assert faults_of_folder(tmp_path) == faults_of_folder(tmp_path / "new") == []
    (tmp_path / "thesis.tex").touch()
    for out in (tmp_path, tmp_path / "thesis.tex"):
        assert faults_of_folder(out) == [f"--out '{out}' would be replaced, and holds thesis.tex. Name another."]


def test_an_environment_that_there_is_not_is_not_taken_for_one_that_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["release.extras", "copydesk.whl", "--only", "serve;sevre"])
    with pytest.raises(SystemExit) as ended:
        extras.main()
    assert ended.value.code == 2 and "no sevre. There are: base; serve;" in capsys.readouterr().err


def test_a_wheel_holds_every_tracked_file_of_the_package_and_nothing_else() -> None:
    tracked = packages.tracked_files()
    whole = [moved for name in tracked if (moved := packages._in_wheel(name))] + ["copydesk-1.0.dist-info/RECORD"]
    assert packages.faults_of_wheel(whole, tracked) == []
    without = [name for name in whole if not name.endswith("py.typed")]
    assert "missing from the wheel: copydesk/py.typed" in packages.faults_of_wheel(without, tracked)
    more = packages.faults_of_wheel([*whole, "copydesk/mlflow.db", "tests/test_x.py"], tracked)
    assert "in the wheel, and not in the sources: tests/test_x.py" in more
    assert "does not belong there: copydesk/mlflow.db" in more


def test_a_sdist_holds_what_builds_and_tests_the_wheel() -> None:
    tracked = packages.tracked_files()
    assert packages.faults_of_sdist(tracked, tracked) == []
    assert "missing from the sdist: tests/conftest.py" in packages.faults_of_sdist(["pyproject.toml"], tracked)


def test_every_extra_that_users_install_has_a_trial() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert {extra for one in INSTALLED for extra in one.extras} == set(extras) - {"bench", "dev"}
    assert {one.trial for one in INSTALLED} == set(TRIALS)


BILL = {
    "components": [
        {
            "name": "copydesk",
            "version": "1.2.3",
            "type": "library",
            "externalReferences": [{"type": "distribution", "url": "file:///home/ada/copydesk.whl"}],  # a path: planted
        },
        {
            "name": "six",
            "version": "1.17.0",
            "type": "library",
            "properties": [{"name": "cdx:python:package:required-extra", "value": "/opt/x"}],
            "externalReferences": [
                {"type": "website", "url": "https://github.com/benjaminp/six"},
                {"type": "distribution", "url": "https://mirror.example/six.whl"},
            ],
        },
    ],
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
}


def test_a_bill_of_materials_tells_nothing_of_the_machine() -> None:
    bill = sbom.cleaned(BILL, "1.2.3")
    assert bill["metadata"]["component"]["name"] == "copydesk"
    assert [component["name"] for component in bill["components"]] == ["six"]
    assert bill["components"][0]["externalReferences"] == [
        {"type": "website", "url": "https://github.com/benjaminp/six"}
    ]
    assert sbom.invalid(bill) == [] and sbom.local_parts(bill) == []
    assert sbom.local_parts(BILL)
    assert sbom.invalid({**bill, "components": [{"name": "six", "type": "nonsense"}]})


def test_badges_say_what_was_measured() -> None:
    report = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'
    both = [report.format(3_000, 0, 0, 2), report.format(100, 0, 0, 0)]
    assert badges.tests_badge(both)["message"] == "3,098 passed, 2 skipped"
    assert badges.tests_badge([report.format(10, 1, 1, 0)])["color"] == "red"
    with pytest.raises(ValueError, match="no test ran"):
        badges.tests_badge([report.format(5, 0, 0, 5)])
    assert badges.coverage_badge({"totals": {"percent_covered": 93.25}})["message"] == "93.2 %"
    assert badges.score_badge({"score": 5.5}) == badges.badge("ML Test Score", "5.5 of 7", "brightgreen")


def test_a_silenced_finding_needs_a_rule_and_a_reason(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    lines = ["a = 1  # nosec", "b = 1  # nosec B608", "c = 1  # nosec B608 # our own names"]
    (tmp_path / "src" / "x.py").write_text("\n".join(lines))
    assert [fault.split(": ")[0] for fault in audit.unreasoned(tmp_path)] == ["src/x.py:1", "src/x.py:2"]


class _Osv(BaseHTTPRequestHandler):
    """Answers as OSV does: one package has a fault."""

    asked: list[str] = []

    def do_POST(self) -> None:
        package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(package["package"]["name"])
        known = {"id": "OSV-1", "summary": "planted", "modified": "2026-01-01T00:00:00Z", "affected": []}
        body = json.dumps({"vulns": [known]} if self.asked[-1] == "torch" else {}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def osv() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Osv)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def test_pip_audit_takes_our_pins_and_asks_about_each(osv: str) -> None:
    _Osv.asked.clear()
    done = subprocess.run(audit.pip_audit_command(address=osv), capture_output=True, text=True, check=False)
    pins = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line and line[0] != "#"]
    assert len(set(_Osv.asked)) == len(pins), done.stderr[-1_000:]
    assert done.returncode == 1 and "OSV-1" in done.stdout


def test_a_service_that_cannot_be_asked_is_not_taken_for_nothing_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit._dependencies("http://127.0.0.1:9/v1/query") == 3
    assert "dependencies were NOT checked" in capsys.readouterr().out
    assert sys.executable == audit.pip_audit_command()[0]
