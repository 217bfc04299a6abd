"""Which version answers, and the change from one to the next without losing a request.

A request keeps the version it began with. When the model's name leads to another bundle, that one is loaded and warmed
beside the present one, then takes over; the old one answers what it had accepted, then goes. A candidate in the shadow
answers a share of the texts after their clients have theirs.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from copydesk.bundle import Bundle
from copydesk.errors import CopydeskError, NotReady, RegistryError, RequestRefused
from copydesk.models.cores import allowed_cores
from copydesk.registry.cache import discard
from copydesk.registry.references import is_reference
from copydesk.runtime.engine import Classifier
from copydesk.runtime.fallback import load_model
from copydesk.runtime.versions import fingerprint, version_of
from copydesk.serve.answer_log import AnswerLog
from copydesk.serve.batcher import Ticket
from copydesk.serve.limits import Limits
from copydesk.serve.metrics import Metrics, Shadow
from copydesk.serve.schemas import read_texts
from copydesk.serve.served import Answered, Served
from copydesk.types import ModelVersion, Text

LOG = logging.getLogger("copydesk.serve")
_LOOK_S = 2.0
_AGAIN_S = 30.0
_DRAIN_LOOK_S = 0.05


@dataclass(frozen=True)
class Reference:
    """A name of a model that may come to lead to another bundle: how it is looked up and loaded.

    `discard` removes what was fetched of the model and is not in use, and returns how many versions that were.
    """

    name: str
    fingerprint: Callable[[], str]
    load: Callable[[], tuple[Classifier, ModelVersion]]
    discard: Callable[[str], int] = lambda name: 0

    @classmethod
    def to(cls, model: str) -> Reference:
        """Return the reference to a bundle folder, a registry's version or a recipe."""

        def load() -> tuple[Classifier, ModelVersion]:
            classifier = load_model(model, keep=False)
            return classifier, version_of(classifier, model)

        found = cls(model, lambda: fingerprint(model), load)
        return replace(found, discard=discard) if is_reference(model) else found


