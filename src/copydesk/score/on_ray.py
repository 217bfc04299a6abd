"""Scoring on a Ray cluster: Ray Data hands out runs of rows, and actors score each into one part.

Every machine must see the same bundle, input and output: a shared file system, or a bucket for the latter two. An actor
loads the model once. A run of rows that was lost with its machine is handed out again; its part has the same name, so
that nothing is doubled.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from copydesk.errors import CopydeskError, MissingExtra, UsageError
from copydesk.progress import Advance
from copydesk.registry.references import opened
from copydesk.remote.store import Folder, Store
from copydesk.runtime.engine import Classifier
from copydesk.score.inputs import Forward, Input
from copydesk.score.parts import PartWriter, Rows
from copydesk.score.request import model_of
from copydesk.score.scorer import Options, Scorer

UNIT_ROWS = 1 << 15
"""Rows handed out at a time; each run of them becomes a part."""


@dataclass(frozen=True)
class Job:
    """What every actor is told."""

    model: str
    identity: str
    fallback: str | None
    options: Options
    found: Input
    store: Store


def job_of(classifier: Classifier, found: Input, options: Options, store: Store) -> Job:
    """Return the job, with whole paths: another machine's working folder is another. Raises `UsageError`."""
    if not classifier.is_bundle:
        raise UsageError("--engine ray needs a trained bundle, which its workers can load; these are keywords.")
    files = tuple(
        file if "://" in file.url else replace(file, url=str(Path(file.url).resolve())) for file in found.files
    )
    return Job(
        classifier.bundle.registered.path if classifier.bundle.registered else str(classifier.path.resolve()),
        model_of(classifier)["identity"],
        classifier.fallback,
        options,
        replace(found, files=files),
        Folder(store.path.resolve()) if isinstance(store, Folder) else store,
    )


def score_on_ray(job: Job, gaps: list[Rows], advance: Advance, *, unit_rows: int = UNIT_ROWS) -> None:
    """Score the rows of these gaps into parts. Raises what the first actor that failed says."""
    units = [{"start": unit.start, "stop": unit.stop} for gap in gaps for unit in _units(gap, unit_rows)]
    with _cluster() as ray:
        ray.data.DataContext.get_current().enable_progress_bars = False
        asked = ray.data.from_items(units, override_num_blocks=len(units))
        done = asked.map_batches(
            Actor,
            fn_constructor_args=(job,),
            batch_size=None,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=1),
        )
        for row in done.iter_rows():
            if row["failed"]:
                raise CopydeskError(row["failed"])
            advance(row["rows"])


class Actor:
    """Scores one run of rows after another on some machine of the cluster."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._scorer: Scorer | None = None
        self._forward = Forward(job.found)

    def __call__(self, units: dict[str, Any]) -> dict[str, list[Any]]:
        """Score the rows of each unit, and say how many they were, or what was wrong."""
        answers: dict[str, list[Any]] = {"rows": [], "failed": []}
        for start, stop in zip(units["start"], units["stop"], strict=True):
            rows, failed = Rows(int(start), int(stop)), ""
            try:
                self._score(rows)
            except CopydeskError as error:
                failed = f"{os.uname().nodename}: {error}"
            answers["rows"].append(rows.count)
            answers["failed"].append(failed)
        return answers

    def _score(self, rows: Rows) -> None:
        if self._job.store.has(rows.part):
            return
        self._scorer = self._scorer or self._load()
        with PartWriter(
            self._job.store, self._scorer.schema, most_rows=rows.count, most_s=float("inf"), whole=True
        ) as part:
            for start, batch in self._forward.take(rows.start, rows.stop):
                part.write(start, self._scorer(batch))

    def _load(self) -> Scorer:
        classifier = Classifier.of(opened(self._job.model), fallback=self._job.fallback)
        if model_of(classifier)["identity"] != self._job.identity:
            raise UsageError(f"The model '{self._job.model}' is another one here. Share one among all machines.")
        return Scorer(classifier, self._job.options, self._job.found.schema)


def _units(gap: Rows, most: int) -> Iterator[Rows]:
    for start in range(gap.start, gap.stop, most):
        yield Rows(start, min(start + most, gap.stop))


@contextmanager
def _cluster() -> Iterator[ModuleType]:
    """Connect to the cluster of RAY_ADDRESS, or that runs on this machine, else start one here until the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it reports to its makers otherwise
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtra("--engine ray", "scale", "ray") from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield ray
        return
    with redirect_stdout(sys.stderr):  # where Ray tells of lost machines; standard output is for the result
        ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
        try:
            yield ray
        finally:
            ray.shutdown()
