"""What the Hugging Face Hub's refusals mean to the one who asked, with what to do about each.

The token stands in no message: the Hub's client keeps it in a header, and only its status and its own words are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from copydesk.errors import MissingExtra, RegistryError

_REMEDIES = {
    400: "The Hub cannot use the request",
    401: "The Hub does not know the token, or there is none. Set HF_TOKEN to one that may write there "
    "(https://huggingface.co/settings/tokens), or run `hf auth login`",
    402: "The Hub asks for payment: the account's storage for private models may be used up",
    403: "The token may not do this there. Use one with write access to this owner's models",
    404: "There is no such model, or it is private and the token may not see it. Set HF_TOKEN to one that may",
    409: "It exists already, and nothing is overwritten",
    412: "Others keep changing it. Try again",
    413: "It is more than the Hub takes at once",
    429: "The Hub was asked too often. Wait some minutes and try again; with a token more is allowed",
}
_CONFLICTS = (409, 412)


def client() -> Any:  # noqa: ANN401 (a module that may not be installed)
    """Return the Hub's client library. Raises `MissingExtra` with the command that installs it."""
    try:
        import huggingface_hub.errors
        import huggingface_hub.hf_api
        import huggingface_hub.utils
    except ImportError:
        raise MissingExtra("A registry on the Hugging Face Hub", "registry", "huggingface_hub") from None
    return huggingface_hub


def may_have_been_done(error: Exception) -> bool:
    """Tell whether a commit may be tried again after a look: another came first, or its answer was lost."""
    status = _status(error)
    return status is None or status in _CONFLICTS or status >= 500


@contextmanager
def explained(repository: str) -> Iterator[None]:
    """Turn whatever the Hub's client raises inside the block into a `RegistryError` about a repository, or an owner.

    What this machine's disk refuses is let through.
    """
    hub = client()
    owner, _, name = repository.partition("/")
    what = f"'{name}' of '{owner}' on the Hub" if name else f"'{owner}' on the Hub"
    try:
        yield
    except hub.errors.OfflineModeIsEnabled:
        message = f"{what}: HF_HUB_OFFLINE keeps Copydesk from it. Unset it, or use a bundle's folder."
        raise RegistryError(message) from None
    except (hub.errors.HTTPError, OSError, RuntimeError, ValueError) as error:
        if getattr(error, "errno", None) is not None:  # the system's own; the client's errors have no number
            raise
        raise RegistryError(f"{what}: {_reason(error)}.") from error


def _reason(error: BaseException) -> str:
    cause = _told(error)
    status = _status(error)
    said = (getattr(cause, "server_message", None) or str(cause)).strip().rstrip(".")
    first = said.splitlines()[0][:200] if said else type(cause).__name__
    if status is not None:
        return f"{_REMEDIES.get(status, 'The Hub has a fault of its own. Try again later')} (HTTP {status}: {first})"
    if isinstance(cause, ValueError) and not isinstance(cause, OSError):
        return f"The Hub did not take it ({' '.join(said.split())[:200]})"
    return (
        f"The Hub does not answer ({type(cause).__name__}: {first}). Check the network and HF_ENDPOINT, and try again"
    )


def _told(error: BaseException) -> BaseException:
    """Return the error beneath those that the client wraps around it."""
    while not hasattr(error, "response") and error.__cause__ is not None:
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    response = getattr(_told(error), "response", None)
    return None if response is None else int(response.status_code)