class Service:
    """The served model through time. Everything but loading happens on one event loop."""

    def __init__(
        self,
        reference: Reference,
        *,
        metrics: Metrics,
        limits: Limits | None = None,
        shadow: tuple[Reference, float] | None = None,
        log: AnswerLog | None = None,
        threads: int = 0,
        look_s: float = _LOOK_S,
        again_s: float = _AGAIN_S,
    ) -> None:
        self.metrics = metrics
        self.is_draining = False
        self._reference, self._limits, self._shadow_of, self.log = reference, limits, shadow, log
        self._threads, self._look_s = threads or allowed_cores(), look_s
        self._served: Served | None = None
        self._shadow: Served | None = None
        self._before: Bundle | None = None
        self._seen, self._again_s, self._again_at = "", again_s, math.inf
        self._unseen = False
        self._due = 0.0
        self._retiring: list[Served] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def served(self) -> Served:
        """The version that answers now. Raises `NotReady` before there is one."""
        if self._served is None:
            raise NotReady("The model is being loaded. Come again in a moment.")
        return self._served

    @property
    def limits(self) -> Limits:
        """What a request may ask for: what was set, else what the served model's recipe says."""
        return self.served.limits

    @property
    def unready(self) -> str:
        """Why no request should be sent here now; "" where one may."""
        if self.is_draining:
            return "draining"
        if self._served is None:
            return "loading"
        return "queue full" if self._served.is_full else ""

    async def start(self) -> None:
        """Load and warm the model, then watch whether its name leads elsewhere. Raises what loading raises."""
        self._seen = await asyncio.to_thread(self._reference.fingerprint)
        self._served = await self._loaded(self._reference)
        if self._shadow_of is not None:
            self._shadow = await self._loaded(self._shadow_of[0])
            self.metrics.shadowed(self._shadow.version.version)
        self._go(self._watch())

    async def predict(self, texts: Sequence[Text], ticket: Ticket, *, scores: bool = False) -> Answered:
        """Answer a request. Raises `NotReady`, `Overloaded`, `DeadlinePassed`, `UsageError`."""
        served = self.served
        answered = await served.predict(texts, ticket, scores=scores)
        self.metrics.classified(answered.version.version, answered.times, answered.predictions)
        if self.log is not None:
            self.log.take("live", served.classifier, answered.version, answered.ids, answered.answers)
        if self._shadow_of is not None and self._shadow is not None:
            self._due += self._shadow_of[1]
            if self._due >= 1:
                self._due -= 1
                self._go(self._compare(self._shadow, texts, answered))
        return answered

    def accept_job(self, body: bytes) -> tuple[ModelVersion, list[Text]]:
        """Return the version that will answer a job, and its texts. Raises `NotReady`, `InvalidRequest`."""
        served = self.served
        columns, limits = served.classifier.settings.text, served.limits
        texts = read_texts(body, columns, most_texts=limits.job_texts, most_chars=limits.text_chars)
        return served.version, texts

    async def refresh(self) -> bool:
        """Change to what the name leads to, if that is another version; tell whether it did.

        A version that cannot be loaded leaves the present one in its place, and is tried again when it changes, or
        after a while: its folder may not have been whole yet.
        """
        try:
            found = await asyncio.to_thread(self._reference.fingerprint)
        except Exception as error:  # being written, or taken away, or a registry is down: the present one stays
            self._tell_unseen(error)
            return False
        if self._unseen:
            LOG.info("look-up works again", extra={"fields": {"model": self._reference.name}})
            self._unseen = False
        now = time.monotonic()
        if found == self._seen and now < self._again_at:
            return False
        if found != self._seen:
            await self._make_room()
        self._seen, self._again_at = found, math.inf
        try:
            served = await self._loaded(self._reference)
        except Exception as error:  # whatever it is, the next version may be sound, and must be looked for
            facts = {"model": self._reference.name, "error": str(error)}
            LOG.error("swap failed", exc_info=not isinstance(error, CopydeskError), extra={"fields": facts})
            self.metrics.swapped("failed")
            self._again_at = now + self._again_s
            return False
        old, self._served = self.served, served
        self.metrics.serves(old.version, now=False)
        self.metrics.serves(served.version, now=True)
        self.metrics.swapped("done")
        facts = {"model": self._reference.name, "from": old.version.version, "to": served.version.version}
        LOG.info("swapped", extra={"fields": facts})
        if old.classifier.is_bundle and old.version != served.version:
            self._before = old.classifier.bundle  # and with it its folder: going back fetches nothing
        self._retiring.append(old)
        self._go(self._retire(old))
        return True

    def _tell_unseen(self, error: Exception) -> None:
        """Log that the name leads nowhere now; of a registry that does not answer aloud, and once."""
        aloud = isinstance(error, RegistryError) and not self._unseen
        self._unseen = self._unseen or aloud
        facts = {"model": self._reference.name, "error": str(error) if aloud else repr(error)}
        LOG.log(logging.WARNING if aloud else logging.DEBUG, "nothing to look at", extra={"fields": facts})

    def drain(self) -> None:
        """Be ready no more, and go on answering."""
        self.is_draining = True

    async def close(self) -> None:
        """Wait for what was accepted, by the present version and by those before it, then end."""
        self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for served in filter(None, (*self._retiring, self._served, self._shadow)):
            await _retire(served)
        if self.log is not None:
            await asyncio.to_thread(self.log.close)

    async def _loaded(self, reference: Reference) -> Served:
        classifier, version = await asyncio.to_thread(reference.load)
        limits = self._limits or (Limits.of(classifier.recipe.serve) if classifier.is_bundle else Limits())
        watcher = self.metrics if reference is self._reference else Shadow(self.metrics)
        served = Served(classifier, version, limits=limits, watcher=watcher, threads=self._threads)
        try:
            await served.warm_up()
        except BaseException:
            served.close()
            raise
        if reference is self._reference and self._served is None:
            self.metrics.serves(version, now=True)
        return served

    async def _retire(self, old: Served) -> None:
        await _retire(old)
        self._retiring.remove(old)
        await self._make_room()

    async def _make_room(self) -> None:
        """Remove what was fetched before the version that was replaced last, where nobody uses it any more.

        It is done after each change, and before the next version is fetched: what was in use then may not be now.
        """
        if self._before is None:
            return
        removed = await asyncio.to_thread(self._reference.discard, self.served.version.name)
        if removed:
            LOG.info("removed", extra={"fields": {"model": self._reference.name, "versions": removed}})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            await self.refresh()

    async def _compare(self, shadow: Served, texts: Sequence[Text], answered: Answered) -> None:
        """Let the candidate answer what was answered, and count where it differs, or fails."""
        version = shadow.version.version
        try:
            other = await shadow.predict(texts, Ticket(deadline=time.monotonic() + self._look_s))
        except RequestRefused:
            return  # overloaded: the shadow is the first to give way
        except Exception as error:  # the candidate's fault is nobody's but its own
            LOG.debug("the candidate failed", extra={"fields": {"version": version, "error": type(error).__name__}})
            self.metrics.shadowed(version, failed=len(texts))
            return
        if self.log is not None:
            self.log.take("shadow", shadow.classifier, shadow.version, answered.ids, other.answers)
        same = sum(first == second for first, second in zip(_decisions(answered), _decisions(other), strict=True))
        self.metrics.shadowed(version, yes=same, no=len(texts) - same)

    def _go(self, work: Any) -> None:  # noqa: ANN401 (a coroutine)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _retire(served: Served) -> None:
    """Wait until a version has answered what it accepted, then let its threads end."""
    while served.answering:
        await asyncio.sleep(_DRAIN_LOOK_S)
    served.close()


def _decisions(answered: Answered) -> list[object]:
    """Return what was decided, without scores and ids, so that versions with other label orders compare too."""
    found: list[object] = []
    for one in answered.predictions:
        if one.signals is not None:
            found.append({(signal.category, signal.tag, signal.score > 0) for signal in one.signals if signal.present})
        else:
            found.append(one.label if one.labels is None else frozenset(one.labels))
    return found
