"""What a worker does with a chunk that it has claimed, whichever store it came from.

A fault is anything that goes wrong between the texts and their answers. The store decides what follows
(`Chunks.fault`); a worker goes on with the next chunk. It does not know how chunks are handed out, except in the
embedded store's loop.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from copydesk.errors import BundleError, JobsUnavailable
from copydesk.progress import Progress, Silent
from copydesk.serve.jobs import Chunk, Chunks
from copydesk.types import ModelVersion, Text

if TYPE_CHECKING:
    from copydesk.runtime.engine import Answers, Classifier
    from copydesk.serve.answer_log import AnswerLog

LOG = logging.getLogger("copydesk.jobs")
_STORE_AGAIN_S = 1.0
_IDLE_S = 0.2
_SWEEP_EVERY_S = 60.0


class Models:
    """The models that jobs were accepted for, the last used ones kept in memory.

    `discard` is told the name of one that is not kept any longer.
    """

    def __init__(
        self,
        load: Callable[[ModelVersion], Classifier],
        *,
        kept: int = 2,
        discard: Callable[[str], object] = lambda name: None,
    ) -> None:
        self._load, self._discard = load, discard
        self._kept = kept
        self._loaded: OrderedDict[ModelVersion, Classifier] = OrderedDict()

    def of(self, version: ModelVersion) -> Classifier:
        """Return the model of a version, loaded where it is not in memory. Raises what loading raises."""
        if version not in self._loaded:
            while len(self._loaded) >= self._kept:  # before loading, so that one model too many is never in memory
                oldest = next(iter(self._loaded))
                del self._loaded[oldest]
                self._discard(oldest.name)
            self._loaded[version] = self._load(version)
        self._loaded.move_to_end(version)
        return self._loaded[version]


def load_version(version: ModelVersion) -> Classifier:
    """Load the version that a job was accepted for. Raises `BundleError` where its path leads to another by now."""
    from copydesk.runtime.fallback import load_model
    from copydesk.runtime.versions import version_of

    classifier = load_model(version.path, keep=False)
    found = version_of(classifier, version.path)
    if found.version != version.version:
        raise BundleError(
            f"'{version.path}' holds version {found.version} of {found.name!r} now; the job was accepted for version "
            f"{version.version}. Put new versions into new folders."
        )
    return classifier


def work_on(
    chunk: Chunk,
    store: Chunks,
    models: Models,
    *,
    log: AnswerLog | None = None,
    too_long: Callable[[], None] = lambda: None,
) -> None:
    """Answer a claimed chunk and keep the answers, or note the fault; raises nothing but `JobsUnavailable`.

    The claim is renewed meanwhile. `too_long` is called, from another thread, when that takes `chunk_limit_s`. What was
    kept goes into the `log` too.
    """
    reason = None
    with _claim_held(chunk, store, too_long):
        try:
            answers = answer(chunk, models)
            lines = to_json(chunk, answers)
        except Exception as error:  # whatever a model raises is this chunk's fault, and of no other
            told = (chunk.job_id, chunk.which, type(error).__name__, chunk.faults + 1, chunk.rules.most_faults)
            LOG.warning("Job %s: %s failed (%s), fault %d of %d", *told)  # the message may hold a text
            reason = _reason(chunk, models, error)
    if reason is None:
        _stored(lambda: store.finish(chunk, lines), chunk)
        if log is not None:
            log.take("job", models.of(chunk.model), chunk.model, ids_of(chunk), answers)
    else:
        _stored(lambda: store.fault(chunk, reason), chunk)


def answer(chunk: Chunk, models: Models) -> Answers:
    """Return the answers to a chunk's texts, in order."""
    found = models.of(chunk.model).answers(chunk.texts, scores=chunk.scores)
    if len(found.predictions) != len(chunk.texts):
        raise ValueError(f"The model gave {len(found.predictions)} answers to {len(chunk.texts)} texts.")
    return found


