"""What the containers run and see: the commands, the variables, the secrets. The same on every platform."""

from __future__ import annotations

from typing import Any, Literal

from copydesk.deployment.commented import Because
from copydesk.deployment.settings import Settings

PORT = 8000
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104  # nosec B104 # a container's: what reaches it, its platform says
USER = 10001
"""The user and the group in the images; see docs/images.md."""
STATE, CACHE = "/var/lib/copydesk", "/var/cache/copydesk"
TMP, SHARED_MEMORY = "/tmp", "/dev/shm"  # noqa: S108  # nosec B108 # in a container they are nobody else's


def serve_arguments(settings: Settings, drain_seconds: int) -> list[str]:
    """Return the arguments of `copydesk` that serve the model. Where jobs are, COPYDESK_JOBS says."""
    arguments = ["serve", settings.place.model, "--host", EVERY_ADDRESS, "--port", str(PORT), "--state", STATE]
    arguments += ["--drain", str(drain_seconds)]
    return arguments if settings.jobs.store == "redis" else [*arguments, "--jobs", "off"]


def train_arguments(settings: Settings) -> list[str]:
    """Return the arguments of `copydesk` that train from a bucket, or go on training."""
    train = settings.train
    assert train is not None
    return ["train", train.recipe, "--out", train.out, "--checkpoints", train.checkpoints]


def score_arguments(settings: Settings) -> list[str]:
    """Return the arguments of `copydesk` that score on Ray."""
    ray = settings.ray
    assert ray is not None
    return ["score", settings.model, ray.source, ray.out, "--engine", "ray"]


def launch_arguments(settings: Settings, *, rank: str, leader: str) -> list[str]:
    """Return the arguments of `torchrun` on one of several machines that train together."""
    task = settings.torchrun
    assert task is not None
    shape = ["--nnodes", str(task.nodes), "--nproc-per-node", str(task.processes), "--node-rank", rank]
    meeting = ["--master-addr", leader, "--master-port", str(MEETING_PORT)]
    return [*shape, *meeting, "-m", "copydesk", "train", task.recipe, "--out", task.out, "--resume"]


MEETING_PORT = 29500
"""Where the processes of a training find each other; torchrun's own default."""


def variables(settings: Settings, **more: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (a text, or a Because of one)
    """Return the variables that anybody may see, as containers take them."""
    given = {**settings.environment, "COPYDESK_CACHE": CACHE, **more}
    return [{"name": name, "value": value} for name, value in given.items()]


def training_variables(settings: Settings) -> dict[str, Any]:
    """Return what a training is told of tracking: nothing is recorded unless a server is named."""
    if "MLFLOW_TRACKING_URI" in settings.environment:
        return {}
    return {"COPYDESK_TRACKING": Because("off", "No MLflow server is named: a file in the container would be lost.")}


Reader = Literal["api", "worker", "task"]
"""Who reads secrets: a server, a worker, or a training or a scoring that ends."""
_OTHERS: dict[Reader, frozenset[str]] = {
    "api": frozenset(),
    "worker": frozenset({"COPYDESK_API_KEYS"}),
    "task": frozenset({"COPYDESK_API_KEYS", "COPYDESK_JOBS", "COPYDESK_LOG"}),
}


def secrets_of(settings: Settings, reader: Reader) -> dict[str, str]:
    """Return the secrets that a container needs by variable: no keys where nobody asks, no Redis without jobs."""
    unwanted = _OTHERS[reader] | ({"COPYDESK_JOBS"} if settings.jobs.store == "off" else set())
    return {name: secret for name, secret in settings.secrets.items() if name not in unwanted}
