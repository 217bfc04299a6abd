"""Asking a server again: which failures may pass, how long to wait, and what to say when it was in vain.

It reads the status and the headers out of the errors of every client that sources use. It makes no request itself;
sleep and chance are passed in.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from copydesk.errors import CopydeskError, SourceError
from copydesk.retry_after import seconds_of

T = TypeVar("T")

_ATTEMPTS = 5
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
"""A server that asks for more (Retry-After) is not waited for."""
_REFUSED = (401, 403)
_BUSY = (429, 503)
_PASSING = (408, 425, *_BUSY)
_REMEDY = "Check the address and the network, or download the file yourself and give it with --data."


@dataclass(frozen=True)
class Retries:
    """Up to five attempts; the waits between them double from 0.5 s, each shortened by chance by up to a half."""

    sleep: Callable[[float], None] = time.sleep
    chance: random.Random = field(default_factory=random.Random)
    remedy: str = _REMEDY

    def __call__(self, url: str, ask: Callable[[], T], *, access: str = "") -> T:
        """Return what `ask` returns. Raises `SourceError`, with `access` where the server wants to know who asks."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return ask()
            except CopydeskError:
                raise
            except Exception as error:
                _refuse_hopeless(url, error, access, self.remedy)
                if attempt == _ATTEMPTS:
                    raise _failure(url, error, self.remedy) from error
                self.sleep(self._wait(url, error, attempt))
        raise AssertionError("unreachable")

    def _wait(self, url: str, error: BaseException, attempt: int) -> float:
        wait = _FIRST_WAIT_S * float(2 ** (attempt - 1)) * self.chance.uniform(0.5, 1.0)
        wanted = _wanted_wait(error)
        if wanted > _LONGEST_WAIT_S:
            raise SourceError(
                f"'{url}': the server asks to come back in {wanted:,.0f} s (HTTP {status_of(error)}). Try again then."
            ) from error
        return max(wait, wanted)


def _refuse_hopeless(url: str, error: BaseException, access: str, remedy: str) -> None:
    """Raise `SourceError` for what will not get better."""
    for cause in _causes(error):
        if isinstance(cause, CopydeskError):
            raise cause from None
    status = status_of(error)
    refused = any(isinstance(cause, PermissionError) for cause in _causes(error)) or _forbidden(error)
    if status in _REFUSED or refused:
        raise SourceError(f"'{url}' may not be read (HTTP {status or 403}). {access}".strip()) from error
    if status in (404, 410) or (status is None and isinstance(_causes(error)[-1], FileNotFoundError)):
        raise SourceError(f"'{url}' does not exist. {access}".strip()) from error
    unresolved = any(isinstance(getattr(cause, "os_error", cause), socket.gaierror) for cause in _causes(error))
    if unresolved or (status is not None and status < 500 and status not in _PASSING):
        raise _failure(url, error, remedy) from error


def _failure(url: str, error: BaseException, remedy: str) -> SourceError:
    cause = _causes(error)[-1]
    reason = " ".join(str(cause).split()).rstrip(".") or type(cause).__name__
    return SourceError(f"'{url}' cannot be reached: {reason}. {remedy}")


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and what it came from: fsspec turns every failure of HTTP into FileNotFoundError."""
    causes = [error]
    while isinstance(causes[-1].__cause__, Exception) and not isinstance(causes[-1], CopydeskError):
        causes.append(causes[-1].__cause__)
    return causes


def _forbidden(error: BaseException) -> bool:
    return any(type(cause) is OSError and str(cause).startswith("Forbidden") for cause in _causes(error))  # gcsfs


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status in an error of aiohttp, httpx, requests, botocore or gcsfs, or in what caused it."""
    for cause in reversed(_causes(error)):
        response: Any = getattr(cause, "response", None)
        if isinstance(response, dict):  # botocore
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        elif response is not None:  # httpx, requests
            found = getattr(response, "status_code", None)
        else:  # aiohttp, gcsfs
            found = getattr(cause, "code" if type(cause).__name__ == "HttpError" else "status", None)
        if str(found).isdecimal():
            return int(str(found))
    return None


def _headers_of(error: BaseException) -> dict[str, str]:
    for cause in reversed(_causes(error)):
        response: Any = getattr(cause, "response", None)
        if isinstance(response, dict):
            headers = response.get("ResponseMetadata", {}).get("HTTPHeaders")
        else:
            headers = getattr(response if response is not None else cause, "headers", None)
        if headers:
            return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}


def _wanted_wait(error: BaseException) -> float:
    """Return the seconds of Retry-After, on 429 and 503; a date counts from the answer's own Date."""
    headers = _headers_of(error)
    if status_of(error) not in _BUSY:
        return 0.0
    return seconds_of(headers.get("retry-after", ""), date=headers.get("date", ""))
