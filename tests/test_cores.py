from __future__ import annotations

import os
from pathlib import Path

import pytest

from copydesk.models.cores import allowed_cores, features


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def _version_2(folder: Path, content: str) -> Path:
    (folder / "cpu.max").write_text(content)
    return folder


def test_without_a_limit_all_cores_that_the_process_may_run_on_count(tmp_path: Path) -> None:
    assert allowed_cores(tmp_path) == 8
    assert allowed_cores(_version_2(tmp_path, "max 100000\n")) == 8


@pytest.mark.parametrize(("quota", "cores"), [("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1)])
def test_a_containers_quota_counts_rounded_up(tmp_path: Path, quota: str, cores: int) -> None:
    assert allowed_cores(_version_2(tmp_path, quota)) == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3), ("-1", 8)])
def test_the_older_control_groups_count_too(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert allowed_cores(tmp_path) == cores


def test_a_larger_quota_than_there_are_cores_changes_nothing(tmp_path: Path) -> None:
    assert allowed_cores(_version_2(tmp_path, "9900000 100000")) == 8


@pytest.mark.parametrize(("wanted", "cores"), [("3", 3), ("3,2", 3), ("99", 8), ("0", 1), ("many", 8)])
def test_what_a_scheduler_grants_by_omp_num_threads_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, cores: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert allowed_cores(tmp_path) == cores


def test_features_are_read_from_the_processors_flags(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor: 0\nflags\t\t: fpu avx2 sse4_2 avx512_vnni\n")
    assert features(tmp_path / "cpuinfo") == ("avx2", "avx512_vnni")
    assert len(features(tmp_path / "missing")) == 1
