"""Jobs in one SQLite file: no server, any number of processes of one machine.

Every change is one transaction in a write-ahead log that reaches the disk before the call returns (synchronous=FULL):
kill -9 of any process at any moment leaves the state before or after a change. It is not for network file systems,
which do not lock as SQLite needs.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from copydesk.errors import ExpiredJob, JobsUnavailable
from copydesk.serve import jobs as rule
from copydesk.serve.jobs import Chunk, JobRules, Submission
from copydesk.types import Job, JobStatus

_BUSY_S, _AGAIN_S = 10.0, 0.01
_OPEN = "('pending', 'running')"
_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, status TEXT NOT NULL, model TEXT NOT NULL, scores INTEGER NOT NULL, rules TEXT NOT NULL,
  texts INTEGER NOT NULL, chunks INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL,
  finished REAL, expires REAL, forget REAL, error TEXT, key TEXT, fingerprint TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_key ON jobs (key);
CREATE TABLE IF NOT EXISTS chunks (  -- those that are not done, in the order in which they came
  number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, place INTEGER NOT NULL, first INTEGER NOT NULL,
  size INTEGER NOT NULL, due REAL NOT NULL DEFAULT 0, starts INTEGER NOT NULL DEFAULT 0,
  faults INTEGER NOT NULL DEFAULT 0, token TEXT NOT NULL DEFAULT '', UNIQUE (job, place)
);
CREATE TABLE IF NOT EXISTS texts (job TEXT NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (job, place));
CREATE TABLE IF NOT EXISTS answers (job TEXT NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (job, place));
"""


