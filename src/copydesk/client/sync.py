"""The client for ordinary code. It takes the steps of `calls` with httpx; `asynchronous` does so for asyncio."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
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


class Client:
    """A connection to a server of `copydesk serve`; threads may share one.

    Refusals with 429 and 503, and lines that break, are repeated within `patience`, honouring Retry-After, where twice
    does no harm. Every call may raise `RequestRefused`'s kinds for what the server does not answer, `ServiceError` for
    faults of its own, and `Unreachable` where nothing comes back. A jammed or missing server costs at most
    `patience.deadline_s` a request.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        options = http.options(url, api_key)
        import httpx

        self._calls = Calls(patience or Patience())
        self._http = httpx.Client(transport=transport, **options)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @overload
    def classify(self, texts: Text, *, scores: bool = False) -> Answer: ...  # type: ignore[overload-overlap]
    @overload
    def classify(self, texts: Sequence[Text], *, scores: bool = False) -> list[Answer]: ...
    def classify(self, texts: Text | Sequence[Text], *, scores: bool = False) -> Answer | list[Answer]:
        """Return the answer to one text, or to each of a list, in order; `scores` adds every label's score.

        A list longer than the server takes at once is sent in parts.
        """
        if isinstance(texts, str | Mapping):
            return self._take(self._calls.classify([texts], scores=scores))[0]
        return self._take(self._calls.classify(texts, scores=scores))

    def feedback(
        self,
        answer: Answer | str,
        *,
        label: str | None = None,
        labels: Sequence[str] | None = None,
        signals: Sequence[Signal] | None = None,
        text: str | None = None,
        comment: str | None = None,
    ) -> None:
        """Tell what would have been right for an answer (or its id): a label, labels or signals, as the task has it.

        It is stored with `text` and `comment`. Once sent it is not repeated: `Unreachable` says whether it may have
        arrived.
        """
        self._take(self._calls.feedback(answer, right_answer(label, labels, signals), text, comment))

    def models(self) -> list[ServedModel]:
        """Return the models that the server answers with, and their limits."""
        return self._take(self._calls.models())

    def health(self) -> Health:
        """Return whether the server lives and takes requests. Asked once, and never raised."""
        return self._take(self._calls.health())

    def submit(self, texts: Sequence[Text], *, scores: bool = False, idempotency_key: str | None = None) -> Job:
        """Hand in texts to be answered when there is time, and return the job.

        A key of one's own makes a job once, even if this process dies and does it again; else one is drawn, and holds
        for the repetitions of this call.
        """
        return self._take(self._calls.submit(texts, scores=scores, key=idempotency_key))

    def job(self, job: Job | str) -> Job:
        """Return how a job (or the one with this id) is now."""
        return self._take(self._calls.job(job))

    def wait(self, job: Job | str, *, timeout_s: float | None = None) -> list[Answer]:
        """Wait for a job and return its answers, in order.

        Raises `JobFailed` when it failed or was cancelled, `DeadlinePassed` when it is not done after `timeout_s`.
        """
        return self._take(self._calls.results(job, timeout_s=timeout_s))

    def progress(self, job: Job | str) -> Iterator[Job]:
        """Yield a job's state now and whenever it changes, until it has ended; a broken line is taken up again."""
        state = self.job(job)
        yield state
        while not state.has_ended:
            for event in self._events(state):
                state = event
                yield state
            if not state.has_ended:
                time.sleep(self._calls.patience.first_pause_s)
                state = self.job(state)
                yield state

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job and return its state; one that has ended stays as it is."""
        return self._take(self._calls.cancel(job))

    def _events(self, job: Job) -> Iterator[Job]:
        import httpx

        reader = http.EventReader()
        request = http.stream_of(f"{job_path(job)}/events", self._calls.patience)
        try:
            with self._http.stream(**request) as response:
                for line in response.iter_lines() if response.is_success else ():
                    if data := reader.read(line):
                        yield read_job(data)
        except httpx.TransportError:
            return

    def _take(self, steps: Steps[T]) -> T:
        outcome: Outcome = None
        try:
            while True:
                step = steps.send(outcome)
                outcome = self._done(step)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _done(self, step: Request | Pause) -> Reply | NoReply | None:
        import httpx

        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return http.reply(self._http.request(**http.arguments(step)))
        except httpx.TransportError as error:
            return http.no_reply(error, step)
