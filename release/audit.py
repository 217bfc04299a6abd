"""What is known to be wrong with our code and with what we depend on: `python -m release.audit`.

bandit reads our code; a finding of medium or high severity fails, unless its line says why it is none, as in
`# nosec B608 # reason`. pip-audit asks a vulnerability service about the exact versions of constraints.txt; without a
network it cannot, and that is said, not passed over: `--offline` leaves it out on purpose.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from release.packages import ROOT

CODE = ("src", "deploy", "release", "bench", "docs")
_NOSEC = re.compile(r"#\s*nosec\b(?P<rest>.*)$")
_REASONED = re.compile(r"^ B\d{3}(, ?B\d{3})* # \S")
UNREACHABLE = ("ServiceError", "ConnectionError", "NewConnectionError", "NameResolutionError", "Max retries exceeded")


def bandit_command(folders: Sequence[str]) -> list[str]:
    """Return the command that fails for a finding of medium or high severity."""
    return [sys.executable, "-m", "bandit", "--quiet", "--recursive", "-ll", *folders]


def pip_audit_command(*, service: str = "osv", address: str | None = None) -> list[str]:
    """Return the command that asks about every pinned version, installing nothing."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt"), "--no-deps"]
    command += ["--disable-pip", "--strict", "--progress-spinner", "off", "--vulnerability-service", service]
    return command + (["--osv-url", address] if address else [])


def unreasoned(root: Path = ROOT) -> list[str]:
    """Return the lines that silence bandit without naming a rule and a reason."""
    found = []
    for file in sorted(file for folder in CODE for file in (root / folder).rglob("*.py")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            mark = _NOSEC.search(line)
            if mark and "_NOSEC" not in line and not _REASONED.match(mark["rest"]):
                found.append(f"{file.relative_to(root)}:{number}: say which rule and why: # nosec B608 # reason")
    return found


def main() -> None:
    """Run both; exits with 1 for a finding, with 3 where only the vulnerability service could not be asked."""
    parser = argparse.ArgumentParser(prog="python -m release.audit", description=__doc__)
    parser.add_argument("--offline", action="store_true", help="only our own code: no vulnerability service is asked")
    parser.add_argument("--osv-url", help="another vulnerability service that speaks as OSV does")
    options = parser.parse_args()
    faults = unreasoned()
    print("\n".join(faults), end="\n" if faults else "")
    folders = [name for name in CODE if (ROOT / name).is_dir()]
    done = subprocess.run(bandit_command(folders), cwd=ROOT, capture_output=True, text=True, check=False)
    if faults or done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr[-2_000:]}")
    print(f"bandit: nothing of medium or high severity in {', '.join(CODE)}")
    if not options.offline:
        sys.exit(_dependencies(options.osv_url))


def _dependencies(address: str | None) -> int:
    """Ask about constraints.txt; return 0 for nothing known, 1 for something, 3 where nobody could be asked."""
    done = subprocess.run(pip_audit_command(address=address), capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        print("pip-audit: the vulnerability service cannot be reached; dependencies were NOT checked.")
        return 3
    sys.stderr.write(done.stderr)
    return 1 if done.returncode else 0


if __name__ == "__main__":
    main()
