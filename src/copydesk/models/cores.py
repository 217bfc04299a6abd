"""How many processor cores this process may use, and what they can do: its share, not the machine's."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_CPUINFO = Path("/proc/cpuinfo")
_NOTED = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "bf16")
_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}


def allowed_cores(cgroup: Path = _CGROUP) -> int:
    """Return the cores that affinity, the container's quota and OMP_NUM_THREADS leave, at least 1.

    Schedulers such as Ray set OMP_NUM_THREADS for their workers.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    limits = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    if quota := _quota(cgroup):
        limits.append(math.ceil(quota))
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if wanted.isdecimal():
        limits.append(int(wanted))
    return max(min(limits), 1)


def _quota(cgroup: Path) -> float | None:
    """Return the cores a control group (version 2, else 1) grants, None if it sets no limit."""
    try:
        wanted, period = (cgroup / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        try:
            wanted, period = (
                (cgroup / "cpu" / f"cpu.cfs_{what}_us").read_text("ascii") for what in ("quota", "period")
            )
        except OSError:
            return None
    try:
        return int(wanted) / int(period) if int(wanted) > 0 else None
    except (ValueError, ZeroDivisionError):
        return None  # "max": no limit


def features(cpuinfo: Path = _CPUINFO) -> tuple[str, ...]:
    """Return the vector extensions that matter here, by Linux' names; on other systems only the architecture."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return (platform.machine(),)
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return tuple(name for name in _NOTED if name in flags)


def adds_bytes_in_32_bits() -> bool:
    """Tell whether products of bytes are added without overflow (VNNI, Arm's dot product)."""
    return bool(_DOT_PRODUCTS & set(features())) or (platform.system(), platform.machine()) == ("Darwin", "arm64")
