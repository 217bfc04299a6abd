"""What a job store promises, and the rules that every store follows; pure values, no clock, no file, no network.

A job is cut into chunks, so that it spreads over workers and nothing takes long. A worker claims a chunk for `lease_s`
seconds and renews that while it works; a chunk whose lease ran out (its worker died) may be claimed by any other. The
first answers to a chunk are kept and later ones dropped: work may be done twice, a result never stands twice.

It does not know how jobs are kept (`sqlite_jobs.py`, `redis_jobs.py`), nor what a worker does (`job_worker.py`).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Protocol

from copydesk.errors import ExpiredJob, InvalidRequest, Overloaded, UnknownJob
from copydesk.types import Job, JobStatus, ModelVersion, Text, characters_in

STATUSES: tuple[JobStatus, ...] = ("pending", "running", "succeeded", "failed", "cancelled")
_ID = re.compile("[0-9a-f]{32}")
GRACE_S = 600.0
"""Results are deleted so long after they expired: a client that reads them meanwhile gets them to the end."""


@dataclass(frozen=True)
class JobRules:
    """How a job is worked on and kept. It is stored with the job: workers need no settings of their own.

    A chunk that raised an error `most_faults` times, or whose worker died `most_losses` times, fails its job. After its
    n-th fault it waits `first_wait_s * 2 ** (n - 1)`, at most `longest_wait_s`. Results are kept for `keep_s`, that
    there was such a job is known for `remember_s` more.
    """

    chunk_texts: int = 512
    chunk_chars: int = 400_000
    lease_s: float = 20.0
    chunk_limit_s: float = 900.0
    most_faults: int = 4
    most_losses: int = 8
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    keep_s: float = 24 * 3_600.0
    remember_s: float = 7 * 24 * 3_600.0
    most_waiting_texts: int = 5_000_000

    def wait_s(self, faults: int) -> float:
        """Return the seconds until a chunk that has failed so often (at least once) is tried again."""
        return float(min(self.first_wait_s * 2.0 ** min(faults - 1, 60), self.longest_wait_s))

    def to_json(self) -> str:
        """Return the rules as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, value: str) -> JobRules:
        """Return the rules that `to_json` wrote, perhaps a newer version's, whose further rules are left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: given for name, given in json.loads(value).items() if name in known})


@dataclass(frozen=True)
class Submission:
    """What is to be predicted by which model.

    `key` names the request, so that the same one sent again is the same job; `fingerprint` tells whether it is.
    """

    model: ModelVersion
    texts: Sequence[Text]
    scores: bool = False
    key: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class Chunk:
    """Some texts of a job, claimed by a worker: those from place `first` on. `token` proves the claim."""

    job_id: str
    place: int
    first: int
    texts: list[Text]
    model: ModelVersion
    scores: bool
    rules: JobRules
    faults: int
    token: str

    @property
    def which(self) -> str:
        """Return which texts of the job these are, counted from 0 as in the request."""
        last = self.first + len(self.texts) - 1
        return f"texts {self.first} to {last}" if last > self.first else f"text {self.first}"

    @property
    def is_last_try(self) -> bool:
        """Tell whether one more fault fails the job."""
        return self.faults + 1 >= self.rules.most_faults


class Jobs(Protocol):
    """Where jobs are kept, as the server sees it. Every call may raise `JobsUnavailable`, soon rather than late."""

    def submit(self, submission: Submission) -> Job:
        """Keep a job, whole or not at all; return it, or the one with the same key.

        Raises `InvalidRequest` where the key was used for another request, `Overloaded` where too much is waiting.
        """
        ...

    def get(self, job_id: str) -> Job:
        """Return a job as it stands. Raises `UnknownJob`, `ExpiredJob`."""
        ...

    def answers(self, job: Job) -> Iterator[bytes]:
        """Yield the predictions of a job that succeeded, in order, as JSON arrays of some hundred each."""
        ...

    def cancel(self, job_id: str) -> Job:
        """End a job that has not ended; return it as it then stands. Raises `UnknownJob`, `ExpiredJob`."""
        ...

    def counts(self) -> dict[JobStatus, int]:
        """Return how many jobs there are by status, without those that expired."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class Chunks(Protocol):
    """Where jobs are kept, as a worker that has claimed a chunk sees it. Each call may raise `JobsUnavailable`."""

    def extend(self, chunk: Chunk) -> bool:
        """Renew the claim; False where it is another's by now, or the job has ended."""
        ...

    def finish(self, chunk: Chunk, answers: bytes) -> None:
        """Keep the predictions (a JSON array), unless the chunk has some or the job has ended."""
        ...

    def fault(self, chunk: Chunk, reason: str) -> None:
        """Note that the chunk failed: it waits to be tried again, or the job fails with the reason."""
        ...


