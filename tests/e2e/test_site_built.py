"""The documentation site, built as `make docs` builds it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parent.parent.parent


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs" / "make_site.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    site = ROOT / "build" / "site"
    for page in [*(ROOT / "docs").glob("*.md"), Path("changelog.md")]:
        html = (site / page.with_suffix(".html").name).read_text("utf-8")
        assert "<h1" in html
        assert not re.findall(r'<(?:img|iframe)[^>]* src="https?:|<link[^>]* href="https?:', html)
        assert not [script for script in re.findall(r"<script.*?</script>", html, re.DOTALL) if "https://" in script]
    assert (site / "search.json").exists() and (site / "images" / "architecture.svg").exists()
