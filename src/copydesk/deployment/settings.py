"""`deploy.yaml`: where the images run, with how much, and under which names. The example is `deploy/deploy.yaml`.

Settings name secrets and never hold them. They do not know whether what they name exists: the cloud says so.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from copydesk.deployment.names import (
    Address,
    Cidr,
    Image,
    Label,
    MachineType,
    Namespace,
    Network,
    Path,
    Project,
    Quantity,
    Region,
    Secret,
    ServiceAccount,
    Variable,
    Word,
)
from copydesk.deployment.places import Place, place_of
from copydesk.recipe.base import Section

SECRET_VARIABLES = (
    "COPYDESK_API_KEYS",
    "COPYDESK_JOBS",
    "COPYDESK_LOG",
    "HF_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "WANDB_API_KEY",
)
"""What a server or a worker reads from the environment that nobody else may see."""
_HIDDEN = ("PASSWORD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "ACCESS_KEY", "CREDENTIAL")
_CREDENTIALS = re.compile(r"://[^/@\s]*:[^/@\s]+@")
Accelerator = Literal[
    "NVIDIA_TESLA_T4",
    "NVIDIA_L4",
    "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB",
    "NVIDIA_H100_80GB",
    "NVIDIA_H200_141GB",
    "NVIDIA_RTX_PRO_6000",
]


class Images(Section):
    """What runs: the images that `deploy/Dockerfile` makes, in a registry of yours."""

    serve: Image = Field(description="The target `serve`: answers over HTTP, without torch.")
    worker: Image | None = Field(None, description="The target `worker`: answers jobs from Redis.")
    train: Image | None = Field(None, description="The target `train`: trains, checks, scores.")
    ray: Image | None = Field(
        None, description="An image with copydesk[scale,cloud] and ray[default]: docs/distributed.md."
    )


class Measured(Section):
    """What a server of yours answered in a second (bench/capacity.py), from which the other numbers follow."""

    answers_per_second: float = Field(328.0, gt=0, description="Answers a second under 32 clients, one text each.")
    cpus: int = Field(2, gt=0, description="Cores it had then.")
    tokens_per_text: float = Field(13.0, gt=0, description="Tokens of a text on average.")


class Serve(Section):
    """The API: how large one server is, and how many there may be."""

    cpus: Literal[1, 2, 4, 6, 8] = Field(2, description="Cores of one server.")
    memory_mb: int | Literal["auto"] = Field("auto", description="auto: by docs/kubernetes.md#memory.")
    model_mb: int = Field(120, gt=0, le=20_000, description="The bundle's size in MB, as its report tells.")
    min_instances: int = Field(2, ge=0, le=1_000, description="0 (Cloud Run only): none while nobody asks.")
    max_instances: int = Field(10, ge=1, le=1_000)
    measured: Measured = Measured()
    texts_per_request: float = Field(1.0, ge=1, le=256, description="Texts of a request on average.")
    queue_seconds: float = Field(0.25, gt=0, le=60, description="The recipe's serve.queue_seconds.")
    request_seconds: int = Field(60, ge=1, le=3_600, description="After so long a request is given up.")
    start_seconds: int = Field(120, ge=2, le=240, description="A server that is not ready by then is ended.")
    drain_seconds: int = Field(10, ge=0, le=120, description="Not ready for so long before a server ends.")

    @field_validator("memory_mb")
    @classmethod
    def _enough(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 256 <= value <= 32_768:
            raise ValueError(f"{value} is not between 256 and 32768 MB")
        return value

    @model_validator(mode="after")
    def _fewest_first(self) -> Serve:
        if self.min_instances > self.max_instances:
            raise ValueError(f"min_instances is {self.min_instances}, more than max_instances, {self.max_instances}")
        return self


class Jobs(Section):
    """Texts that are answered later, by workers beside the API; see docs/jobs.md."""

    store: Literal["off", "redis"] = Field("off", description="redis: at the address in the secret COPYDESK_JOBS.")
    own_redis: bool = Field(False, description="Kubernetes: also a Redis, with a disk, in the same namespace.")
    redis_image: Image = "redis:7.4-alpine"
    redis_disk: Quantity = "10Gi"
    min_workers: int = Field(1, ge=1, le=1_000)
    max_workers: int = Field(4, ge=1, le=1_000)
    worker_cpus: Literal[1, 2, 4, 6, 8] = 2

    @model_validator(mode="after")
    def _fewest_first(self) -> Jobs:
        if self.min_workers > self.max_workers:
            raise ValueError(f"min_workers is {self.min_workers}, more than max_workers, {self.max_workers}")
        if self.own_redis and self.store != "redis":
            raise ValueError("own_redis is true, but store is off: set store: redis")
        return self


class Google(Section):
    """Where in Google Cloud, and who the containers are there."""

    project: Project
    region: Region
    service_account: ServiceAccount = Field(description="Who the server is: reads the bucket and the secrets.")
    ingress: Literal["internal", "internal-and-cloud-load-balancing", "all"] = Field(
        "internal-and-cloud-load-balancing", description="Which networks reach it; who may ask is IAM's."
    )
    cpu: Literal["auto", "always", "requests"] = Field(
        "auto", description="auto: always, where work goes on between requests; else only while it answers."
    )
    network: Network | None = Field(None, description="A VPC, where Redis or a registry is at a private address.")
    subnet: Network | None = None
    metrics_image: Image | None = Field(
        None, description="Google's collector for Managed Prometheus, as a second container."
    )

    @model_validator(mode="after")
    def _both(self) -> Google:
        if (self.network is None) != (self.subnet is None):
            raise ValueError("network and subnet go together: name both, or neither")
        return self


class Train(Section):
    """A training on one machine of Vertex AI."""

    recipe: Address = Field(description="The recipe in a bucket, with its companion files beside it.")
    out: Address = Field(description="The new folder in a bucket that becomes the bundle.")
    checkpoints: Address = Field(description="Where checkpoints go; a machine that is taken away costs minutes.")
    service_account: ServiceAccount = Field(description="Who the job is: reads and writes the bucket.")
    machine: MachineType = "g2-standard-8"
    accelerator: Accelerator | None = "NVIDIA_L4"
    accelerators: Literal[1, 2, 4, 8] = 1
    spot: bool = Field(True, description="Machines that may be taken away, at a fraction of the price.")
    hours: int = Field(12, ge=1, le=168, description="The job is ended after so long.")
    disk_gb: int = Field(100, ge=100, le=4_000)


class Reachable(Section):
    """Something outside the namespace that the servers may reach."""

    port: int = Field(ge=1, le=65_535)
    namespace: Namespace | None = None
    cidr: Cidr | None = None

    @model_validator(mode="after")
    def _one(self) -> Reachable:
        if (self.namespace is None) == (self.cidr is None):
            raise ValueError("name a namespace or a cidr, one of them")
        return self


class Kubernetes(Section):
    """Where in a cluster."""

    namespace: Namespace = "copydesk"
    callers: list[Namespace] = Field(["ingress-nginx"], description="Namespaces whose pods may ask the API.")
    prometheus: Namespace | None = Field("monitoring", description="Where the Prometheus is that reads /metrics.")
    reaches: list[Reachable] = Field([], description="What the pods may reach: the registry, Redis, PostgreSQL.")
    google_account: ServiceAccount | None = Field(None, description="GKE: whom the pods are taken for.")
    storage_class: Word | None = Field(None, description="For disks; default: the cluster's.")


class Ray(Section):
    """One scoring, spread over a cluster that KubeRay makes and takes away again."""

    source: Address = Field(description="IN of `copydesk score`.")
    out: Address = Field(description="OUT of `copydesk score`; a folder.")
    workers: int = Field(4, ge=1, le=1_000)
    worker_cpus: int = Field(4, ge=1, le=64)
    worker_memory: Quantity = "8Gi"
    version: Word = Field("2.60.0", description="Ray's, the same as in the image.")


class Torchrun(Section):
    """One training over several machines of a cluster, on a volume that all of them see."""

    recipe: Path = Field(description="The recipe, in the volume.")
    out: Path = Field(description="The new bundle, in the volume.")
    claim: Namespace = Field(description="A PersistentVolumeClaim with ReadWriteMany.")
    nodes: int = Field(2, ge=1, le=64)
    processes: int = Field(1, ge=1, le=8, description="Processes of each machine: one for each GPU.")
    gpus: int = Field(0, ge=0, le=8, description="GPUs of each machine: none, or as many as processes.")
    cpus: int = Field(4, ge=1, le=128)
    memory: Quantity = "16Gi"
    hours: int = Field(24, ge=1, le=720)

    @model_validator(mode="after")
    def _one_each(self) -> Torchrun:
        if self.gpus and self.gpus != self.processes:
            raise ValueError(f"gpus is {self.gpus} and processes {self.processes}: each process takes one GPU")
        return self


class Settings(Section):
    """Everything `copydesk deploy render` knows."""

    name: Label = Field(description="What everything is called.")
    model: str = Field(description="models:/NAME@ALIAS, gs://BUCKET/path, or a folder in the image.")
    images: Images
    environment: dict[Variable, str] = Field({}, description="Variables that anybody may see.")
    secrets: dict[Variable, Secret] = Field({}, description="Variables that nobody may, by the secret's name.")
    serve: Serve = Serve()
    jobs: Jobs = Jobs()
    google: Google | None = None
    train: Train | None = None
    kubernetes: Kubernetes = Kubernetes()
    ray: Ray | None = None
    torchrun: Torchrun | None = None

    @field_validator("model")
    @classmethod
    def _somewhere(cls, value: str) -> str:
        place_of(value)
        return value

    @field_validator("environment")
    @classmethod
    def _nothing_hidden(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name in SECRET_VARIABLES or any(word in name.upper() for word in _HIDDEN):
                raise ValueError(f"{name} is a secret: put it under 'secrets', by the name of where it is kept")
            if _CREDENTIALS.search(text):
                raise ValueError(
                    f"{name} holds a password (…://USER:PASSWORD@…), which anybody could read there. Leave it out; for "
                    "MLflow put MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD under 'secrets'"
                )
        return value

    @field_validator("secrets")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in SECRET_VARIABLES:
                raise ValueError(f"{name} is no secret that Copydesk reads. Known: {', '.join(SECRET_VARIABLES)}")
        return value

    @property
    def place(self) -> Place:
        """Where the model is."""
        return place_of(self.model)
