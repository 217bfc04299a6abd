"""Jobs on many machines: Celery brings each chunk to a worker, Redis holds the record (`redis_jobs.py`).

A message holds a job's id and the place of a chunk, as JSON, and no text. Celery acknowledges late and takes a message
back when its process dies; that alone is not enough, because between taking a message from Redis' list and noting that
it is unacknowledged kombu can lose it (kombu issue 305). So the record decides: a chunk that is neither done, nor
claimed, nor waiting in the queue gets a new message from any worker that is alive. A message too many does nothing.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from copydesk.errors import JobsUnavailable, MissingExtra
from copydesk.models.cores import allowed_cores
from copydesk.registry.cache import discard
from copydesk.serve.answer_log import AnswerLog
from copydesk.serve.job_worker import Models, load_version, work_on
from copydesk.serve.jobs import JobRules, Submission
from copydesk.types import Job

try:
    from celery import Celery, bootsteps
    from celery.apps.worker import Worker
    from celery.signals import worker_process_shutdown
    from celery.worker import state
    from kombu.exceptions import OperationalError

    from copydesk.serve.redis_jobs import CONNECT_S, QUEUE, REPLY_S, RedisJobs
except ModuleNotFoundError as error:  # pragma: no cover (the tests have it)
    raise MissingExtra("A job store in Redis", "jobs", error.name or "celery") from None

TASK = "copydesk.chunk"
SWEEP_EVERY_S = 1.0
_DEAF_AFTER_LOOKS = 5
_log = logging.getLogger(__name__)


class CeleryJobs(RedisJobs):
    """Jobs in Redis that Celery's workers are told of."""

    def __init__(self, url: str, rules: JobRules | None = None, *, clock: Callable[[], float] | None = None) -> None:
        super().__init__(url, rules, clock=clock)
        self._app = celery_app(url)

    def submit(self, submission: Submission) -> Job:
        """Keep a job, whole or not at all, and tell the workers; return it, or the one with the same key."""
        job, chunks = self._submit(submission)
        tell(self._app, ((job.id, place) for place in range(chunks)))
        return job

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._app.close()


def celery_app(url: str) -> Celery:
    """Return Celery, set up so that nothing is lost and nothing is unpickled; it connects to nothing yet."""
    rules = JobRules()
    app = Celery("copydesk", broker=url, set_as_current=False)
    # Longer than a chunk may take before its process is ended: who is slow is not answered twice.
    visibility = {"visibility_timeout": int(2 * rules.chunk_limit_s)}
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_accept_content=["json"],
        task_ignore_result=True,  # the record keeps the answers
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,  # a chunk waits in the queue, where any worker finds it
        task_time_limit=rules.chunk_limit_s,
        task_default_queue=QUEUE,
        broker_transport_options={
            **visibility,
            "socket_connect_timeout": CONNECT_S,
            "socket_timeout": REPLY_S,
            "socket_keepalive": True,
        },
        result_backend_transport_options=visibility,  # the two must agree: the shorter one counts
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # Redis comes back, sooner or later
        broker_connection_timeout=CONNECT_S,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
    )
    return app


def tell(app: Celery, chunks: Iterable[tuple[str, int]]) -> None:
    """Send a message for each chunk; where Redis fails, workers send what is missing once it is back."""
    once = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
    try:
        with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
            for job_id, place in chunks:
                app.send_task(TASK, (job_id, place), producer=producer, retry_policy=once, ignore_result=True)
    except (OperationalError, OSError) as error:
        _log.warning("Redis failed while workers were told of a job (%s); they will be told later.", error)


def run_worker(url: str, processes: int, *, log: str = "", alive: Path | None = None) -> int:
    """Work on chunks until SIGTERM or Ctrl-C, which let the present ones finish; return the exit code.

    The file `alive` is touched each second in which the worker looked and Redis answered. The processes share the
    cores: each engine takes as many threads as OMP_NUM_THREADS leaves it, which is set here.
    """
    os.environ["OMP_NUM_THREADS"] = str(max(allowed_cores() // processes, 1))
    app = celery_app(url)
    _add_task(app, url, log)
    Sweep.alive = alive
    app.steps["worker"].add(Sweep)
    worker = app.Worker(
        concurrency=processes,
        pool="prefork",
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    if Sweep.is_deaf:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    ends_in_order = state.should_stop is not None and state.should_terminate is None  # Celery calls Ctrl-C a failure
    return 0 if ends_in_order else int(worker.exitcode or 0)


def _add_task(app: Celery, url: str, log: str) -> None:
    models = Models(load_version, discard=discard)

    @cache  # once in each process that works, after its fork
    def opened() -> tuple[RedisJobs, AnswerLog | None]:
        answers = AnswerLog.open(log) if log else None  # days are dropped by the server
        if answers is not None:
            worker_process_shutdown.connect(lambda **_: answers.close(), weak=False)
        return RedisJobs(url), answers

    @app.task(name=TASK, ignore_result=True)  # type: ignore[untyped-decorator]
    def answer_chunk(job_id: str, place: int) -> None:
        record, answers = opened()
        chunk = record.claim(job_id, place)
        if chunk is not None:
            work_on(chunk, record, models, log=answers)


class Sweep(bootsteps.StartStopStep):  # type: ignore[misc]
    """What the worker's main process looks at each second.

    Chunks that need a new message get one. And where messages wait that this worker, with nothing to do, does not take,
    it has grown deaf: when Redis goes away at the wrong moment, redis-py connects anew under kombu's feet, and nobody
    asks for messages any more. Then it ends as on SIGTERM, and begins anew under the same process id.
    """

    requires = ("celery.worker.components:Timer",)
    is_deaf = False
    alive: Path | None = None

    def __init__(self, worker: Worker, **options: Any) -> None:  # noqa: ANN401 (Celery's)
        super().__init__(worker, **options)
        self._timer: Any = None
        self._idle_looks = 0

    def start(self, worker: Worker) -> None:
        """Begin, with the worker."""
        record = RedisJobs(worker.app.conf.broker_url)
        self._timer = worker.timer.call_repeatedly(SWEEP_EVERY_S, self.look, (worker.app, record))

    def stop(self, worker: Worker) -> None:
        """End, with the worker."""
        if self._timer is not None:
            self._timer.cancel()

    def look(self, app: Celery, record: RedisJobs) -> None:
        """Send what is missing, and listen to oneself."""
        try:
            sweep(app, record)
            is_idle = not state.reserved_requests and record.messages() > 0
            if self.alive is not None:
                self.alive.touch()
        except JobsUnavailable as error:
            _log.warning("%s", error)
            return
        self._idle_looks = self._idle_looks + 1 if is_idle else 0
        if self._idle_looks == _DEAF_AFTER_LOOKS:
            _log.warning("Messages wait and none is taken: this worker begins anew.")
            Sweep.is_deaf = True
            state.should_stop = os.EX_OK


def sweep(app: Celery, record: RedisJobs) -> None:
    """Send new messages for the chunks that need one. Raises `JobsUnavailable`."""
    chunks = record.untaken(JobRules().lease_s)
    if chunks:
        tell(app, chunks)
