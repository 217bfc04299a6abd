"""Every error that Copydesk raises on purpose.

    CopydeskError              exit code 1: the work failed
    ├── UsageError             exit code 2: the request itself is wrong
    │   ├── RecipeError        a recipe that does not say what it must
    │   ├── InProduction       a candidate that is what production leads to already
    │   └── MissingExtra       a part of Copydesk that is not installed
    ├── SourceError            data that cannot be fetched or read
    ├── DataError              data that was read and cannot be used
    ├── EncoderError           pretrained weights that cannot be found or trusted
    ├── CascadeRefused         two models of which no cascade is worth making
    ├── BundleError            a bundle that is incomplete, changed or of another version
    │   └── Untrusted          a bundle that no trusted key has signed
    ├── RegistryError          a registry that does not answer, or has no such model, version or alias
    ├── Undecided              a check that cannot be executed here: it has neither passed nor failed
    ├── RequestRefused         a request that the server does not answer; `serve/app.py` says with which status
    │   ├── InvalidRequest     a body that does not say what it must, or says too much
    │   ├── BodyTooLarge       more bytes than are read
    │   ├── BodyRefused        of a type, or in an encoding, that is not read
    │   ├── BodyTooSlow        the client took too long to send it
    │   ├── ClientGone         nobody reads the answer any more
    │   ├── Unauthorised       no API key, or none that is known
    │   ├── Overloaded         the queue is full; the client may come again
    │   ├── NotReady           the server is still loading its model, or about to end
    │   ├── DeadlinePassed     the client's time was over before its turn came
    │   ├── UnknownModel       no model of this name is served
    │   ├── UnknownJob         no job has this id
    │   ├── ExpiredJob         a job whose results were kept long enough
    │   ├── JobsUnavailable    the place where jobs are kept does not answer
    │   └── LogUnavailable     the place where corrections are kept cannot be written
    ├── ServiceError           a server that was asked and did not do its part
    │   ├── Unreachable        nothing came back from it
    │   └── JobFailed          a job that ended without results
    ├── Stale                  a change to what somebody else changed meanwhile
    └── Terminated             exit code 143: SIGTERM came, and a checkpoint was saved

A message says what happened with the value, what was expected, and what to do about it.
"""

from __future__ import annotations

from typing import Any


class CopydeskError(Exception):
    """The root of the tree; the command line prints its message and exits with `exit_code`."""

    exit_code = 1


class UsageError(CopydeskError):
    """The request is wrong: an option, a path that does not exist, an output that does."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe that cannot be read, or has an unknown key or an impossible value."""


class InProduction(UsageError):
    """A candidate that is what production leads to already: there is nothing to decide."""


class MissingExtra(UsageError):
    """A command needs a part of Copydesk that is not installed."""

    def __init__(self, what: str, extra: str, module: str) -> None:
        super().__init__(
            f"{what} needs the '{extra}' extra ({module} is not installed). Run: pip install 'copydesk[{extra}]'"
        )
        self.what, self.extra, self.module = what, extra, module


class SourceError(CopydeskError):
    """Data that cannot be fetched or read: unreachable, cut off, wrong checksum, wrong encoding."""


class DataError(CopydeskError):
    """Data that was read but cannot be used: a missing column, one class only, nothing left."""


class EncoderError(CopydeskError):
    """A pretrained encoder that cannot be found, or whose weights are not the ones asked for."""


class CascadeRefused(CopydeskError):
    """A cascade that might cost more quality than allowed, or that saves too little time."""


class BundleError(CopydeskError):
    """A bundle without a manifest, with a changed or missing file, or of a format that is not known."""


class Untrusted(BundleError):
    """A bundle that nobody signed, or none of those who are trusted; it may be whole."""


class RegistryError(CopydeskError):
    """A registry of models that does not answer, or in which there is no such model, version or alias."""


class Undecided(CopydeskError):
    """A check of `copydesk check` that lacks something it must measure; the message says what, and how to give it."""


class RequestRefused(CopydeskError):
    """A request that the server does not answer."""


class InvalidRequest(RequestRefused):
    """A request that is wrong; `faults` say where, as FastAPI writes them: `loc`, `msg`, `type`."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults))
        self.faults = faults


class BodyTooLarge(RequestRefused):
    """A body of more bytes than are read."""


class BodyRefused(RequestRefused):
    """A body of a type, or in an encoding, that is not read."""


class BodyTooSlow(RequestRefused):
    """A body that did not arrive in time."""


class ClientGone(RequestRefused):
    """The client has closed the connection: nobody reads the answer."""


class Unauthorised(RequestRefused):
    """No API key, or none that is known."""


class Overloaded(RequestRefused):
    """The queue is full; after `retry_after_s` seconds there should be room."""

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReady(RequestRefused):
    """The server is still loading its model, or about to end; another may answer."""


class DeadlinePassed(RequestRefused):
    """The client's time was over before its turn came."""


class UnknownModel(RequestRefused):
    """No model of this name is served here."""


class UnknownJob(RequestRefused):
    """No job has this id."""


class ExpiredJob(RequestRefused):
    """A job whose results were kept as long as promised, and no longer."""


class JobsUnavailable(RequestRefused):
    """The place where jobs are kept does not answer; the client may come again."""


class LogUnavailable(RequestRefused):
    """The place where corrections are kept cannot be written; the client may come again."""


class ServiceError(CopydeskError):
    """A server that answers with a fault of its own, or as no Copydesk server does."""


class Unreachable(ServiceError):
    """A server of which nothing came back: nobody listens, the line broke, or it took too long."""


class JobFailed(ServiceError):
    """A job that failed or was cancelled."""


class Stale(CopydeskError):
    """A change that was decided on an older state than the one there is."""


class Terminated(CopydeskError):
    """SIGTERM ended the work; what was done so far is saved."""

    exit_code = 143
