"""One way to MLflow, for who records training runs and for who registers models: where it is, and a quiet client.

Without MLFLOW_TRACKING_URI that is a database and a folder in the working folder. The client loses patience with a
dead server within seconds and reports to nobody. It is heavy (docs/registry.md has the figures), and imported when it
is asked for.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE, ARTEFACTS = "mlflow.db", "mlartifacts"
TRACKING, REGISTRY = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"
LIMITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""What keeps MLflow from trying a dead server for minutes; the user's own settings win."""
NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true"}
_SILENT = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
"""What keeps MLflow from printing between the lines of a command, or into its JSON."""


def embedded_uri() -> str:
    """Return the address of the database in the working folder."""
    return f"sqlite:///{Path(DATABASE).absolute()}"


def tracking_uri() -> str:
    """Return where runs and artefacts are kept: what the user set, else the database in the working folder."""
    return os.environ.get(TRACKING) or embedded_uri()


def registry_uri() -> str:
    """Return where models are registered: what the user set for them, else where runs are kept."""
    return os.environ.get(REGISTRY) or tracking_uri()


def open_client(tracking: str = "", registry: str = "") -> MlflowClient:
    """Return MLflow's client of these addresses, else of those that the user set.

    Raises `ModuleNotFoundError` where MLflow is missing, and what MLflow raises.
    """
    for name, value in LIMITS.items():
        os.environ.setdefault(name, value)
    os.environ.update(NO_TELEMETRY)
    os.environ.update(_SILENT)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they log, they also raise
    return MlflowClient(tracking_uri=tracking or tracking_uri(), registry_uri=registry or registry_uri())


def experiment_id(client: MlflowClient, name: str) -> str:
    """Return an experiment's id, made where it is missing; of two who make it at once, the later finds the earlier's.

    Its artefacts lie where the server keeps them, without one in the working folder.
    """
    from mlflow.exceptions import MlflowException

    artefacts = None if os.environ.get(TRACKING) else Path(ARTEFACTS).absolute().as_uri()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artefacts))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)
