"""What can be asked of a server, each call as steps. No input or output: `sync` and `asynchronous` take the steps."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from copydesk.client.refusals import accepted, asks_for_fewer
from copydesk.client.steps import Outcome, Patience, Pause, Reply, Request, Steps, send
from copydesk.client.values import Answer, Health, ServedModel, is_job, read_answers, read_job, read_models
from copydesk.errors import DeadlinePassed, JobFailed, ServiceError, UsageError
from copydesk.types import Job, Signal

Text = str | Mapping[str, str]
"""One text; or its columns by name, where the model reads several."""
_POLL_S = 1.0


class Calls:
    """The calls of one client; it remembers how many texts its server takes at once."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.most_texts: int | None = None

    def classify(self, texts: Sequence[Text], *, scores: bool) -> Steps[list[Answer]]:
        """Return an answer per text, in order, from as many requests as the server's limits make necessary."""
        answers: list[Answer] = []
        most = self.most_texts or len(texts)
        while len(answers) < len(texts):
            start = len(answers)
            piece = texts[start : start + most]
            reply = yield from send(_texts_request("/v1/classify", piece, scores), self.patience)
            if asks_for_fewer(reply) and len(piece) > 1:
                most = yield from self._fewer_than(len(piece), reply)
                continue
            found = read_answers(accepted(reply, first_text=start).body)
            if len(found) != len(piece):
                raise ServiceError(f"The server gave {len(found)} answers to {len(piece)} texts; one each is expected.")
            answers += found
        return answers

    def _fewer_than(self, texts: int, reply: Reply) -> Steps[int]:
        """Return how many texts to send at once: what the server says it takes, half where that is not the reason."""
        if reply.status != 413:
            limits = [model.limits.max_batch_texts for model in (yield from self.models())]
            if limits and 0 < min(limits) < texts:
                self.most_texts = min(limits)
                return self.most_texts
        return (texts + 1) // 2

    def feedback(
        self, answer: Answer | str, right: Mapping[str, Any], text: str | None, comment: str | None
    ) -> Steps[None]:
        """Send what would have been right. Sent twice it would count twice: only refusals are repeated."""
        said = {"text": text, "comment": comment}
        body = {"id": _id_of(answer), **right, **{key: value for key, value in said.items() if value is not None}}
        accepted((yield from send(_post("/v1/feedback", body, repeatable=False), self.patience)))

    def models(self) -> Steps[list[ServedModel]]:
        """Return what the server answers with."""
        reply = yield from send(Request("GET", "/v1/models"), self.patience)
        return read_models(accepted(reply).body)

    def health(self) -> Steps[Health]:
        """Return how the server is, asked once: not to answer is an answer here."""
        alive = yield Request("GET", "/healthz", timeout_s=self.patience.timeout_s)
        if not _is_well(alive):
            return Health(alive=False, ready=False, reason=_reason(alive))
        ready = yield Request("GET", "/readyz", timeout_s=self.patience.timeout_s)
        return Health(alive=True, ready=_is_well(ready), reason="" if _is_well(ready) else _reason(ready))

    def submit(self, texts: Sequence[Text], *, scores: bool, key: str | None) -> Steps[Job]:
        """Hand in a job. Its key makes repeating safe: the server knows what it has accepted."""
        if isinstance(texts, str | Mapping):
            raise UsageError("A job takes a list of texts; for one text write [text].")
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        request = _texts_request("/v1/jobs", texts, scores, headers)
        return read_job(accepted((yield from send(request, self.patience)), of_job=True).body)

    def job(self, job: Job | str) -> Steps[Job]:
        """Return a job's state."""
        return read_job((yield from self._job_reply(job)).body)

    def results(self, job: Job | str, *, timeout_s: float | None) -> Steps[list[Answer]]:
        """Return a job's answers, once it has succeeded."""
        clock = self.patience.clock
        ends_at = None if timeout_s is None else clock() + timeout_s
        while True:
            reply = yield from self._job_reply(job)
            state = read_job(reply.body)
            if state.status == "succeeded":
                return read_answers(reply.body)
            if state.has_ended:
                raise JobFailed(_end_of(state))
            pause_s = reply.retry_after_s or _POLL_S
            if ends_at is not None and clock() + pause_s > ends_at:
                raise DeadlinePassed(
                    f"Job {state.id} is {state.status} after {timeout_s:g} s, {state.done:,} of {state.texts:,} texts "
                    "are done. It goes on: wait again, or cancel it."
                )
            yield Pause(pause_s)

    def cancel(self, job: Job | str) -> Steps[Job]:
        """Cancel a job and return its state then; one that has ended stays as it is."""
        reply = yield from send(Request("DELETE", job_path(job)), self.patience)
        return read_job(accepted(reply, of_job=True).body)

    def _job_reply(self, job: Job | str) -> Steps[Reply]:
        """Return a job's state or results. A job that failed is told with status 500, and is an answer all the same."""
        reply = yield from send(Request("GET", job_path(job)), self.patience)
        return reply if reply.status == 500 and is_job(reply.body) else accepted(reply, of_job=True)


def job_path(job: Job | str) -> str:
    """Return the path of a job."""
    return f"/v1/jobs/{quote(_id_of(job), safe='')}"


def right_answer(label: str | None, labels: Sequence[str] | None, signals: Sequence[Signal] | None) -> dict[str, Any]:
    """Return what feedback says is right. Raises `UsageError` unless one of the three is given."""
    sheet = None
    if signals is not None:
        sheet = [{"category": one.category, "score": one.score, "tag": one.tag} for one in signals]
    said = {"label": label, "labels": None if labels is None else list(labels), "signals": sheet}
    given = {key: value for key, value in said.items() if value is not None}
    if len(given) != 1:
        raise UsageError(f"Feedback needs one of label, labels and signals; given: {', '.join(given) or 'none'}.")
    return given


def _id_of(named: Job | Answer | str) -> str:
    return named if isinstance(named, str) else named.id


def _texts_request(path: str, texts: Sequence[Text], scores: bool, headers: Mapping[str, str] | None = None) -> Request:
    return _post(path + ("?scores=true" if scores else ""), {"texts": list(texts)}, headers=headers or {})


def _post(
    path: str, value: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, repeatable: bool = True
) -> Request:
    headers = {"Content-Type": "application/json", **(headers or {})}
    return Request("POST", path, _encoded(value), headers, repeatable=repeatable)


def _encoded(value: Mapping[str, Any]) -> bytes:
    """Return JSON in UTF-8; half a surrogate pair, which no JSON text can hold, as the replacement character."""
    text = json.dumps(value, ensure_ascii=False, default=dict)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _is_well(outcome: Outcome) -> bool:
    return isinstance(outcome, Reply) and outcome.status < 300


def _reason(outcome: Outcome) -> str:
    if isinstance(outcome, Reply):
        return f"HTTP {outcome.status} {outcome.body[:200].decode('utf-8', 'replace')}".strip()
    return outcome.reason if outcome else ""


def _end_of(job: Job) -> str:
    why = f": {job.error}" if job.error else "."
    return f"Job {job.id} {'was cancelled' if job.status == 'cancelled' else 'failed'}{why} Submit its texts again."
