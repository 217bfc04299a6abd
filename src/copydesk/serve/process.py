"""The server's processes: uvicorn with one or several workers on one port, and an end that loses nothing.

On SIGTERM (or Ctrl-C) readiness falls first and answers ask for their connection to be closed; after `drain_s`, the
time a load balancer needs to see it, no connection is accepted any more, what was accepted is answered, and the process
ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from pydantic import BaseModel
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from copydesk.errors import UsageError
from copydesk.models.cores import allowed_cores
from copydesk.monitor.log import LOG_ADDRESS
from copydesk.recipe.serve import Logged
from copydesk.runtime.engine import Classifier
from copydesk.runtime.fallback import load_model
from copydesk.serve.access import Keys
from copydesk.serve.answer_log import AnswerLog, notes_on
from copydesk.serve.connection import Connection
from copydesk.serve.jobs import JobRules
from copydesk.serve.logs import log_to_stderr
from copydesk.serve.open_jobs import SQLITE, open_jobs
from copydesk.serve.parent import end_with

_OPTIONS = "COPYDESK_SERVE"
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_APP = "copydesk.serve.process:app"
LOG = logging.getLogger("copydesk.serve")
_WORKER_LOOK_S, _WORKER_PAUSE_S, _WORKER_GRACE_S = 0.2, 1.0, 20.0
_BACKLOG = 4_096
_ACCEPTS = 32
"""New connections taken in one turn of the event loop. uvloop takes one from each listening file, and under load a turn
lasts tens of milliseconds: with one file a client that connects then would wait for seconds before it is heard."""
_GRACE_S = 60
_IDLE_S = 75
"""Longer than the usual load balancer's 60 seconds, so that it is never the server that closes first."""


class Workers(Multiprocess):
    """uvicorn's processes. One that died takes its gauges along: nothing waits in its queue any more."""

    def keep_subprocess_alive(self) -> None:
        """Put a new process in the place of each that died."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for gone in before - {process.pid for process in self.processes}:
            mark_process_dead(gone)  # type: ignore[no-untyped-call]


class Options(BaseModel):
    """What `copydesk serve` was asked for, and the process that was asked.

    `shadow` is a candidate's name, and the share of the texts it is given. `log` is where answers are logged, "" for
    nowhere.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    state: Path = Path("serving")
    jobs: str = ""
    log: str = ""
    log_terms: Logged = Logged()
    keep_results_hours: float = 24.0
    api_keys: Path | None = None
    origins: list[str] = []
    shadow: tuple[str, float] | None = None
    log_level: str = "info"
    log_texts: bool = False
    drain_s: float = 2.0
    parent: int = 0

    @property
    def job_store(self) -> str:
        """Where jobs are kept: what was asked for, else a file in the state's folder; "" for none."""
        return {"": f"{SQLITE}{self.state / 'jobs.db'}", "off": ""}.get(self.jobs, self.jobs)

    def with_recipe_of(self, classifier: Classifier) -> Options:
        """Return the options with what the recipe says: how long rows are kept, and a candidate where none is set."""
        if not classifier.is_bundle:
            return self
        serve = classifier.recipe.serve
        recipes = None if serve.shadow.model is None else (serve.shadow.model, serve.shadow.share)
        return self.model_copy(update={"log_terms": serve.log, "shadow": self.shadow or recipes})


@dataclass(frozen=True)
class Checked:
    """Options that can be served, with the recipe's candidate, and what a user must know of the model.

    It does not hold the model: the processes that serve load their own.
    """

    options: Options
    notes: list[str]


def check(options: Options) -> Checked:
    """Load the model once, so that what is wrong with it is told before anything is started. Raises as loading does."""
    from copydesk.serve.served import engines_of

    classifier = load_model(options.model, keep=False)
    engines_of(classifier, threads=1)
    options = options.with_recipe_of(classifier)
    if options.shadow:
        engines_of(load_model(options.shadow[0], keep=False), threads=1)
    Keys.read(options.api_keys)
    if options.job_store:
        open_jobs(options.job_store).close()
    return Checked(options, classifier.notes + (notes_on(options.log) if options.log else []))


