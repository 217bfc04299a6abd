"""What the tests of jobs share: a clock to move by hand, a model whose answers tell what it read, and both stores."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

import numpy as np

from copydesk.runtime.engine import Answers
from copydesk.serve.celery_jobs import CeleryJobs, celery_app, sweep
from copydesk.serve.job_worker import Models, work_on
from copydesk.serve.jobs import Chunk, Chunks, JobRules, Jobs, Submission
from copydesk.serve.redis_jobs import QUEUE
from copydesk.serve.sqlite_jobs import SqliteJobs
from copydesk.types import Job, ModelVersion, Prediction

FIRST = ModelVersion("headlines", "1", "bundles/headlines-1")
SECOND = ModelVersion("headlines", "2", "bundles/headlines-2")


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def said(predictions: list[Prediction]) -> Answers:
    """Return predictions as a model's answers, without what they were made of."""
    return Answers([], np.empty((0, 0)), [], predictions)


class Echo:
    """Answers a text with its model's version and the text; raises for a text that holds `poison`."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.read: list[Any] = []

    def answers(self, texts: Sequence[Any], *, scores: bool = False) -> Answers:
        self.read.extend(texts)
        if any("poison" in text for text in texts):
            raise ValueError("a text that no model can read")
        every = {"yes": 0.5} if scores else None
        return said([Prediction(label=f"{self.version}: {text}", score=0.5, scores=every) for text in texts])


class Loader:
    """Loads an `Echo` for any version, and remembers which were loaded."""

    def __init__(self) -> None:
        self.loaded: list[ModelVersion] = []

    def __call__(self, version: ModelVersion) -> Echo:
        self.loaded.append(version)
        return Echo(version.version)


class Store(Jobs, Chunks, Protocol):
    """Both sides of a job store."""


class Office:
    """A store, its clock, and a worker that does one chunk at a time when told to."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.models = Models(Loader())

    def next(self) -> Chunk | None:
        """Claim the next chunk as the store's worker would."""
        raise NotImplementedError

    def again(self, rules: JobRules) -> Store:
        """Open the same store once more, as another process would."""
        raise NotImplementedError

    def submit(self, *texts: str, model: ModelVersion = FIRST, key: str = "", scores: bool = False) -> Job:
        fingerprint = hashlib.sha256(repr((texts, scores)).encode()).hexdigest()
        return self.store.submit(Submission(model, texts, scores, key, fingerprint))

    def work(self) -> int:
        """Do every chunk there is now; return how many."""
        done = 0
        while (chunk := self.next()) is not None:
            work_on(chunk, self.store, self.models)
            done += 1
        return done

    def labels(self, job: Job) -> list[str]:
        return [line["label"] for line in self.lines(job)]

    def lines(self, job: Job) -> list[dict[str, Any]]:
        return [line for part in self.store.answers(self.store.get(job.id)) for line in json.loads(part)]


class SqliteOffice(Office):
    def __init__(self, path: Path, rules: JobRules) -> None:
        clock = Clock()
        self._path = path
        self.file = SqliteJobs(path, rules, clock=clock)
        super().__init__(self.file, clock)

    def next(self) -> Chunk | None:
        return self.file.claim()

    def pages(self) -> int:
        """Return how many pages the file has."""
        with closing(sqlite3.connect(self._path)) as db:
            return int(db.execute("PRAGMA page_count").fetchone()[0])

    def again(self, rules: JobRules) -> Store:
        return SqliteJobs(self._path, rules, clock=self.clock)


class CeleryOffice(Office):
    """Takes the messages out of Celery's queue, as a Celery worker would, and sends new ones as its timer would."""

    def __init__(self, url: str, rules: JobRules) -> None:
        clock = Clock()
        self._url = url
        self.record = CeleryJobs(url, rules, clock=clock)
        super().__init__(self.record, clock)
        self._app = celery_app(url)

    def next(self) -> Chunk | None:
        sweep(self._app, self.record)
        with self._app.connection() as connection, connection.SimpleQueue(QUEUE) as queue:
            while True:
                try:
                    message = queue.get_nowait()
                except Empty:
                    return None
                assert message.content_type == "application/json"
                message.ack()
                job_id, place = message.payload[0]
                chunk = self.record.claim(job_id, place)
                if chunk is not None:
                    return chunk

    def again(self, rules: JobRules) -> Store:
        return CeleryJobs(self._url, rules, clock=self.clock)
