"""Files in, files out: check what was asked, continue where it stopped, finish.

It knows the order of things. How rows are scored is the engines' business: `local.py` and `on_ray.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from copydesk import __version__
from copydesk.errors import DataError, UsageError
from copydesk.progress import Advance, Progress, Silent
from copydesk.runtime.engine import Classifier
from copydesk.score.destination import Destination
from copydesk.score.inputs import Input, read_input
from copydesk.score.local import score_rows
from copydesk.score.parts import Rows, counts_of, missing, parts_of
from copydesk.score.request import Request, request_of, require_same
from copydesk.score.scorer import Options, Scorer


@dataclass(frozen=True)
class Outcome:
    """What was done: all rows of OUT, those without an answer by the reason, those that an earlier run had done."""

    out: str
    rows: int
    errors: dict[str, int] = field(default_factory=dict)
    computed: int = 0
    done_before: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Work:
    """Everything that an engine needs."""

    classifier: Classifier
    found: Input
    options: Options
    scorer: Scorer
    destination: Destination
    progress: Progress

    def done_already(self, request: Request, manifest: str) -> Outcome:
        """Return the outcome of a finished run. Raises `UsageError` if it was of another request."""
        require_same(request, manifest, self.destination.out)
        self.destination.tidy()
        known = json.loads(manifest)
        return Outcome(self.destination.out, known["rows"], known["errors"], known["computed"], known["rows"])

    def finish(self, request: Request, engine: str) -> Outcome:
        """Score the rows that no part holds yet, and put the output together."""
        store, total = self.destination.store, self.found.rows
        gaps = missing(parts_of(store.names()), total)
        left = sum(gap.count for gap in gaps)
        if left < total:
            self.progress.say(f"{total - left:,} of {total:,} rows were done before; continuing")
        if gaps:
            with self.progress.track("scoring", left, "texts") as advance:
                _ENGINES[engine](self, gaps, advance)
        done = parts_of(store.names())
        if lacking := missing(done, total):
            raise DataError(f"The rows from {lacking[0].start:,} on are missing in '{store}'. Run the command again.")
        counts = counts_of(store, done)
        manifest = {**request, "rows": total, **counts.to_json(), **_circumstances(engine, done)}
        self.destination.finish(manifest, done, self.scorer.schema)
        return Outcome(self.destination.out, total, dict(counts.errors), counts.computed, total - left)


def score(
    classifier: Classifier,
    source: str,
    out: str,
    *,
    text: Sequence[str] | None = None,
    scores: bool = False,
    thresholds: Mapping[str, float] | None = None,
    engine: str = "local",
    progress: Progress | None = None,
) -> Outcome:
    """Score every row of `source` into Parquet at `out`, or continue what a killed run began.

    Raises `UsageError` where `out` belongs to another request, naming what differs; `SourceError` or `DataError` for
    an input that cannot be read.
    """
    if engine not in _ENGINES:
        raise UsageError(f"--engine {engine!r} is not one of: {', '.join(_ENGINES)}.")
    listener = progress or Silent()
    destination = Destination(out)
    _refuse_inside(source, out)
    if classifier.fallback:
        listener.warn(f"These are not the trained model's answers. {classifier.fallback}")
    options = Options(tuple(text or classifier.settings.text), scores, thresholds)
    found = read_input(source, options.text, listener)
    scorer = Scorer(classifier, options, found.schema)
    for name, called in scorer.names.items():
        if name != called:
            listener.warn(f"The input has a column {name!r} already; the answer's is called {called!r}.")
    work = Work(classifier, found, options, scorer, destination, listener)
    request = request_of(classifier, found, options, scorer.answers)
    if (manifest := destination.finished()) is not None:
        return work.done_already(request, manifest)
    with destination.alone():
        if (begun := destination.begun()) is None:
            destination.begin(request)
        else:
            require_same(request, begun, str(destination.store))
        return work.finish(request, engine)


def _refuse_inside(source: str, out: str) -> None:
    """Raise `UsageError` for an output among the inputs: it would change them."""
    if "://" not in source and "://" not in out and Path(source).is_dir():
        if Path(out).resolve().is_relative_to(Path(source).resolve()):
            raise UsageError(f"Output '{out}' lies in the input folder '{source}'. Choose an OUT beside it.")


def _circumstances(engine: str, parts: list[Rows]) -> dict[str, Any]:
    return {
        "engine": engine,
        "copydesk": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "parts": [{"file": rows.part, "rows": rows.count} for rows in parts],
    }


def _local(work: Work, gaps: list[Rows], advance: Advance) -> None:
    score_rows(work.found, gaps, work.scorer, work.destination.store, advance)


def _ray(work: Work, gaps: list[Rows], advance: Advance) -> None:
    from copydesk.score.on_ray import job_of, score_on_ray

    job = job_of(work.classifier, work.found, work.options, work.destination.store)
    score_on_ray(job, gaps, advance)


_ENGINES: dict[str, Callable[[Work, list[Rows], Advance], None]] = {"local": _local, "ray": _ray}
