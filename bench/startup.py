"""From nothing to the first answer, and what it holds in memory: each in a fresh process, in one run.

    python bench/startup.py --bundle DIR [--rounds 5]

  python                    an empty interpreter
  imports                   numpy, tokenizers and onnxruntime alone: the floor for anything built on them
  copydesk                  copydesk.load(DIR).predict([text]), checksums of every file verified
  transformers.pipeline     the encoder's own files through torch, as it is usually done

Seconds are the median of the rounds from the start of the process to the first answer, megabytes its resident memory
then and at its peak. Files are read once before, so that the disk does not count.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

_MEMORY = """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(*(int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")), flush=True)
import os; os._exit(0)
"""
_TEXT = "Parliament votes on the new budget after a long night"
_CONTESTANTS = {
    "python": "",
    "imports": "import numpy, tokenizers, onnxruntime",
    "copydesk": "import copydesk; copydesk.load({bundle!r}).predict([{text!r}])",
    "transformers.pipeline": (
        "import torch, transformers; transformers.logging.set_verbosity_error()\n"
        "pipe = transformers.pipeline('feature-extraction', model={model!r}, device='cpu'); pipe([{text!r}])"
    ),
}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for file in options.bundle.rglob("*"):
        if file.is_file():
            file.read_bytes()
    print(f"{'':24} {'seconds':>8} {'min':>7} {'max':>7} {'resident MB':>12} {'peak MB':>8}")
    for name, code in _CONTESTANTS.items():
        source = code.format(bundle=str(options.bundle), model=str(options.bundle / "model"), text=_TEXT) + _MEMORY
        seconds, resident, peak = zip(*(_started(source) for _ in range(options.rounds)), strict=True)
        median = statistics.median
        print(
            f"{name:24} {median(seconds):8.2f} {min(seconds):7.2f} {max(seconds):7.2f} {median(resident):12.0f} "
            f"{median(peak):8.0f}",
            flush=True,
        )


def _started(code: str) -> tuple[float, float, float]:
    silent = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}  # onnxruntime sends some when it is imported
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=silent)
    seconds = time.perf_counter() - started
    resident, peak = map(float, done.stdout.split()[-2:])
    return seconds, resident, peak


if __name__ == "__main__":
    main()
