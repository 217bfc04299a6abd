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
from typing import Any

from copydesk.errors import MissingExtra, RegistryError

_CLOUD = "https://api.wandb.ai"
_SECONDS = 15
_RETRIES = 3
_REMEDIES = {
    401: "W&B does not know the key. Set WANDB_API_KEY (https://wandb.ai/authorize), and WANDB_BASE_URL for a server "
    "of your own",
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
        self._api: Any = None

    @property
    def api(self) -> Any:  # noqa: ANN401 (the client's Api)
        """The client's public API, opened when it is first needed. Raises `RegistryError` without a key or a way."""
        if self._api is None:
            if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
                raise RegistryError(
                    f"{self._what()}: WANDB_MODE is {os.environ['WANDB_MODE']}, so W&B cannot be reached, and offline "
                    "it keeps no versions. Unset it, or use a bundle's folder."
                )
            self._settings = self._quiet()
            self._wandb.setup(self._settings)
            with self.explained():
                self._api = self._wandb.Api(
                    {"base_url": self._settings.base_url}, timeout=_SECONDS, api_key=self._settings.api_key
                )
        return self._api

    def log(self, artifact: Any) -> Any:  # noqa: ANN401 (the client's Artifact)
        """Upload an artifact, and return it when W&B has it whole: then, and not before, it has a version."""
        assert self.api is not None
        with self.explained(), tempfile.TemporaryDirectory(prefix="copydesk-wandb-") as folder:
            run = self._wandb.init(
                entity=self.entity,
                project=self.project,
                name=artifact.name,
                job_type="registry",
                dir=folder,
                reinit="create_new",
                settings=self._settings,
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
            try:  # the client cannot read the answer where there is no project yet
                known = {one.name for one in self.api.artifact_types(place)}
            except ValueError:
                return []
            return [one.name for one in self.api.artifact_type(kind, place).collections()] if kind in known else []

    def versions(self, kind: str, name: str) -> list[Any]:
        """Return an artifact's versions; none if there is no such artifact."""
        with self.explained():
            try:
                return list(self.api.artifacts(kind, f"{self.entity}/{self.project}/{name}", per_page=100))
            except ValueError:  # as above
                return []

    def newest(self, name: str) -> Any | None:  # noqa: ANN401 (the client's Artifact)
        """Return an artifact's newest version, or None if there is no such artifact."""
        with self.explained():
            try:
                return self.api.artifact(f"{self.entity}/{self.project}/{name}:latest")
            except self._wandb.errors.CommError as error:
                if isinstance(error.exc, ValueError):  # not found, in the client's own words
                    return None
                raise

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

    def _quiet(self) -> Any:  # noqa: ANN401 (the client's Settings)
        url = (os.environ.get("WANDB_BASE_URL") or self._wandb.setup().settings.base_url or _CLOUD).rstrip("/")
        return self._wandb.Settings(
            base_url=url,
            api_key=self._key(url),
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

    def _key(self, url: str) -> str:
        """Return the API key; the client would ask for one on the terminal."""
        import requests.utils

        saved = requests.utils.get_netrc_auth(url)
        key = os.environ.get("WANDB_API_KEY") or (saved[1] if saved else "")
        if not key:
            raise RegistryError(f"{self._what()}: there is no key. Set WANDB_API_KEY, or run `wandb login`.")
        return str(key)


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