def to_json(chunk: Chunk, answers: Answers) -> bytes:
    """Return the predictions of a chunk, with their ids, as a JSON array."""
    named = zip(ids_of(chunk), answers.predictions, strict=True)
    lines = [{"id": name, **prediction.to_json()} for name, prediction in named]
    return json.dumps(lines, ensure_ascii=False, allow_nan=False).encode()


def ids_of(chunk: Chunk) -> list[str]:
    """Return the ids of a chunk's predictions: VERSION.RANDOM, as `/v1/classify` gives.

    They are the same however often the chunk is answered.
    """
    places = range(chunk.first, chunk.first + len(chunk.texts))
    names = (hashlib.blake2b(f"{chunk.job_id}/{place}".encode(), digest_size=8) for place in places)
    return [f"{chunk.model.version}.{name.hexdigest()}" for name in names]


class Embedded(Chunks, Protocol):
    """A store that its worker asks for the next chunk."""

    def claim(self) -> Chunk | None:
        """Return a chunk, claimed; none where there is nothing to do."""
        ...

    def sweep(self) -> None:
        """Delete what has expired."""
        ...


def work(
    store: Embedded,
    models: Models,
    stop: threading.Event,
    *,
    progress: Progress | None = None,
    log: AnswerLog | None = None,
    too_long: Callable[[], None] = lambda: None,
) -> None:
    """Work on an embedded store's chunks until `stop` is set; the present chunk is finished."""
    progress = progress or Silent()
    sweep_at = 0.0
    while not stop.is_set():
        try:
            chunk = store.claim()
            if chunk is not None:
                work_on(chunk, store, models, log=log, too_long=too_long)
            if time.monotonic() >= sweep_at:
                store.sweep()
                sweep_at = time.monotonic() + _SWEEP_EVERY_S
        except JobsUnavailable as error:  # the disk is full, say: what is claimed comes back when its lease runs out
            progress.warn(str(error))
            stop.wait(_STORE_AGAIN_S)
            continue
        if chunk is None:
            stop.wait(_IDLE_S)


@contextmanager
def _claim_held(chunk: Chunk, store: Chunks, too_long: Callable[[], None]) -> Iterator[None]:
    """Renew the claim from a thread while the block runs, for at most `chunk_limit_s`."""
    over = threading.Event()
    started = time.monotonic()

    def renew() -> None:
        while not over.wait(chunk.rules.lease_s / 4):
            if time.monotonic() - started > chunk.rules.chunk_limit_s:
                too_long()
                return
            try:
                if not store.extend(chunk):
                    return  # another has it, or the job has ended: what comes of this is dropped
            except JobsUnavailable:
                continue  # the lease lasts a while; the store may be back before it runs out

    thread = threading.Thread(target=renew, name="job-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _stored(store: Callable[[], None], chunk: Chunk) -> None:
    """Store what came of a chunk, trying as long as its lease; after that another worker does the chunk again."""
    until = time.monotonic() + chunk.rules.lease_s
    while True:
        try:
            return store()
        except JobsUnavailable:
            if time.monotonic() >= until:
                raise
            time.sleep(min(_STORE_AGAIN_S, chunk.rules.lease_s / 4))


def _reason(chunk: Chunk, models: Models, error: Exception) -> str:
    """Return what failed and why; at the last try the very text is looked for, by halves."""
    first, texts = 0, chunk.texts
    if chunk.is_last_try and len(texts) > 1:
        while len(texts) > 1:
            half = len(texts) // 2
            fault = _fault_in(texts[:half], chunk, models)
            first, texts = (first, texts[:half]) if fault else (first + half, texts[half:])
            error = fault or error
        if _fault_in(texts, chunk, models) is None:
            first, texts = 0, chunk.texts  # it is none of them alone
    which = "text" if len(texts) == 1 else "texts"
    places = f"{chunk.first + first}" + (f" to {chunk.first + first + len(texts) - 1}" if len(texts) > 1 else "")
    return f"The model could not answer {which} {places}: {type(error).__name__}: {error}"


def _fault_in(texts: list[Text], chunk: Chunk, models: Models) -> Exception | None:
    try:
        models.of(chunk.model).answers(texts, scores=chunk.scores)
    except Exception as error:  # the one that is looked for
        return error
    return None
