"""The memory that a process with one model needs, measured in a process of its own.

`python -m copydesk.gate.memory BUNDLE` is that process: it reads texts from its standard input, answers them, and
prints the most memory it has held, in MB. What the asking process holds does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from copydesk.errors import BundleError
from copydesk.runtime.engine import Classifier

_STATUS = Path("/proc/self/status")


def memory_mb(bundle: Path, texts: Sequence[str]) -> float:
    """Return the most memory that a fresh process holds while this bundle answers these texts. Raises `BundleError`."""
    done = subprocess.run(  # this very module, on a bundle that was verified
        [sys.executable, "-m", "copydesk.gate.memory", str(bundle)],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BundleError(f"'{bundle}' could not answer in a process of its own, to measure its memory: {reason}")
    return float(done.stdout.split()[-1])


def peak_mb() -> float:
    """Return the most memory that this process has held since its program began."""
    if _STATUS.is_file():  # `ru_maxrss` would count what the parent held before this program began
        status = dict(line.split(":", 1) for line in _STATUS.read_text("ascii").splitlines())
        return int(status["VmHWM"].split()[0]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def _main() -> None:
    classifier = Classifier.load(sys.argv[1])
    texts = json.load(sys.stdin)
    for text in texts:
        classifier.predict([text])
    classifier.predict(texts)
    sys.stdout.write(f"{peak_mb()}\n")


if __name__ == "__main__":
    _main()
