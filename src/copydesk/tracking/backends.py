"""Where records go: MLflow and W&B, each behind the same three calls.

They are used in a process of their own (`sidecar.py`), so they may import what they like, take their time and fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from copydesk.mlflow_client import DATABASE, TRACKING, experiment_id, open_client
from copydesk.tracking.record import Closing, Opening, Point

_PARAM_CHARS, _TAG_CHARS = 500, 5_000
"""MLflow's limits are 6,000 and 8,000; servers before 2.8 have 500 for parameters."""
_BATCH = 100
"""MLflow takes so many parameters or tags at once, and ten times as many numbers."""
_WANDB_SECONDS = 15.0
_EXIT_CODES = {"FINISHED": 0, "FAILED": 1, "KILLED": 255}


class Tracker(Protocol):
    """Somewhere a run is recorded."""

    def open(self, opening: Opening) -> str:
        """Begin the record and return where it can be seen."""
        ...

    def log(self, points: Sequence[Point]) -> None:
        """Add to the curves."""
        ...

    def close(self, closing: Closing) -> None:
        """End the record with its status, whatever that is."""
        ...


class Mlflow:
    """An MLflow server (MLFLOW_TRACKING_URI), or a database file in the working folder."""

    def open(self, opening: Opening) -> str:
        """Begin the run; the experiment is made where it is missing."""
        self._client = open_client()
        experiment = experiment_id(self._client, opening.experiment)
        tags = {**_standard_tags(opening), **{key: text[:_TAG_CHARS] for key, text in opening.tags.items()}}
        self._run = self._client.create_run(experiment, run_name=opening.name, tags=tags).info.run_id
        self._log_params(opening.params)
        self._log_data(opening)
        shown = f"sqlite:///{DATABASE}"
        where = f"{DATABASE} ({opening.experiment}: mlflow ui --backend-store-uri {shown})"
        server = os.environ.get(TRACKING)
        return f"MLflow at {server} ({opening.experiment})" if server else where

    def log(self, points: Sequence[Point]) -> None:
        """Add to the curves."""
        from mlflow.entities import Metric

        metrics = [
            Metric(name, value, point.time_ms, point.step) for point in points for name, value in point.values.items()
        ]
        for start in range(0, len(metrics), 10 * _BATCH):
            self._client.log_batch(self._run, metrics=metrics[start : start + 10 * _BATCH])

    def close(self, closing: Closing) -> None:
        """Add what is known at the end, and set the status even if that fails."""
        try:
            self._log_params(closing.params)
            self._log_tags(closing.tags)
            self.log([Point(0, closing.time_ms, closing.metrics)])
            for file in closing.files:
                self._client.log_artifact(self._run, file)
        finally:
            self._client.set_terminated(self._run, closing.status)

    def _log_params(self, params: dict[str, str]) -> None:
        from mlflow.entities import Param

        entries = [Param(key, text[:_PARAM_CHARS]) for key, text in params.items()]
        for start in range(0, len(entries), _BATCH):
            self._client.log_batch(self._run, params=entries[start : start + _BATCH])

    def _log_tags(self, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(self._run, tags=[RunTag(key, text[:_TAG_CHARS]) for key, text in tags.items()])

    def _log_data(self, opening: Opening) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = opening.params.get("source", "")[:_PARAM_CHARS]
        dataset = Dataset(name=opening.experiment, digest=opening.data[:36], source_type="copydesk", source=source)
        used = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
        self._client.log_inputs(self._run, datasets=[used])


class Wandb:
    """W&B, online or offline as its own environment variables say."""

    def open(self, opening: Opening) -> str:
        """Begin the run in the project of the recipe's name."""
        import wandb

        quiet = wandb.Settings(
            silent=True, console="off", init_timeout=_WANDB_SECONDS, disable_git=True, save_code=False
        )
        config = {**opening.params, **opening.tags, "data.sha256": opening.data}
        self._run = wandb.init(project=opening.experiment, name=opening.name, config=config, settings=quiet)
        if self._run.offline:
            folder = os.path.relpath(self._run.settings.sync_dir)
            return f"{folder} ({opening.experiment}: wandb sync {folder})"
        return f"W&B at {self._run.url}"

    def log(self, points: Sequence[Point]) -> None:
        """Add to the curves."""
        for point in points:
            self._run.log(point.values, step=point.step)

    def close(self, closing: Closing) -> None:
        """Add what is known at the end, and set the status even if that fails."""
        import wandb

        try:
            self._run.config.update({**closing.params, **closing.tags}, allow_val_change=True)  # type: ignore[no-untyped-call]
            self._run.summary.update(closing.metrics)
            if closing.files:
                artefact = wandb.Artifact(f"report-{self._run.id}", type="report")
                for file in closing.files:
                    artefact.add_file(file)
                self._run.log_artifact(artefact)
        finally:
            self._run.finish(exit_code=_EXIT_CODES[closing.status])


TRACKERS: dict[str, Callable[[], Tracker]] = {"mlflow": Mlflow, "wandb": Wandb}


class Guarded:
    """A tracker that may fail: it is told once, and after that only the end is still tried."""

    def __init__(self, name: str, tracker: Tracker, emit: Callable[[str, str], None]) -> None:
        self._name, self._tracker, self._emit = name, tracker, emit
        self._opened = self._failed = False

    def open(self, opening: Opening) -> None:
        """Begin the record and tell where it is."""

        def begin() -> None:
            self._emit("say", f"tracked in {self._tracker.open(opening)}")
            self._opened = True

        self._try(begin)

    def log(self, points: Sequence[Point]) -> None:
        """Add to the curves, if all went well so far."""
        if self._opened and not self._failed:
            self._try(lambda: self._tracker.log(points))

    def close(self, closing: Closing) -> None:
        """End the record, if it was begun."""
        if self._opened:
            self._try(lambda: self._tracker.close(closing))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever a tracker raises must not touch the run; it is told
            if not self._failed:
                self._emit("warn", f"The run is not (fully) tracked in {self._name}: {_first_line(error)}")
            self._failed = True


def _standard_tags(opening: Opening) -> dict[str, Any]:
    """Return the tags that MLflow's own pages show."""
    commit = {"mlflow.source.git.commit": opening.tags["git.commit"]} if "git.commit" in opening.tags else {}
    source = {"mlflow.source.name": "copydesk train", "mlflow.source.type": "LOCAL"}
    return {**source, **commit, "data.sha256": opening.data}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= 300 else f"{text[:299]}…"
