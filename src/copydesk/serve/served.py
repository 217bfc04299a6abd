"""One version of a model, ready to answer: its classifier and the lanes its texts go through.

The same steps as `Classifier.predict` takes, so the same answers; but texts of many requests share a batch, and what a
cascade's first stage is sure of does not wait for the second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import UsageError
from copydesk.models.base import Model
from copydesk.models.cascade import CascadeModel, Stage
from copydesk.models.compiled import BATCH_TOKENS, CompiledModel
from copydesk.models.tokens import Tokens, gathered
from copydesk.runtime.engine import Answers, Classifier
from copydesk.serve.batcher import Ticket
from copydesk.serve.ids import new_id
from copydesk.serve.lane import Engine, Lane, Times, Watcher
from copydesk.serve.limits import Limits
from copydesk.types import ModelVersion, Prediction, Text, characters_in

Floats = NDArray[np.float32]
_BATCH_CHARACTERS = 50_000
_AT_ONCE = 4_000
"""Up to so many characters are normalised and tokenised on the event loop: less than a thread's round trip costs."""
_WARM_UP = ("Warm up", "The first request shall not be the slow one. " * 40)


@dataclass(frozen=True)
class Answered:
    """What a request gets: predictions with their ids, the version that made them, and where the time went.

    Predictions may hold every label's score; the client gets them where it asked for `scores`.
    """

    version: ModelVersion
    ids: list[str]
    answers: Answers
    times: Times
    scores: bool

    @property
    def predictions(self) -> list[Prediction]:
        """One for each text, in order."""
        return self.answers.predictions

    def to_json(self) -> dict[str, Any]:
        """Return the body of `POST /v1/classify`'s answer."""
        predictions = [{"id": name, **found.to_json()} for name, found in zip(self.ids, self.predictions, strict=True)]
        if not self.scores:
            for prediction in predictions:
                prediction.pop("scores", None)
        return {"model": {"name": self.version.name, "version": self.version.version}, "predictions": predictions}


class Served:
    """A classifier behind lanes. Made and used within one event loop."""

    def __init__(
        self, classifier: Classifier, version: ModelVersion, *, limits: Limits, watcher: Watcher, threads: int
    ) -> None:
        self.classifier = classifier
        self.version = version
        self.limits = limits
        self.report = classifier.report if classifier.is_bundle else None
        self.answering = 0
        self._ways = [
            Way(stage, Lane(engine, most_texts=limits.queue_texts, most_wait_s=limits.queue_seconds, watcher=watcher))
            for stage, engine in engines_of(classifier, threads=threads)
        ]

    @property
    def lanes(self) -> list[Lane[Any]]:
        """The lanes, in the order in which a text goes through them."""
        return [way.lane for way in self._ways]

    @property
    def is_full(self) -> bool:
        """Tell whether a request would be refused now."""
        return any(lane.queue.is_full for lane in self.lanes)

    async def warm_up(self) -> None:
        """Answer a short and a long text by every stage, so that no client waits for what the first call does."""
        names = self.classifier.settings.text
        texts = self.classifier.prepared([dict.fromkeys(names, text) for text in _WARM_UP])
        for way in self._ways:
            await way.logits(texts, Ticket(), Times())
        await self.predict(list(_WARM_UP[:1]), Ticket())

    async def predict(self, texts: Sequence[Text], ticket: Ticket, *, scores: bool = False) -> Answered:
        """Answer a request. Raises `UsageError` for what is no text, `Overloaded`, `DeadlinePassed`."""
        self.answering += 1
        try:
            return await self._predict(texts, ticket, scores)
        finally:
            self.answering -= 1

    async def _predict(self, texts: Sequence[Text], ticket: Ticket, scores: bool) -> Answered:
        times = Times()
        started = asyncio.get_running_loop().time()
        clean = await _near(self.classifier.prepared, texts, size=sum(map(characters_in, texts)))
        times.tokenise += asyncio.get_running_loop().time() - started
        logits = await self._ways[0].logits(clean, ticket, times)
        stages: list[str] = []
        model = self.classifier.model
        if isinstance(model, CascadeModel):
            sure = model.certainty.sure(logits)
            stages = model.stages(sure)
            unsure = np.flatnonzero(~sure).tolist()
            if unsure:
                logits[unsure] = await self._ways[1].logits([clean[place] for place in unsure], ticket, times)
        found = self.classifier.calibrated(logits)
        predictions = self.classifier.decoded(found, stages, scores=scores or self.classifier.task.name == "multi")
        ids = [f"{self.version.version}.{new_id()}" for _ in texts]
        return Answered(self.version, ids, Answers(clean, found, stages, predictions), times, scores)

    def close(self) -> None:
        """Let the threads end."""
        for lane in self.lanes:
            lane.close()


@dataclass(frozen=True)
class Way:
    """A stage and its lane: how texts become payloads with costs, and outputs."""

    stage: Stage
    lane: Lane[Any]

    async def logits(self, texts: list[str], ticket: Ticket, times: Times) -> Floats:
        """Return the stage's calibrated outputs, shape (len(texts), outputs)."""
        model = self.stage.model
        if not isinstance(model, CompiledModel):
            found = await self.lane.answer(texts, [len(text) for text in texts], ticket, times)
            return self.stage.calibrated(found)
        loop = asyncio.get_running_loop()
        started = loop.time()
        tokens: Tokens = await _near(model.reader.encode, texts, size=sum(map(len, texts)))
        times.tokenise += loop.time() - started
        costs = np.bincount(tokens.owner, tokens.lengths, minlength=tokens.texts).astype(int).tolist()
        payloads = [(tokens, place) for place in range(tokens.texts)]
        return self.stage.calibrated(await self.lane.answer(payloads, costs, ticket, times))


def engines_of(classifier: Classifier, *, threads: int) -> list[tuple[Stage, Engine[Any]]]:
    """Return a model's stages, each with how it answers a batch. Raises `UsageError` for one that needs torch."""
    model = classifier.model
    stages = (model.first, model.second) if isinstance(model, CascadeModel) else (Stage(model),)
    return [(stage, _engine_of(stage.model, threads)) for stage in stages]


def _engine_of(model: Model, threads: int) -> Engine[Any]:
    if isinstance(model, CompiledModel):
        return Engine(model.kind, lambda parts: model.logits_of(gathered(parts)), BATCH_TOKENS, threads)
    if model.kind == "encoder":
        raise UsageError("This bundle's encoder runs in torch only, which is not served. Run: copydesk export MODEL")
    return Engine(model.kind, model.logits, _BATCH_CHARACTERS, 1, is_padded=False, at_once=_AT_ONCE)


async def _near(work: Any, texts: Sequence[Any], *, size: int) -> Any:  # noqa: ANN401 (whatever `work` returns)
    """Do a little work here, more of it in a thread."""
    if size <= _AT_ONCE:
        return work(texts)
    return await asyncio.get_running_loop().run_in_executor(None, work, texts)