def run(options: Options, *, bound: Callable[[str], None]) -> None:
    """Serve until told to stop; `bound` is told the address. Raises `UsageError` if the port cannot be had."""
    log_to_stderr(options.log_level)
    with _environment(options), _port(options) as listening, _job_worker(options):
        host = f"[{options.host}]" if ":" in options.host else options.host
        bound(f"http://{host}:{listening.getsockname()[1]}")
        config = uvicorn.Config(
            _APP,
            factory=True,
            http=Connection,
            host=options.host,
            port=options.port,
            workers=options.workers,
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=_GRACE_S,
            ws="none",
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn handles it, and when all is done sends it once more
        if options.workers > 1:
            Workers(config, [listening]).run()
        else:
            uvicorn.Server(config).run([listening.dup() for _ in range(_ACCEPTS)])


def app() -> ASGIApp:
    """Return the application that the environment describes: what each process runs."""
    from copydesk.serve.app import Access, create_app
    from copydesk.serve.feedback import Feedback
    from copydesk.serve.metrics import Metrics
    from copydesk.serve.service import Reference, Service

    options = Options.model_validate_json(os.environ[_OPTIONS])
    log_to_stderr(options.log_level)
    if options.workers > 1:
        end_with(options.parent)  # killed with -9, it could not tell its workers, and they would keep the port
    metrics = Metrics()
    log = AnswerLog.open(options.log, options.log_terms, counted=metrics.logged) if options.log else None
    service = Service(
        Reference.to(options.model),
        metrics=metrics,
        log=log,
        shadow=(Reference.to(options.shadow[0]), options.shadow[1]) if options.shadow else None,
        threads=max(allowed_cores() // options.workers, 1),
    )
    rules = JobRules(keep_s=options.keep_results_hours * 3_600)
    access = Access(Keys.read(options.api_keys), options.origins, options.log_texts)
    return create_app(
        service,
        jobs=open_jobs(options.job_store, rules) if options.job_store else None,
        feedback=Feedback(log.log.correct) if log else Feedback.in_file(options.state / "feedback.jsonl"),
        access=access,
        started=lambda: _drain_before_the_end(options.drain_s, service.drain),
    )


def _drain_before_the_end(seconds: float, begin: Callable[[], None]) -> None:
    """Put a time of draining before what SIGTERM and SIGINT do now; told a second time, they do it at once.

    After that time it is SIGTERM's end, whatever came: a second SIGINT would have uvicorn drop what it has accepted.
    """
    loop = asyncio.get_running_loop()
    end_now: Any = signal.getsignal(signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGINT):
        end = signal.getsignal(number)

        def drain(number: int, frame: FrameType | None, end: Any = end) -> None:  # noqa: ANN401 (a handler)
            begin()
            signal.signal(number, end)
            loop.call_soon_threadsafe(loop.call_later, seconds, end_now, signal.SIGTERM, None)

        signal.signal(number, drain)


@contextmanager
def _job_worker(options: Options) -> Iterator[None]:
    """Keep a worker for the embedded job store running beside, at a low priority; a new one where it dies."""
    store = options.job_store
    if not store.startswith(SQLITE):
        yield
        return
    command = [sys.executable, "-m", "copydesk", "worker", "--jobs", store, "--nice", "10", "--quiet"]
    command += ["--parent", str(os.getpid())]
    environment = {**os.environ, LOG_ADDRESS: options.log}  # on a command line everyone could read the password
    ending = threading.Event()

    def keep() -> None:
        while not ending.is_set():
            worker = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # deaf to Ctrl-C
            )
            while worker.poll() is None and not ending.wait(_WORKER_LOOK_S):
                pass
            if not ending.is_set():
                LOG.warning("the job worker ended", extra={"fields": {"code": worker.returncode}})
                ending.wait(_WORKER_PAUSE_S)
        worker.terminate()
        try:
            worker.wait(_WORKER_GRACE_S)
        except subprocess.TimeoutExpired:
            worker.kill()  # its chunk goes to the next worker
            worker.wait()

    keeper = threading.Thread(target=keep, name="job-worker", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join()


@contextmanager
def _port(options: Options) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((options.host, options.port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"Port {options.port} of {options.host} cannot be had: {error}. Choose another --port or --host."
            ) from None
        listening.set_inheritable(True)
        yield listening


@contextmanager
def _environment(options: Options) -> Iterator[None]:
    """Tell the processes what to serve, and several of them where to keep their metrics."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="copydesk-metrics-") as folder:
        os.environ[_OPTIONS] = options.model_copy(update={"parent": os.getpid()}).model_dump_json()
        if options.workers > 1:
            os.environ[_METRICS] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
