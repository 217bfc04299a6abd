"""Images built and run by what this machine has: Docker; or buildah, which needs root and no engine.

IMAGE_BUILD names a program that builds with buildah in its own way: PROGRAM DOCKERFILE CONTEXT TAG [options of `buildah
bud`]. With buildah an image's root is mounted and run in namespaces of its own, read-only, with the image's own entry
point, environment and user; network and processors are the machine's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dockerfile import DOCKERFILE

_STARTS_IN_S = 120.0
_ENDS_IN_S = 60.0
_USER = 10001
_FLAGS = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")


@dataclass(frozen=True)
class Asked:
    """How an image is to be run: what stands behind its entry point, or in its place."""

    words: tuple[str, ...] = ()
    entry: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)  # folder of this machine -> folder of the container


class Engine(Protocol):
    """What builds and runs images."""

    def build(self, tag: str, context: Path, target: str, arguments: Mapping[str, str]) -> None:
        """Build a target of the context's deploy/Dockerfile."""
        ...

    def size_mb(self, tag: str) -> float:
        """Return the size of an image's layers, not compressed."""
        ...

    def command(self, tag: str, asked: Asked) -> list[str]:
        """Return the command that runs an image, and ends with it."""
        ...

    def close(self) -> None:
        """Take away what running needed."""
        ...


class Docker:
    """Docker, as users have it."""

    def build(self, tag: str, context: Path, target: str, arguments: Mapping[str, str]) -> None:
        command = ["docker", "build", "--file", DOCKERFILE, "--target", target, "--tag", tag, *_build_args(arguments)]
        subprocess.run([*command, context], check=True)

    def size_mb(self, tag: str) -> float:
        found = subprocess.run(
            ["docker", "image", "inspect", "--format={{.Size}}", tag], check=True, capture_output=True
        )
        return int(found.stdout) / 1e6

    def command(self, tag: str, asked: Asked) -> list[str]:
        options = [f"--env={name}={value}" for name, value in asked.environment.items()]
        options += [f"--volume={source}:{target}" for source, target in asked.mounts.items()]
        entry = [f"--entrypoint={asked.entry[0]}"] if asked.entry else []
        return ["docker", "run", "--rm", *_FLAGS, *options, *entry, tag, *asked.entry[1:], *asked.words]

    def close(self) -> None: ...


_NAMESPACES = """
root=$1; shift
mount --bind "$root" "$root"; mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done; shift
exec "$@"
"""


class Buildah:
    """buildah, and the kernel's namespaces."""

    def __init__(self, program: str = "") -> None:
        self._program = [program] if program else []
        self._containers: dict[str, str] = {}
        self._environment = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

    def build(self, tag: str, context: Path, target: str, arguments: Mapping[str, str]) -> None:
        options = ["--target", target, "--format", "docker", "--layers", *_build_args(arguments)]
        if self._program:
            self._run(*self._program, str(DOCKERFILE), str(context), tag, *options)
        else:
            self._run("buildah", "bud", "--file", str(DOCKERFILE), "--tag", tag, *options, str(context))

    def size_mb(self, tag: str) -> float:
        manifest = json.loads(json.loads(self._ask("buildah", "inspect", "--type=image", tag))["Manifest"])
        return sum(layer["size"] for layer in manifest["layers"]) / 1e6

    def command(self, tag: str, asked: Asked) -> list[str]:
        image = json.loads(self._ask("buildah", "inspect", "--type=image", tag))["OCIv1"]["config"]
        assert image["User"] == f"{_USER}:{_USER}"
        root = Path(self._root(tag))
        mounts: list[str] = []
        for volume in image["Volumes"]:
            mounts += [str(self._folder(root, volume)), volume]
        for source, target in asked.mounts.items():
            (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
            mounts += [source, target]
        own = dict(line.split("=", 1) for line in image["Env"]) | dict(asked.environment)
        run = ["env", "-i", *(f"{name}={value}" for name, value in own.items())]
        run += [shutil.which("chroot") or "/usr/sbin/chroot", f"--userspec={image['User']}", str(root)]
        words = [*(asked.entry or image["Entrypoint"]), *asked.words]
        inside = ["/usr/bin/env", "-C", image["WorkingDir"], *words]
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private"]
        return [*spaces, "sh", "-ec", _NAMESPACES, "sh", str(root), *mounts, "--", *run, *inside]

    def _root(self, tag: str) -> str:
        if tag not in self._containers:
            self._containers[tag] = self._ask("buildah", "from", f"localhost/{tag}")
        return self._ask("buildah", "mount", self._containers[tag])

    def close(self) -> None:
        """Remove the working containers; the images stay."""
        for container in self._containers.values():
            self._ask("buildah", "rm", container)

    @staticmethod
    def _folder(root: Path, volume: str) -> Path:
        """Return a folder for a volume, which is new with each run and belongs to the image's user."""
        folder = root.parent / f"volume{volume.replace('/', '-')}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        os.chown(folder, _USER, _USER)
        return folder

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, env=self._environment)

    def _ask(self, *command: str) -> str:
        found = subprocess.run(command, check=True, env=self._environment, capture_output=True, text=True)
        return found.stdout.strip()


def engine() -> Engine | None:
    """Return what this machine builds images with, None for nothing."""
    if program := os.environ.get("IMAGE_BUILD"):
        return Buildah(program)
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return Docker()
    return Buildah() if shutil.which("buildah") and os.geteuid() == 0 else None


def _build_args(arguments: Mapping[str, str]) -> list[str]:
    return [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]


@contextmanager
def running(engine: Engine, tag: str, asked: Asked, log: Path) -> Iterator[Container]:
    """Yield an image that runs; told to end with the block, it must do so in order."""
    with log.open("wb") as file:
        process = subprocess.Popen(engine.command(tag, asked), stdout=file, stderr=file)
    container = Container(process, log, time.monotonic())
    try:
        yield container
        container.end()
    finally:
        process.kill()
        process.wait()


@dataclass
class Container:
    """An image that runs."""

    process: subprocess.Popen[bytes]
    log: Path
    began: float

    def until(self, holds: Callable[[], Any]) -> float:
        """Wait until something holds; return how many seconds after the start that was."""
        while not _quietly(holds):
            assert self.process.poll() is None, self.log.read_text("utf-8", "replace")[-3_000:]
            assert time.monotonic() < self.began + _STARTS_IN_S, self.log.read_text("utf-8", "replace")[-3_000:]
            time.sleep(0.01)
        return time.monotonic() - self.began

    def end(self) -> None:
        """Send SIGTERM to its first process, which must end with 0."""
        os.kill(self._first(), signal.SIGTERM)
        assert self.process.wait(_ENDS_IN_S) == 0, self.log.read_text("utf-8", "replace")[-3_000:]

    def _first(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid


def _quietly(holds: Callable[[], Any]) -> Any:
    try:
        return holds()
    except OSError:
        return False
