"""The client for asyncio: the same calls as `sync.Client`'s, awaited. It takes the steps of `calls` with httpx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, overload

from copydesk.client import http
from copydesk.client.calls import Calls, Text, job_path, right_answer
from copydesk.client.steps import NoReply, Outcome, Patience, Pause, Reply, Request, Steps
from copydesk.client.values import Answer, Health, ServedModel, read_job
from copydesk.types import Job, Signal

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio: the same arguments, errors and repetitions; tasks of one loop may share one."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        options = http.options(url, api_key)
        import httpx

        self._calls = Calls(patience or Patience())
        self._http = httpx.AsyncClient(transport=transport, **options)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @overload
    async def classify(self, texts: Text, *, scores: bool = False) -> Answer: ...  # type: ignore[overload-overlap]
    @overload
    async def classify(self, texts: Sequence[Text], *, scores: bool = False) -> list[Answer]: ...
    async def classify(self, texts: Text | Sequence[Text], *, scores: bool = False) -> Answer | list[Answer]:
        """Return the answer to one text, or to each of a list, in order; see `Client.classify`."""
        if isinstance(texts, str | Mapping):
            return (await self._take(self._calls.classify([texts], scores=scores)))[0]
        return await self._take(self._calls.classify(texts, scores=scores))

    async def feedback(
        self,
        answer: Answer | str,
        *,
        label: str | None = None,
        labels: Sequence[str] | None = None,
        signals: Sequence[Signal] | None = None,
        text: str | None = None,
        comment: str | None = None,
    ) -> None:
        """Tell what would have been right for an answer; see `Client.feedback`."""
        await self._take(self._calls.feedback(answer, right_answer(label, labels, signals), text, comment))

    async def models(self) -> list[ServedModel]:
        """Return the models that the server answers with, and their limits."""
        return await self._take(self._calls.models())

    async def health(self) -> Health:
        """Return whether the server lives and takes requests. Asked once, and never raised."""
        return await self._take(self._calls.health())

    async def submit(self, texts: Sequence[Text], *, scores: bool = False, idempotency_key: str | None = None) -> Job:
        """Hand in texts to be answered when there is time, and return the job; see `Client.submit`."""
        return await self._take(self._calls.submit(texts, scores=scores, key=idempotency_key))

    async def job(self, job: Job | str) -> Job:
        """Return how a job (or the one with this id) is now."""
        return await self._take(self._calls.job(job))

    async def wait(self, job: Job | str, *, timeout_s: float | None = None) -> list[Answer]:
        """Wait for a job and return its answers, in order; see `Client.wait`."""
        return await self._take(self._calls.results(job, timeout_s=timeout_s))

    async def progress(self, job: Job | str) -> AsyncIterator[Job]:
        """Yield a job's state now and whenever it changes, until it has ended; a broken line is taken up again."""
        state = await self.job(job)
        yield state
        while not state.has_ended:
            async for event in self._events(state):
                state = event
                yield state
            if not state.has_ended:
                await asyncio.sleep(self._calls.patience.first_pause_s)
                state = await self.job(state)
                yield state

    async def cancel(self, job: Job | str) -> Job:
        """Cancel a job and return its state; one that has ended stays as it is."""
        return await self._take(self._calls.cancel(job))

    async def _events(self, job: Job) -> AsyncIterator[Job]:
        import httpx

        reader = http.EventReader()
        request = http.stream_of(f"{job_path(job)}/events", self._calls.patience)
        try:
            async with self._http.stream(**request) as response:
                if response.is_success:
                    async for line in response.aiter_lines():
                        if data := reader.read(line):
                            yield read_job(data)
        except httpx.TransportError:
            return

    async def _take(self, steps: Steps[T]) -> T:
        outcome: Outcome = None
        try:
            while True:
                step = steps.send(outcome)
                outcome = await self._done(step)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    async def _done(self, step: Request | Pause) -> Reply | NoReply | None:
        import httpx

        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return http.reply(await self._http.request(**http.arguments(step)))
        except httpx.TransportError as error:
            return http.no_reply(error, step)
