"""The record of jobs in Redis: what there is to do, who does it, and what came of it.

It is the truth about jobs; Celery only brings workers the message that a chunk waits (`celery_jobs.py`). Every change
is one script (`redis_scripts.py`). Nothing is pickled: JSON in, JSON out. Redis keeps what it was told as long as its
append-only file does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from copydesk.errors import ExpiredJob, JobsUnavailable
from copydesk.serve import jobs as rule
from copydesk.serve import redis_scripts as script
from copydesk.serve.jobs import Chunk, JobRules, Submission
from copydesk.types import Job, JobStatus

CONNECT_S = 1.0
REPLY_S = 5.0
QUEUE = "copydesk"
_STAGED_S = 3_600
_AT_ONCE = 32


class RedisJobs:
    """Jobs in Redis, for the server and for workers; safe to use from several threads and after a fork.

    `clock` gives the seconds since 1970; without one it is Redis' own, so that machines need not agree. Every call
    raises `JobsUnavailable` within some seconds where Redis does not answer.
    """

    def __init__(self, url: str, rules: JobRules | None = None, *, clock: Callable[[], float] | None = None) -> None:
        self._where = urlsplit(url).hostname or "redis"
        self._rules = rules or JobRules()
        self._clock = clock
        self._redis: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=REPLY_S,
            # A connection from before a restart of Redis is worth one more try; one that hangs is not.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            health_check_interval=30,
        )

    def submit(self, submission: Submission) -> Job:
        """Keep a job, whole or not at all; return it, or the one with the same key. See `Jobs`."""
        return self._submit(submission)[0]

    def get(self, job_id: str) -> Job:
        """Return a job as it stands. Raises `UnknownJob`, `ExpiredJob`."""
        fields = self._fields(job_id)
        return rule.unless_expired(_job(job_id, fields), _number(fields.get("expires")), self._now())

    def answers(self, job: Job) -> Iterator[bytes]:
        """Yield the predictions in order, as JSON arrays; one chunk at a time is in memory."""
        for place in range(int(self._fields(job.id)["chunks"])):
            with self._translated():
                body = self._redis.hget(_key(job.id, "answers"), place)
            if body is None:
                raise ExpiredJob(f"The results of job {job.id} were deleted while they were read.")
            yield body

    def cancel(self, job_id: str) -> Job:
        """End a job that has not ended. Raises `UnknownJob`, `ExpiredJob`."""
        self.get(job_id)
        self._end(job_id, "cancelled")
        return self.get(job_id)

    def counts(self) -> dict[JobStatus, int]:
        """Return how many jobs there are by status, without those that expired."""
        now = self._now()
        with self._translated(), self._redis.pipeline(transaction=False) as pipe:
            for status in rule.STATUSES:
                is_open = status in ("pending", "running")
                pipe.zcount(f"copydesk:status:{status}", "-inf" if is_open else f"({now}", "+inf")
            return dict(zip(rule.STATUSES, pipe.execute(), strict=True))

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def claim(self, job_id: str, place: int) -> Chunk | None:
        """Return a chunk, claimed; none where it is done, another's, waiting, or its job has ended."""
        token = rule.new_id()
        found = self._run(script.CLAIM, job_id, place, self._now(), token)
        if found is None:
            return None
        body, model, scores, rules, faults, outcome = found
        told = json.loads(body)
        chunk = Chunk(
            job_id,
            place,
            told["first"],
            told["texts"],
            rule.model_from_json(model),
            scores == b"1",
            JobRules.from_json(rules.decode()),
            int(faults),
            token,
        )
        if outcome == b"lost":
            self._end(job_id, "failed", rule.lost_too_often(chunk.rules, chunk.which))
            return None
        return chunk

    def extend(self, chunk: Chunk) -> bool:
        """Renew the claim; False where it is another's by now, or the job has ended."""
        return self._rest(chunk, chunk.rules.lease_s)

    def finish(self, chunk: Chunk, answers: bytes) -> None:
        """Keep the predictions, unless the chunk has some or the job has ended."""
        self._run(script.FINISH, chunk.job_id, chunk.place, self._now(), len(chunk.texts), answers)

    def fault(self, chunk: Chunk, reason: str) -> None:
        """Note that the chunk failed: it waits to be tried again, or the job fails with the reason."""
        if self._rest(chunk, chunk.rules.wait_s(chunk.faults + 1), faults=1) and chunk.is_last_try:
            self._end(chunk.job_id, "failed", reason)

    def messages(self) -> int:
        """Return how many messages wait for a worker."""
        with self._translated():
            return int(self._redis.llen(QUEUE))

    def untaken(self, patience_s: float, *, most: int = 1_000) -> list[tuple[str, int]]:
        """Return the chunks that need a message: their worker died, their wait is over, or the message was lost.

        A message counts as lost where the queue is empty and nobody took it for `patience_s`. Each chunk is returned to
        one caller only.
        """
        found = self._run(script.UNTAKEN, self._now(), patience_s, most, keys=(QUEUE,))
        members = [member.decode().split(" ") for member in found]
        return [(job_id, int(place)) for job_id, place in members]

    def _submit(self, submission: Submission) -> tuple[Job, int]:
        """Return the job, and how many chunks of it are new."""
        job_id = rule.new_id()
        chunks = self._stage(job_id, submission)
        key = submission.key
        known = (job_id, self._now(), key, self._rules.lease_s, self._rules.most_waiting_texts, len(submission.texts))
        fields = [part for pair in self._new_fields(submission, chunks).items() for part in pair]
        outcome, found = self._run(script.SUBMIT, *known, *fields)
        if found.decode() == job_id:
            return self.get(job_id), chunks
        self._drop(job_id)
        if outcome == b"full":
            rule.check_room(int(found), submission, self._rules)
        stored = self._fields(found.decode())
        return rule.same_request(_job(found.decode(), stored), stored["fingerprint"], submission), 0

    def _stage(self, job_id: str, submission: Submission) -> int:
        """Write the texts, some chunks at a time, and return how many; unless the job is made they go by themselves."""
        texts, count, batch = _key(job_id, "texts"), 0, {}
        for count, (first, some) in enumerate(rule.chunks_of(submission.texts, self._rules), 1):
            batch[count - 1] = json.dumps({"first": first, "texts": some}).encode()
            if len(batch) == _AT_ONCE:
                self._write(texts, batch)
                batch = {}
        if batch:
            self._write(texts, batch)
        return count

    def _write(self, texts: str, batch: dict[int, bytes]) -> None:
        with self._translated(), self._redis.pipeline() as pipe:
            pipe.hset(texts, mapping=batch)
            pipe.expire(texts, _STAGED_S)
            pipe.execute()

    def _new_fields(self, submission: Submission, chunks: int) -> dict[str, Any]:
        rules = self._rules
        return {
            "model": rule.model_to_json(submission.model),
            "scores": int(submission.scores),
            "rules": rules.to_json(),
            "texts": len(submission.texts),
            "chunks": chunks,
            "left": chunks,
            "fingerprint": submission.fingerprint,
            "keep_s": rules.keep_s,
            "remember_s": rules.remember_s,
            "lease_s": rules.lease_s,
            "most_losses": rules.most_losses,
        }

    def _fields(self, job_id: str) -> dict[str, str]:
        rule.check_id(job_id)
        with self._translated():
            found = self._redis.hgetall(_key(job_id))
        if not found:
            raise rule.unknown(job_id)
        return {name.decode(): value.decode() for name, value in found.items()}

    def _rest(self, chunk: Chunk, wait_s: float, *, faults: int = 0) -> bool:
        """Let the chunk rest for some seconds, if the claim still holds; tell whether it does."""
        return bool(self._run(script.REST, chunk.job_id, chunk.place, self._now() + wait_s, chunk.token, faults))

    def _end(self, job_id: str, status: JobStatus, reason: str = "") -> None:
        self._run(script.END, job_id, status, self._now(), reason)

    def _drop(self, job_id: str) -> None:
        with self._translated():
            self._redis.delete(_key(job_id, "texts"))

    def _now(self) -> float:
        if self._clock is not None:
            return self._clock()
        with self._translated():
            seconds, microseconds = self._redis.time()
        return float(seconds + microseconds / 1e6)

    def _run(self, text: str, *values: Any, keys: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 (what scripts return)
        with self._translated():
            return self._redis.register_script(text)(keys=keys, args=values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise JobsUnavailable(
                f"Redis at {self._where!r} keeps the jobs and cannot be used ({error}). Try again when it is back."
            ) from error


def _key(job_id: str, part: str = "") -> str:
    return f"copydesk:job:{job_id}" + (f":{part}" if part else "")


def _number(value: str | None) -> float | None:
    return None if value is None else float(value)


def _job(job_id: str, fields: dict[str, str]) -> Job:
    return Job(
        id=job_id,
        status=fields["status"],  # type: ignore[arg-type]  # the scripts write no other
        model=rule.model_from_json(fields["model"]),
        texts=int(fields["texts"]),
        created_at=rule.time_of(float(fields["created"])) or "",
        done=int(fields["done"]),
        finished_at=rule.time_of(_number(fields.get("finished"))),
        expires_at=rule.time_of(_number(fields.get("expires"))),
        error=fields.get("error"),
    )
