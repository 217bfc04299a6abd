"""What is asked of MLflow's client more than once, or in more than one call; and what its errors come to.

It does not know what a registry promises (`mlflow.py`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from copydesk import mlflow_client
from copydesk.bundle import Bundle
from copydesk.registry.base import Facts, Registered
from copydesk.registry.mlflow_tags import DIGEST, MODEL

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

FILES = "bundle"
"""The folder of a run's artefacts that holds a bundle's files."""


@contextmanager
def uploaded(client: MlflowClient, bundle: Bundle, name: str, facts: Facts) -> Iterator[Any]:
    """Yield a run that holds the bundle's files; it is deleted if the block fails."""
    tags = {"mlflow.source.name": "copydesk register", DIGEST: facts.digest, "data.sha256": facts.data}
    run = client.create_run(mlflow_client.experiment_id(client, name), run_name=f"register {name}", tags=tags)
    try:
        for file in bundle.members:
            inside = PurePosixPath(FILES, file)
            client.log_artifact(run.info.run_id, str(bundle.path / file), str(inside.parent))
        client.log_batch(run.info.run_id, metrics=_as_metrics(facts.metrics))
        client.set_terminated(run.info.run_id, "FINISHED")
        yield run
    except BaseException:
        with suppress(Exception):  # the first error is the one to tell
            client.set_terminated(run.info.run_id, "FAILED")
            client.delete_run(run.info.run_id)
        raise


def _as_metrics(figures: Mapping[str, float]) -> list[Metric]:
    from mlflow.entities import Metric

    return [Metric(name, value, int(time.time() * 1_000), 0) for name, value in figures.items()]


def require_model(client: MlflowClient, name: str) -> None:
    """Make MLflow's model where it is missing, and mark it as ours."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, tags={MODEL: "yes"})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if MODEL not in client.get_registered_model(name).tags:
            client.set_registered_model_tag(name, MODEL, "yes")


def has_model(client: MlflowClient, name: str) -> bool:
    """Tell whether there is a model of this name, whoever made it."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def version_called(client: MlflowClient, name: str, which: int | str) -> ModelVersion | None:
    """Return the version of a number or an alias; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        if isinstance(which, str):
            return client.get_model_version_by_alias(name, which)
        return client.get_model_version(name, str(which))
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
    return None


def run_of(client: MlflowClient, version: Registered) -> str:
    """Return the run whose artefacts are the version's files."""
    return str(client.get_model_version(version.name, str(version.version)).run_id)


def aliases_of(model: RegisteredModel) -> dict[str, int]:
    """Return where a model's aliases lead."""
    return {alias: int(version) for alias, version in model.aliases.items()}


def every(page: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield what MLflow gives page by page."""
    token: str | None = None
    while True:
        found = page(token)
        yield from found
        token = found.token
        if not token:
            return


def reason_of(error: BaseException) -> str:
    """Return what lies behind an error of MLflow's in a line: the system's own word, or else MLflow's."""
    inner = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return without_password(lines[0])[:300].rstrip(".")


def without_password(text: str) -> str:
    """Return a text without what stands before the host of an address."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)
