"""How much memory a process has needed, told by itself."""

from __future__ import annotations

from pathlib import Path


def peak_mb() -> float:
    """Return the most memory this process has held since its program began, in MB.

    `ru_maxrss` would be wrong here: it outlives fork and exec, so that it tells what the tests' own process held.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
