"""Wheel and sdist as users get them: built, looked into, and installed in environments of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from release import packages
from release.extras import INSTALLED, try_all
from release.ready import checkout

pytestmark = pytest.mark.e2e


def test_the_wheel_is_whole_and_the_small_installs_work(tmp_path: Path) -> None:
    """The other extras, a second build and the comparison of both are in `make release`."""
    wheel, sdist = packages.build(tmp_path / "dist", epoch=checkout().committed_at)
    tracked = packages.tracked_files()
    assert packages.faults_of_wheel(packages.names_in(wheel), tracked) == []
    assert packages.faults_of_sdist(packages.names_in(sdist), tracked) == []
    outcomes = try_all(wheel, [one for one in INSTALLED if one.quick], tmp_path)
    assert [outcome.name for outcome in outcomes] == ["base", "serve"]
    assert not [outcome.fault for outcome in outcomes if outcome.fault]