def new_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_hex(16)


def check_id(job_id: str) -> None:
    """Raise `UnknownJob` for what `new_id` never gave: clients send ids, and must not be led elsewhere in a store."""
    if not _ID.fullmatch(job_id):
        raise unknown(job_id)


def unknown(job_id: str) -> UnknownJob:
    """Return the error for a job that is not there."""
    return UnknownJob(f"There is no job {ascii(job_id[:40])}.")


def chunks_of(texts: Sequence[Text], rules: JobRules) -> Iterator[tuple[int, list[Text]]]:
    """Yield the texts in chunks, each with the place of its first text."""
    first, chars = 0, 0
    for place, text in enumerate(texts):
        size = characters_in(text)
        if place > first and (place - first == rules.chunk_texts or chars + size > rules.chunk_chars):
            yield first, list(texts[first:place])
            first, chars = place, 0
        chars += size
    yield first, list(texts[first:])


def lost_too_often(rules: JobRules, which: str) -> str:
    """Return why a job fails whose chunk outlived too many workers."""
    return f"The worker died {rules.most_losses} times while it answered {which}."


def same_request(job: Job, stored: str, submission: Submission) -> Job:
    """Return the job that a key belongs to. Raises `InvalidRequest` where another request had the key."""
    if stored == submission.fingerprint:
        return job
    message = (
        f"This key was used for job {job.id} with another body or other options. Send the same request again, or this "
        "one with a new key."
    )
    raise InvalidRequest([{"loc": ["header", "Idempotency-Key"], "msg": message, "type": "idempotency_key_reused"}])


def check_room(waiting: int, submission: Submission, rules: JobRules) -> None:
    """Raise `Overloaded` where more texts would wait than the rules allow."""
    if waiting and waiting + len(submission.texts) > rules.most_waiting_texts:
        raise Overloaded(
            f"{waiting:,} texts of other jobs are waiting; {len(submission.texts):,} more are too many. Try it later.",
            retry_after_s=60,
        )


def unless_expired(job: Job, expires: float | None, now: float) -> Job:
    """Return the job. Raises `ExpiredJob` where its results were kept long enough."""
    if expires is not None and expires <= now:
        raise ExpiredJob(f"Job {job.id} ended at {job.finished_at}; its results were kept until {job.expires_at}.")
    return job


def model_to_json(model: ModelVersion) -> str:
    """Return a model version as JSON."""
    return json.dumps(asdict(model))


def model_from_json(value: str | bytes) -> ModelVersion:
    """Return the model version that `model_to_json` wrote."""
    return ModelVersion(**json.loads(value))


def time_of(seconds: float | None) -> str | None:
    """Return a time (seconds since 1970) as ISO 8601 in UTC; none for none."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def progress_of(job: Job) -> Mapping[str, object]:
    """Return what a client is told of a job, as JSON values, without its results."""
    return {
        "id": job.id,
        "status": job.status,
        "model": {"name": job.model.name, "version": job.model.version},
        "texts": job.texts,
        "done": job.done,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
        "error": job.error,
    }
