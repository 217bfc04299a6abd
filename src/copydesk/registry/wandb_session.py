"""Asking Weights & Biases through its own client, quietly, and what its refusals mean to the one who asked.

The client starts a process of its own (wandb-core) that does the talking. It is told to print nothing, to measure
nothing of the machine, and not to send reports of its own faults to W&B's makers; and it gives up after some seconds,
where by itself it would try for minutes.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from copydesk.errors import MissingExtra, RegistryError

_SECONDS = 15
_RETRIES = 3
_REMEDIES = {
    401: "W&B does not know the key. Set WANDB_API_KEY (W&B shows it in the user's settings), and WANDB_BASE_URL for a "
    "server of your own",
    403: "The key may not do this there. Use one of somebody who may write to the project",
    404: "There is no such project or model, or the key may not see it",
    409: "Somebody else changed it at the same time. Try again",
    429: "W&B was asked too often. Wait some minutes and try again",
}
_STATUS = re.compile(r"\bHTTP (\d{3})\b")


def client() -> Any:  # noqa: ANN401 (a module that may not be installed)
    """Return W&B's client library. Raises `MissingExtra` with the command that installs it."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError:
        raise MissingExtra("A registry in Weights & Biases", "wandb", "wandb") from None
    return wandb


class WandbSession:
    """The user's own access to one project. WANDB_API_KEY (or .netrc) and WANDB_BASE_URL are W&B's own variables."""

    def __init__(self, entity: str, project: str) -> None:
        self.entity, self.project = entity, project
        self._wandb = client()

    @property
    def api(self) -> Any:  # noqa: ANN401 (the client's Api)
        """The client's public API. Raises `RegistryError` without a key or a way to W&B."""
        url, key = self._access()
        with self.explained():
            return _opened(url, key)

    def log(self, artifact: Any) -> Any:  # noqa: ANN401 (the client's Artifact)
        """Upload an artifact, and return it when W&B has it whole: then, and not before, it has a version."""
        settings = _quiet(*self._access())
        with self.explained(), tempfile.TemporaryDirectory(prefix="copydesk-wandb-") as folder:
            run = self._wandb.init(
                entity=self.entity,
                project=self.project,
                name=artifact.name,
                job_type="registry",
                dir=folder,
                reinit="create_new",
                settings=settings,
            )
            try:
                logged = run.log_artifact(artifact).wait()
            except BaseException:
                run.finish(exit_code=1)
                raise
            run.finish()
        return logged

    def collections(self, kind: str) -> list[str]:
        """Return the names of a kind's artifacts; none where the project is not there yet."""
        place = f"{self.entity}/{self.project}"
        with self.explained():
            try:
                known = {one.name for one in self.api.artifact_types(place)}
            except ValueError as error:
                _require_nothing_there(error)
                return []
            return [one.name for one in self.api.artifact_type(kind, place).collections()] if kind in known else []

    def versions(self, kind: str, name: str) -> list[Any]:
        """Return an artifact's versions; none if there is no such artifact."""
        with self.explained():
            try:
                return list(self.api.artifacts(kind, f"{self.entity}/{self.project}/{name}", per_page=100))
            except ValueError as error:
                _require_nothing_there(error)
                return []

    def newest(self, name: str) -> Any | None:  # noqa: ANN401 (the client's Artifact)
        """Return an artifact's newest version, or None if there is no such artifact."""
        with self.explained():
            try:
                return self.api.artifact(f"{self.entity}/{self.project}/{name}:latest")
            except self._wandb.errors.CommError as error:
                if not isinstance(error.exc, ValueError):
                    raise
                _require_nothing_there(error.exc)
                return None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn whatever W&B's client raises inside the block into a `RegistryError`."""
        import requests
        from wandb.sdk.lib.service.service_connection import WandbApiFailedError

        try:
            yield
        except (
            self._wandb.errors.Error,
            WandbApiFailedError,
            requests.RequestException,
            ValueError,
            TimeoutError,
        ) as error:
            raise RegistryError(f"{self._what()}: {_reason(error)}.") from error

    def _what(self) -> str:
        return f"'{self.entity}/{self.project}' in W&B"

    def _access(self) -> tuple[str, str]:
        """Return the server's address and the API key; the client would ask for one on the terminal."""
        import requests.utils

        mode = os.environ.get("WANDB_MODE")
        if mode in ("offline", "disabled"):
            raise RegistryError(
                f"{self._what()}: WANDB_MODE is {mode}, so W&B cannot be reached, and offline it keeps no versions. "
                "Unset it, or use a bundle's folder."
            )
        url = (os.environ.get("WANDB_BASE_URL") or self._wandb.setup().settings.base_url).rstrip("/")
        saved = requests.utils.get_netrc_auth(url)
        key = os.environ.get("WANDB_API_KEY") or (saved[1] if saved else "")
        if not key:
            raise RegistryError(f"{self._what()}: there is no key. Set WANDB_API_KEY, or run `wandb login`.")
        return url, str(key)


@lru_cache(maxsize=4)
def _opened(url: str, key: str) -> Any:  # noqa: ANN401 (the client's Api)
    """Return the client's API, asked once whether it knows the key: a server looks at its alias every few seconds."""
    wandb = client()
    wandb.setup(_quiet(url, key))
    return wandb.Api({"base_url": url}, timeout=_SECONDS, api_key=key)


def _quiet(url: str, key: str) -> Any:  # noqa: ANN401 (the client's Settings)
    return client().Settings(
        base_url=url,
        api_key=key,
        silent=True,
        console="off",
        disable_git=True,
        save_code=False,
        init_timeout=_SECONDS,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        x_graphql_retry_max=_RETRIES,
        x_graphql_retry_wait_max_seconds=1,
        x_graphql_timeout_seconds=_SECONDS,
        x_file_transfer_retry_max=_RETRIES,
        x_file_transfer_retry_wait_max_seconds=1,
        x_file_stream_retry_max=_RETRIES,
        x_file_stream_retry_wait_max_seconds=1,
    )


def _require_nothing_there(error: ValueError) -> None:
    """Raise an error again unless it is the client's way to say that there is nothing of the name.

    It is a `ValueError` of its own then; an answer that it cannot read is pydantic's.
    """
    if isinstance(error, ValidationError):
        raise error


def _reason(error: BaseException) -> str:
    said = " ".join(str(error).split())[:300].rstrip(".")
    status = _status(error)
    if status in _REMEDIES:
        return f"{_REMEDIES[status]} (HTTP {status}: {said})"
    return f"W&B does not do it ({type(error).__name__}: {said}). Check the network and WANDB_BASE_URL, and try again"


def _status(error: BaseException | None) -> int:
    """Return the HTTP status beneath an error, where the client tells it; 0 otherwise."""
    while error is not None:
        told = getattr(getattr(error, "response", None), "http_status", None)
        written = _STATUS.search(str(error))
        if told or written:
            return int(told or (written[1] if written else 0))
        error = error.__cause__
    return 0