class SqliteJobs:
    """Jobs in a SQLite file, for the server and for its worker; safe to use from several threads.

    `clock` gives the seconds since 1970. Raises `JobsUnavailable` where the file cannot be used.
    """

    def __init__(self, path: Path, rules: JobRules | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._rules = rules or JobRules()
        self._clock = clock
        self._lock = threading.RLock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # it holds texts; SQLite gives its other files the same rights
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._make_tables()
            self._db.execute("PRAGMA synchronous = FULL")

    def _make_tables(self) -> None:
        """Make what is missing. Of several that turn a new file to WAL at once SQLite refuses some without waiting."""
        ends_at = time.monotonic() + _BUSY_S
        while True:
            try:
                self._db.executescript(_SCHEMA)
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends_at:
                    raise
            time.sleep(_AGAIN_S)

    def submit(self, submission: Submission) -> Job:
        """Keep a job, whole or not at all; return it, or the one with the same key. See `Jobs`."""
        with self._change() as db:
            known = self._known(db, submission)
            if known:
                return known
            waiting = db.execute(f"SELECT coalesce(sum(texts - done), 0) FROM jobs WHERE status IN {_OPEN}")  # nosec B608 # a constant
            rule.check_room(waiting.fetchone()[0], submission, self._rules)
            return self._insert(db, submission)

    def get(self, job_id: str) -> Job:
        """Return a job as it stands. Raises `UnknownJob`, `ExpiredJob`."""
        with self._reading() as db:
            return self._get(db, job_id)

    def answers(self, job: Job) -> Iterator[bytes]:
        """Yield the predictions in order, as JSON arrays; one chunk at a time is in memory."""
        with self._reading() as db:
            count = self._row(db, job.id)["chunks"]
        for place in range(count):
            with self._reading() as db:
                row = db.execute("SELECT body FROM answers WHERE job = ? AND place = ?", (job.id, place)).fetchone()
            if row is None:
                raise ExpiredJob(f"The results of job {job.id} were deleted while they were read.")
            yield row["body"]

    def cancel(self, job_id: str) -> Job:
        """End a job that has not ended. Raises `UnknownJob`, `ExpiredJob`."""
        with self._change() as db:
            self._get(db, job_id)
            self._end(db, job_id, "cancelled")
            return self._get(db, job_id)

    def counts(self) -> dict[JobStatus, int]:
        """Return how many jobs there are by status, without those that expired."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT status, count(*) FROM jobs WHERE expires IS NULL OR expires > ? GROUP BY status",
                (self._clock(),),
            )
            return dict.fromkeys(rule.STATUSES, 0) | dict(rows.fetchall())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def claim(self) -> Chunk | None:
        """Return the oldest chunk that nobody works on, claimed; none where there is nothing to do."""
        due = "SELECT 1 FROM chunks WHERE due <= ? LIMIT 1"
        with self._reading() as db:  # most calls find nothing, and need no write lock to see it
            if db.execute(due, (self._clock(),)).fetchone() is None:
                return None
        with self._change() as db:
            row = db.execute(_NEXT, (self._clock(),)).fetchone()
            return None if row is None else self._claimed(db, row)

    def extend(self, chunk: Chunk) -> bool:
        """Renew the claim; False where it is another's by now, or the job has ended."""
        with self._change() as db:
            return self._set_due(db, chunk, chunk.rules.lease_s)

    def finish(self, chunk: Chunk, answers: bytes) -> None:
        """Keep the predictions, unless the chunk has some or the job has ended."""
        with self._change() as db:
            open_chunk = "DELETE FROM chunks WHERE job = ? AND place = ?"
            if not db.execute(open_chunk, (chunk.job_id, chunk.place)).rowcount:
                return
            db.execute("INSERT INTO answers VALUES (?, ?, ?)", (chunk.job_id, chunk.place, answers))
            db.execute("DELETE FROM texts WHERE job = ? AND place = ?", (chunk.job_id, chunk.place))
            db.execute("UPDATE jobs SET done = done + ? WHERE id = ?", (len(chunk.texts), chunk.job_id))
            if db.execute("SELECT 1 FROM chunks WHERE job = ? LIMIT 1", (chunk.job_id,)).fetchone() is None:
                self._end(db, chunk.job_id, "succeeded")

    def fault(self, chunk: Chunk, reason: str) -> None:
        """Note that the chunk failed: it waits to be tried again, or the job fails with the reason."""
        with self._change() as db:
            if self._set_due(db, chunk, chunk.rules.wait_s(chunk.faults + 1), faults=1) and chunk.is_last_try:
                self._end(db, chunk.job_id, "failed", reason)

    def sweep(self) -> None:
        """Delete results that expired, and jobs that need not be known any longer."""
        now = self._clock()
        with self._change() as db:
            expired = "(SELECT id FROM jobs WHERE expires <= ?)"
            db.execute(f"DELETE FROM answers WHERE job IN {expired}", (now - rule.GRACE_S,))  # nosec B608 # a constant
            db.execute("DELETE FROM jobs WHERE forget <= ?", (now - rule.GRACE_S,))
        with self._reading() as db:
            db.executescript("PRAGMA incremental_vacuum")  # execute() would free one page only

    def _known(self, db: sqlite3.Connection, submission: Submission) -> Job | None:
        """Return the job that came with the same key, unless its results have expired: then the key is free again."""
        row = db.execute("SELECT * FROM jobs WHERE key = ?", (submission.key or None,)).fetchone()
        if row is None:
            return None
        if row["expires"] is not None and row["expires"] <= self._clock():
            db.execute("UPDATE jobs SET key = NULL WHERE id = ?", (row["id"],))
            return None
        return rule.same_request(_job(row), row["fingerprint"], submission)

    def _insert(self, db: sqlite3.Connection, submission: Submission) -> Job:
        job_id, count = rule.new_id(), 0
        for count, (first, texts) in enumerate(rule.chunks_of(submission.texts, self._rules), 1):
            place = count - 1
            db.execute("INSERT INTO texts VALUES (?, ?, ?)", (job_id, place, json.dumps(texts).encode()))
            db.execute(
                "INSERT INTO chunks (job, place, first, size) VALUES (?, ?, ?, ?)", (job_id, place, first, len(texts))
            )
        values = {
            "id": job_id,
            "status": "pending",
            "model": rule.model_to_json(submission.model),
            "scores": submission.scores,
            "rules": self._rules.to_json(),
            "texts": len(submission.texts),
            "chunks": count,
            "created": self._clock(),
            "key": submission.key or None,
            "fingerprint": submission.fingerprint,
        }
        marks = ", ".join("?" * len(values))
        db.execute(f"INSERT INTO jobs ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))  # nosec B608 # our own names
        return self._get(db, job_id)

    def _row(self, db: sqlite3.Connection, job_id: str) -> sqlite3.Row:
        rule.check_id(job_id)
        row: sqlite3.Row | None = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise rule.unknown(job_id)
        return row

    def _get(self, db: sqlite3.Connection, job_id: str) -> Job:
        row = self._row(db, job_id)
        return rule.unless_expired(_job(row), row["expires"], self._clock())

    def _claimed(self, db: sqlite3.Connection, row: sqlite3.Row) -> Chunk | None:
        rules = JobRules.from_json(row["rules"])
        chunk = Chunk(
            row["job"],
            row["place"],
            row["first"],
            json.loads(row["body"]),
            rule.model_from_json(row["model"]),
            bool(row["scores"]),
            rules,
            row["faults"],
            rule.new_id(),
        )
        if row["starts"] - row["faults"] >= rules.most_losses:
            self._end(db, chunk.job_id, "failed", rule.lost_too_often(rules, chunk.which))
            return None
        db.execute(
            "UPDATE chunks SET due = ?, starts = starts + 1, token = ? WHERE job = ? AND place = ?",
            (self._clock() + rules.lease_s, chunk.token, chunk.job_id, chunk.place),
        )
        db.execute("UPDATE jobs SET status = 'running' WHERE id = ? AND status = 'pending'", (chunk.job_id,))
        return chunk

    def _set_due(self, db: sqlite3.Connection, chunk: Chunk, wait_s: float, *, faults: int = 0) -> bool:
        """Let the chunk rest for some seconds, if the claim still holds; tell whether it does."""
        changed = db.execute(
            "UPDATE chunks SET due = ?, faults = faults + ? WHERE job = ? AND place = ? AND token = ?",
            (self._clock() + wait_s, faults, chunk.job_id, chunk.place, chunk.token),
        )
        return changed.rowcount > 0

    def _end(self, db: sqlite3.Connection, job_id: str, status: JobStatus, error: str | None = None) -> None:
        row, now = self._row(db, job_id), self._clock()
        if row["status"] not in ("pending", "running"):
            return
        rules = JobRules.from_json(row["rules"])
        times = (now, now + rules.keep_s, now + rules.keep_s + rules.remember_s)
        change = "UPDATE jobs SET status = ?, error = ?, finished = ?, expires = ?, forget = ? WHERE id = ?"
        db.execute(change, (status, error, *times, job_id))
        for table in ("chunks", "texts") if status == "succeeded" else ("chunks", "texts", "answers"):
            db.execute(f"DELETE FROM {table} WHERE job = ?", (job_id,))  # nosec B608 # our own names

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Open one transaction that holds the only write lock; it is undone where the block raises."""
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            yield self._db

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise JobsUnavailable(
                f"The jobs in '{self.path}' cannot be reached ({error}). Check the disk and the rights of the folder."
            ) from error


_NEXT = """
SELECT chunks.*, jobs.model, jobs.scores, jobs.rules, texts.body FROM chunks
JOIN jobs ON jobs.id = chunks.job JOIN texts ON texts.job = chunks.job AND texts.place = chunks.place
WHERE chunks.due <= ? ORDER BY chunks.number LIMIT 1
"""


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        status=row["status"],
        model=rule.model_from_json(row["model"]),
        texts=row["texts"],
        created_at=rule.time_of(row["created"]) or "",
        done=row["done"],
        finished_at=rule.time_of(row["finished"]),
        expires_at=rule.time_of(row["expires"]),
        error=row["error"],
    )
