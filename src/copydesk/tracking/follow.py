"""The training's side of tracking: start the recorder, pass on what happens, never wait long, never fail.

What the recorder has to say is passed on by the training's own thread, at the next step or at the end.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from copydesk import __version__
from copydesk.errors import Terminated
from copydesk.mlflow_client import LIMITS, NO_TELEMETRY
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.tracking.record import Closing, Opening, closing_of, point_of, recipe_params
from copydesk.types import Report, Step

COMMAND = (sys.executable, "-P", "-m", "copydesk.tracking.sidecar")
_FINISH_SECONDS, _LEAVE_SECONDS = 30.0, 5.0
_OFF = frozenset({"off", "0", "no", "false"})
_DISTRIBUTIONS = {"mlflow": ("mlflow", "mlflow-skinny"), "wandb": ("wandb",)}
_EXTRAS = {"mlflow": "train", "wandb": "wandb"}
_VERSIONS = ("torch", "transformers", "scikit-learn")


class Untracked:
    """Nobody records the run."""

    def step(self, step: Step) -> None:
        """Record nothing."""

    def finish(self, recipe: Recipe, report: Report, files: list[Path]) -> None:
        """Record nothing."""

    def abandon(self, error: BaseException) -> None:
        """Record nothing."""


class Recorder:
    """A recording process and what it has said so far."""

    def __init__(
        self,
        opening: Opening,
        trackers: list[str],
        progress: Progress,
        *,
        command: tuple[str, ...] = COMMAND,
        finish_s: float = _FINISH_SECONDS,
    ) -> None:
        self._progress, self._finish_s = progress, finish_s
        self._said: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        self._warned = False
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is the training's; the recorder has to note it down
            env=_environment(os.environ),
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._send({"open": asdict(opening), "trackers": trackers})

    def step(self, step: Step) -> None:
        """Pass on a point of the learning curve."""
        self._send({"point": asdict(point_of(step, _now_ms()))})
        self._pass_on()

    def finish(self, recipe: Recipe, report: Report, files: list[Path]) -> None:
        """Record the end of a run that worked, and wait for the recorder, though not for long."""
        closing = closing_of(recipe, report, [str(file.absolute()) for file in files], _now_ms())
        self._end(closing, self._finish_s)

    def abandon(self, error: BaseException) -> None:
        """Record that the run failed, or was interrupted."""
        stopped = isinstance(error, KeyboardInterrupt | Terminated)
        self._end(Closing("KILLED" if stopped else "FAILED"), _LEAVE_SECONDS)

    def _end(self, closing: Closing, seconds: float) -> None:
        self._send({"close": asdict(closing)})
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            code = process.wait(seconds)
            if code:
                self._warn(f"The run is not fully tracked: the recorder ended with exit code {code}.")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self._warn(f"The run is not fully tracked: the recorder was not done after {seconds:g} s.")
        self._listener.join(1)
        self._pass_on()
        process.stdout.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        """Write one line without ever waiting; a recorder that does not keep up is given up."""
        line = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        with suppress(OSError):
            written = stdin.write(line)
            if written != len(line):
                self._warn("The run is not fully tracked: the recorder does not keep up.")
                self._process.kill()
                stdin.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):
            for line in self._process.stdout:
                self._said.put(json.loads(line))

    def _pass_on(self) -> None:
        with suppress(queue.Empty):
            while True:
                for kind, line in self._said.get_nowait().items():
                    self._warn(line) if kind == "warn" else self._progress.say(line)

    def _warn(self, line: str) -> None:
        """Warn of the first trouble only: the others follow from it."""
        if not self._warned:
            self._warned = True
            self._progress.warn(line)


@contextmanager
def tracked(
    recipe: Recipe,
    *,
    name: str,
    data: str,
    progress: Progress,
    start: Callable[[Opening, list[str], Progress], Recorder] = Recorder,
) -> Iterator[Recorder | Untracked]:
    """Record the run inside the block: its steps, and at the end `finish`; a block that raises was a failure.

    `data` is the Dataset's content hash. Whatever goes wrong with tracking is one warning, never an error.
    """
    trackers = wanted(recipe, os.environ, progress)
    recorder: Recorder | Untracked = Untracked()
    if trackers:
        opening = Opening(recipe.name, name, data, recipe_params(recipe), environment_tags())
        try:
            recorder = start(opening, trackers, progress)
        except OSError as error:
            progress.warn(f"The run is not tracked: {error}.")
    try:
        yield recorder
    except BaseException as error:
        recorder.abandon(error)
        raise


def wanted(recipe: Recipe, environ: Mapping[str, str], progress: Progress) -> list[str]:
    """Return which trackers record the run; one that was asked for and is not installed is warned of."""
    first_process = environ.get("RANK", "0") == "0"  # of several that train together, as torchrun numbers them
    if environ.get("COPYDESK_TRACKING", "").lower() in _OFF or not first_process:
        return []
    wandb_on = environ.get("WANDB_MODE") == "offline" or (
        bool(environ.get("WANDB_API_KEY")) and environ.get("WANDB_MODE") != "disabled"
    )
    asked = {"mlflow": bool(environ.get("MLFLOW_TRACKING_URI")), "wandb": wandb_on}
    switched = {"mlflow": recipe.track.mlflow, "wandb": recipe.track.wandb and wandb_on}
    chosen = []
    for name in (name for name, on in switched.items() if on):
        if any(_version(distribution) for distribution in _DISTRIBUTIONS[name]):
            chosen.append(name)
        elif asked[name]:
            progress.warn(
                f"The run is not tracked in {name}: it is not installed. Run: pip install 'copydesk[{_EXTRAS[name]}]'"
            )
    return chosen


def environment_tags() -> dict[str, str]:
    """Return the versions and the processor that a run depends on."""
    versions = {name: version for name in _VERSIONS if (version := _version(name))}
    return {"copydesk": __version__, "python": platform.python_version(), **versions, "processor": _processor()}


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the recorder's environment: short patience, no telemetry, and this very Copydesk."""
    here = str(Path(__file__).parent.parent.parent)
    path = os.pathsep.join(filter(None, (here, environ.get("PYTHONPATH", ""))))
    ours = {**NO_TELEMETRY, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    return {**LIMITS, **environ, **ours}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _now_ms() -> int:
    return int(time.time() * 1_000)
