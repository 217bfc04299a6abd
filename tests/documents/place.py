"""The folder in which a page's blocks run: its programs, its environment, and what its commands have printed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from documents.pages import ROOT
from documents.ports import PORTS, with_ports

if TYPE_CHECKING:
    from documents.world import World

HERE = Path(__file__).parent
PROGRAMS = ("copydesk", "python", "torchrun", "end-all")
ALWAYS = {"BROWSER": "true", "COLUMNS": "120", "COPYDESK_ALLOW_PRIVATE_HOSTS": "1"}
"""A review opens no browser; tables have one width; the tests' servers are on this machine."""
_LIMIT_S = 600


@dataclass
class Place:
    """A page's folder. `values` fill in what replacements say in braces; `closers` are called when the page ends."""

    folder: Path
    world: World
    values: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    closers: list[Callable[[], object]] = field(default_factory=list)
    printed: str = ""

    def __post_init__(self) -> None:
        self.state = self.folder.parent / f"{self.folder.name}.state"
        programs = self.state / "bin"
        programs.mkdir(parents=True)
        self.folder.mkdir()
        for program in PROGRAMS:
            _link_program(programs / program, "client")
        for program in STAND_INS:
            _link_program(programs / program, "stand_in")
        (self.folder / ".venv").mkdir()
        (self.folder / ".venv" / "bin").symlink_to(programs)
        self.ports = {usual: str(_free_port()) for usual in PORTS}
        kept = ("HOME", "LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS")
        self.environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(HERE.parent)]),
            "COPYDESK_CACHE": str(self.state / "cache"),
            "COPYDESK_TRACKING": "off",
            "HF_HUB_OFFLINE": "1",
            "DOCUMENTS_SOCKET": str(self.world.preloaded.socket),
            "DOCUMENTS_STATE": str(self.state),
            "DOCUMENTS_TRUTH": str(self.world.truth),
            "DOCUMENTS_PORTS": json.dumps(self.ports),
            "DOCUMENTS_PYTHON": sys.executable,
            "DOCUMENTS_ROOT": str(ROOT),
            "DOCUMENTS_EXITS": "[]",
            **self.environment,
        }

    def run(self, script: str) -> str:
        """Run a script as a reader types it into one shell, and return what it prints. Raises `AssertionError`."""
        kept = self.state / "shell"
        before = f"set -eo pipefail\n[ ! -f {kept} ] || . {kept}\n"
        after = f'trap \'{{ export -p; printf "cd %q\\n" "$PWD"; }} > {kept}\' EXIT\n'
        command = ["bash", "--noprofile", "--norc", "-c", before + after + script]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**ALWAYS, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        self.printed += done.stdout
        assert done.returncode == 0, f"exit code {done.returncode} of\n{script}\n{done.stdout[-4_000:]}"
        return done.stdout

    def end(self) -> None:
        """End what is left running, and require that it ends in order."""
        try:
            self.run("end-all")
        finally:
            for closer in reversed(self.closers):
                closer()

    def take(self, made: str, name: str | None = None) -> Path:
        """Copy something that is made once for all pages, under its own name or another, and return where it is."""
        source, target = self.world.made(made), self.folder / (name or made)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
        if source.suffix == ".db":
            _move_artifacts(target, source.parent, target.parent)
            shutil.copytree(source.parent / "mlartifacts", target.parent / "mlartifacts", dirs_exist_ok=True)
        return target

    def with_ports(self, text: str) -> str:
        """Return a text with the page's own ports."""
        return with_ports(text, self.ports)

    def set(self, variables: Mapping[str, str]) -> None:
        """Let commands find variables in their environment."""
        self.environment.update(variables)


STAND_INS = ("docker", "gcloud", "gh", "kubectl", "make", "pip", "ray", "gsutil", "bq", "systemctl", "apt-get")
"""Programs that are not here, or would reach out or take too long: `stand_in` checks what they are told."""


def _move_artifacts(database: Path, source: Path, target: Path) -> None:
    """Let a copied registry keep its files beside itself: it has written down where they are."""
    places = {"experiments": ["artifact_location"], "model_versions": ["source", "storage_location"]}
    with closing(sqlite3.connect(database)) as db, db:
        for table, columns in places.items():
            for column in columns:
                change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # names from the line above
                db.execute(change, (str(source), str(target)))


def _link_program(path: Path, module: str) -> None:
    start = f"#!{sys.executable} -SE\nimport sys\nsys.path.insert(0, {str(HERE.parent)!r})\n"
    path.write_text(f"{start}from documents.{module} import main\nsys.exit(main({path.name!r}, sys.argv[1:]))\n")
    path.chmod(0o755)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
