"""The services of deploy/compose.yaml as processes, for machines without a Docker engine.

Commands, environment, secrets, configuration and health checks are the compose file's own, an image's entry point the
Dockerfile's. Only what containers do not share with processes is changed: a service's name becomes 127.0.0.1, its port
a free one, a path in the container a folder of this machine. PostgreSQL's image brings a start of its own, which
`_postgres` stands for. Grafana is in no Debian package, and left out.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import copydesk
from compose_file import COMPOSE, DEPLOY, read_compose
from dockerfile import inherited, read_dockerfile, words
from postgres_server import _programs as postgres_programs
from postgres_server import free_port

PORTS = {"api": 8000, "monitor": 9464, "redis": 6379, "mlflow": 5000, "postgres": 5432, "prometheus": 9090}
LEFT_OUT = {"grafana": "in no Debian package", "train": "one command at a time, not a service"}
_PYTHON = ("copydesk", "mlflow")
_OWN_PORT = {
    "monitor": "--port={}",
    "redis": "--port {} --bind 127.0.0.1",
    "prometheus": "--web.listen-address=127.0.0.1:{}",
}
"""How a service that its command lets choose is told of its port."""
_PROBE_PORT = {"redis-cli": ["-p"], "pg_isready": ["-p"]}
_SLOWER = 3.0
"""A machine that does other things too gets so much more time than the compose file gives."""


@dataclass
class Service:
    """A service that runs, and how its health is asked for."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    probe: list[str]
    environment: dict[str, str]
    grace_s: float
    patience_s: float

    @property
    def is_healthy(self) -> bool:
        """Tell what the compose file's own health check says."""
        done = subprocess.run(self.probe, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0

    @property
    def said(self) -> str:
        """What it has written."""
        return self.log.read_text("utf-8", "replace")

    def wait_until_healthy(self) -> None:
        """Wait as long as the compose file would. Raises `AssertionError` with the log's end."""
        ends_at = time.monotonic() + self.patience_s
        while not self.is_healthy:
            assert self.process.poll() is None and time.monotonic() < ends_at, f"{self.name}: {self.said[-3_000:]}"
            time.sleep(0.2)

    def stop(self) -> int:
        """End it as compose does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(self.grace_s)


class Processes:
    """The services of a compose file, to be started one by one."""

    def __init__(self, folder: Path, environment: Mapping[str, str], file: Path = COMPOSE) -> None:
        self.compose = read_compose(file, environment)
        self.folder, self.ports = folder, {name: free_port() for name in PORTS}
        self._stages = read_dockerfile()
        self._secrets = folder / "secrets"
        subprocess.run([DEPLOY / "make_secrets", self._secrets], check=True, stdout=subprocess.DEVNULL)
        for file in self._secrets.iterdir():
            file.write_text(self.here(file.read_text("utf-8")), "utf-8")
        shutil.copytree(DEPLOY / "prometheus", folder / "prometheus")
        scraped = folder / "prometheus" / "prometheus.yml"
        text = self.here(scraped.read_text("utf-8")).replace("scrape_interval: 15s", "scrape_interval: 1s")
        scraped.write_text(text.replace("scrape_timeout: 10s", "scrape_timeout: 1s"), "utf-8")

    def secret(self, name: str) -> str:
        """Return a secret's content."""
        return (self._secrets / name).read_text("utf-8")

    def here(self, text: str) -> str:
        """Return a text with the names and ports of services as they are on this machine."""
        names = "|".join([*self.ports, "localhost", r"127\.0\.0\.1"])
        by_port = {str(port): str(self.ports[name]) for name, port in PORTS.items()}
        text = re.sub(
            rf"\b(?:{names})(:|', |\nport=)(\d{{4}})\b", lambda found: f"127.0.0.1{found[1]}{by_port[found[2]]}", text
        )
        return text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 (it is taken away)

    @contextmanager
    def run(self, *names: str) -> Iterator[dict[str, Service]]:
        """Run services, each after those that it depends on are healthy; what still runs at the end is killed."""
        running: dict[str, Service] = {}
        with ExitStack() as stack:
            # Not within pytest's own folder: another user must get there, as PostgreSQL refuses root.
            self._database = Path(stack.enter_context(TemporaryDirectory(prefix="copydesk-postgres-")))
            for name in names:
                for other, needed in self.compose.services[name].get("depends_on", {}).items():
                    assert needed["condition"] == "service_healthy"
                    running[other].wait_until_healthy()
                running[name] = self._start(name)
                stack.callback(_kill, running[name].process)
            yield running

    def _start(self, name: str) -> Service:
        service = self.compose.services[name]
        environment = self._environment(name, service)
        command = self._postgres(environment) if name == "postgres" else self._command(name, service)
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=self._database if name == "postgres" else self._own(name),
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        check = service["healthcheck"]
        probe = self._programme(self._translated(name, check["test"][1:]))
        if (option := _PROBE_PORT.get(Path(probe[0]).name)) is not None:
            probe[1:1] = [*option, str(self.ports[name])]
        if probe[0] == "wget":  # Debian's may be missing
            probe = [sys.executable, "-c", f"import urllib.request as u; u.urlopen({probe[-1]!r})"]
        patience = _seconds(check["start_period"]) + check["retries"] * _seconds(check["interval"])
        grace = _SLOWER * _seconds(service["stop_grace_period"])
        found = Service(name, process, log, probe, environment, grace, _SLOWER * patience)
        if name == "postgres":
            found.wait_until_healthy()
            self._make_databases(environment)
        return found

    def _own(self, name: str) -> Path:
        folder = self.folder / "services" / name
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        return folder

    def _paths(self, name: str) -> dict[str, str]:
        """Return where the container's folders are on this machine; the longest come first."""
        service = self.compose.services[name]
        found = {"/run/secrets": str(self._secrets), "/tmp": str(self._own(name) / "tmp")}  # noqa: S108 (its own)
        for mount in service.get("volumes", []):
            source, target, *_ = mount.split(":")
            folder = Path(source) if source.startswith("/") else self.folder / "volumes" / source
            if folder == DEPLOY / "prometheus":
                folder = self.folder / "prometheus"
            folder.mkdir(parents=True, exist_ok=True)
            found[target] = str(folder)
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))

    def _translated(self, name: str, texts: list[str]) -> list[str]:
        paths = self._paths(name)
        pattern = re.compile("|".join(rf"(?<![\w/]){re.escape(path)}(?![\w-])" for path in paths))
        return [pattern.sub(lambda found: paths[found[0]], self.here(text)) for text in texts]

    def _environment(self, name: str, service: dict[str, Any]) -> dict[str, str]:
        wanted = {key: str(value) for key, value in service.get("environment", {}).items()}
        own = dict(zip(wanted, self._translated(name, [*wanted.values()]), strict=True))
        paths = self._paths(name)
        image = {"COPYDESK_CACHE": paths["/var/cache/copydesk"]} if "/var/cache/copydesk" in paths else {}
        machine = {"PATH": os.environ["PATH"], "HOME": str(self._own(name)), "OMP_NUM_THREADS": "1"}
        return machine | {"PYTHONPATH": str(Path(copydesk.__file__).parent.parent)} | image | own

    def _command(self, name: str, service: dict[str, Any]) -> list[str]:
        entry = service.get("entrypoint") or []
        if not entry and "build" in service:
            entry = words(inherited(self._stages, service["build"]["target"], "ENTRYPOINT"))
        if name == "prometheus":
            entry = ["prometheus"]
        command = self._translated(name, [*entry, *service.get("command", [])])
        if "--port" in command:
            command[command.index("--port") + 1] = str(self.ports[name])
        return self._programme(command) + _OWN_PORT.get(name, "").format(self.ports.get(name)).split()

    @staticmethod
    def _programme(command: list[str]) -> list[str]:
        first, *rest = command
        if first in _PYTHON:
            return [sys.executable, "-W", "ignore", "-m", first, *rest]
        if first == "pg_isready":
            return [str(postgres_programs() / first), *rest]
        return [sys.executable if first == "python" else first, *rest]

    def _postgres(self, environment: dict[str, str]) -> list[str]:
        """Do what PostgreSQL's image does at its first start: make the database; return what starts it."""
        programmes, own = postgres_programs(), self._database
        data, options = own / "data", environment["POSTGRES_INITDB_ARGS"].split()
        as_other: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses root
            nobody = pwd.getpwnam("nobody")
            os.chown(own, nobody.pw_uid, nobody.pw_gid)
            as_other = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        password = own / "password"
        shutil.copy(environment["POSTGRES_PASSWORD_FILE"], password)
        password.chmod(0o644)
        make = [programmes / "initdb", "-D", data, "-U", "postgres", f"--pwfile={password}", "--no-sync", *options]
        subprocess.run([*as_other, *map(str, make)], check=True, cwd=own, stdout=subprocess.DEVNULL)
        start = [programmes / "postgres", "-D", data, "-h", "127.0.0.1", "-p", self.ports["postgres"], "-k", ""]
        return [*as_other, *map(str, start), "-c", "fsync=off"]

    def _make_databases(self, environment: dict[str, str]) -> None:
        """Run the scripts that the image runs after it."""
        (folder,) = [path for target, path in self._paths("postgres").items() if target.endswith("initdb.d")]
        mine = {"SECRETS": str(self._secrets), "PGHOST": "127.0.0.1", "PGPORT": str(self.ports["postgres"])}
        mine |= {"PGPASSWORD": self.secret("postgres-password"), "PATH": f"{postgres_programs()}:{os.environ['PATH']}"}
        for script in sorted(Path(folder).glob("*.sh")):
            subprocess.run([script], env={**environment, **mine}, check=True)


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
