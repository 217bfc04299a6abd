"""Settings to files: which target consists of what, and what must be set for it. Writing them is the last step.

A file that Copydesk rendered says so in its first line. Rendering again replaces such files, and touches no others.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copydesk import __version__
from copydesk.deployment import celery, kubernetes
from copydesk.deployment.cloud_run import cloud_run_service, cloud_run_workers, monitoring
from copydesk.deployment.commented import Because, commented
from copydesk.deployment.network import network_policies
from copydesk.deployment.ray import ray_job
from copydesk.deployment.settings import Settings
from copydesk.deployment.torchrun import torchrun
from copydesk.deployment.vertex import vertex_job
from copydesk.errors import UsageError
from copydesk.files import replace_text, writing

MARK = "Rendered by `copydesk deploy render"
Manifests = dict[str, list[Any]]
KUSTOMIZATION = "kustomization.yaml"
_BESIDE = ("prometheus/adapter-values.yaml", "prometheus/scrape.yaml")
"""Files of the kubernetes target that are for others than kubectl."""


@dataclass(frozen=True)
class Target:
    """What is rendered, the settings it needs, what comes of it, and the command that comes next."""

    manifests: Callable[[Settings], Manifests]
    needs: tuple[str, ...]
    next: str


@dataclass(frozen=True)
class Rendered:
    """The files of a target by name, what the user must know of them, and the command that comes next."""

    target: str
    files: dict[str, str]
    notes: list[str]
    next: str

    def command(self, folder: Path) -> str:
        """Return the command that comes next, with the folder that the files are in."""
        return self.next.replace("{folder}", shlex.quote(str(folder)))


def render(target: str, settings: Settings) -> Rendered:
    """Return a target's files. Raises `UsageError` for an unknown target, and for settings that lack something."""
    if target not in TARGETS:
        raise UsageError(f"{target!r} is nothing to deploy to. Known: {', '.join(TARGETS)}.")
    known = TARGETS[target]
    missing = [key for key in (*known.needs, *_needed_for_jobs(target, settings)) if not _has(settings, key)]
    if missing:
        raise UsageError(
            f"{target} needs {', '.join(map(repr, missing))} in the settings: deploy/deploy.yaml shows them."
        )
    head = f"{MARK} {target}` (Copydesk {__version__}).\nChange the settings and render again: changes here are lost."
    files = {name: commented(found, head) for name, found in known.manifests(settings).items()}
    google = settings.google
    after = known.next.replace("{name}", settings.name).replace("{region}", google.region if google else "")
    return Rendered(target, files, notes_on(target, settings), after)


def write(rendered: Rendered, folder: Path) -> list[Path]:
    """Write the files, and take away those of an earlier rendering that are none any more.

    Raises `UsageError` where a file stands that Copydesk did not render, `CopydeskError` if it may not be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out '{folder}' is a file. Name a folder.")
    places = sorted({(folder / name).parent for name in rendered.files})  # not below: another rendering may be there
    found = {path.relative_to(folder).as_posix(): path for place in places for path in sorted(place.glob("*.yaml"))}
    strange = [name for name in rendered.files if name in found and not _is_ours(found[name], rendered.target)]
    if strange:
        raise UsageError(
            f"'{folder}' holds {', '.join(strange)}, which `copydesk deploy render {rendered.target}` did not write. "
            "Move it away, or name another folder with --out."
        )
    for name, path in found.items():
        if name not in rendered.files and _is_ours(path, rendered.target):
            with writing(path):
                path.unlink()
    for name, text in rendered.files.items():
        replace_text(folder / name, text)
    return [folder / name for name in rendered.files]


def notes_on(target: str, settings: Settings) -> list[str]:
    """Return what a user must know of what was rendered, and would find out too late."""
    notes = []
    given = {*settings.secrets, *settings.environment}
    if target in ("cloudrun", "kubernetes"):
        if "COPYDESK_LOG" not in given:
            notes.append(
                "No prediction log is set (the secret COPYDESK_LOG): corrections end with their server, and nothing "
                "can be monitored but its metrics."
            )
        if "COPYDESK_API_KEYS" not in given and target == "kubernetes":
            notes.append("No API keys are set (the secret COPYDESK_API_KEYS): whoever reaches the Service may ask.")
        if settings.model.startswith("models:/") and "MLFLOW_TRACKING_URI" not in given:
            notes.append("The model is in MLflow, but 'environment' names no MLFLOW_TRACKING_URI.")
    if target == "vertex" and settings.secrets:
        notes.append(
            "A custom job takes no secrets: it gets none of them, and reads its buckets as its service account."
        )
    return notes


def _has(settings: Settings, key: str) -> bool:
    value: Any = settings
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part)
    return value is not None


def _needed_for_jobs(target: str, settings: Settings) -> tuple[str, ...]:
    if target not in ("cloudrun", "kubernetes") or settings.jobs.store == "off":
        return ()
    return ("images.worker", "secrets.COPYDESK_JOBS")


def _is_ours(path: Path, target: str) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith(f"# {MARK} {target}`")
    except OSError:
        return False


def _cloud_run(settings: Settings) -> Manifests:
    found: Manifests = {"service.yaml": [cloud_run_service(settings)]}
    if settings.jobs.store == "redis":
        found["worker-pool.yaml"] = [cloud_run_workers(settings)]
    if settings.google and settings.google.metrics_image:
        found["run-monitoring.yaml"] = [monitoring(settings)]
    return found


def _kubernetes(settings: Settings) -> Manifests:
    found: Manifests = {
        "namespace.yaml": [kubernetes.namespace(settings)],
        "api.yaml": [
            kubernetes.service_account(settings),
            kubernetes.service(settings),
            kubernetes.deployment(settings),
        ],
        "autoscaler.yaml": [kubernetes.autoscaler(settings)],
        "disruption.yaml": [kubernetes.disruption_budget(settings)],
        "network.yaml": network_policies(settings),
    }
    if settings.jobs.store == "redis":
        found["worker.yaml"] = [celery.workers(settings), celery.worker_autoscaler(settings)]
        found["disruption.yaml"].append(kubernetes.disruption_budget(settings, "worker"))
    if settings.jobs.own_redis:
        found["redis.yaml"] = celery.redis(settings)
    beside = [[kubernetes.adapter_values(settings)], [kubernetes.scrape_config(settings)]]
    return {KUSTOMIZATION: [_kustomization(list(found))], **found, **dict(zip(_BESIDE, beside, strict=True))}


def _ground(settings: Settings) -> list[Any]:
    """Return what a job stands on: the same as the API's, so that either may be applied first."""
    return [kubernetes.namespace(settings), kubernetes.service_account(settings)]


def _kustomization(names: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": Because(names, "For `kubectl apply -k`. What is in prometheus/ is for others."),
    }


TARGETS = {
    "cloudrun": Target(_cloud_run, ("google",), "gcloud run services replace {folder}/service.yaml --region {region}"),
    "vertex": Target(
        lambda settings: {"custom-job.yaml": [vertex_job(settings)]},
        ("train", "images.train", "google"),
        "gcloud ai custom-jobs create --region {region} --display-name {name} --config {folder}/custom-job.yaml",
    ),
    "kubernetes": Target(_kubernetes, (), "kubectl apply -k {folder}"),
    "ray": Target(
        lambda settings: {"ray-job.yaml": [*_ground(settings), ray_job(settings)]},
        ("ray", "images.ray"),
        "kubectl apply -f {folder}/ray-job.yaml",
    ),
    "torchrun": Target(
        lambda settings: {"train.yaml": [*_ground(settings), *torchrun(settings)]},
        ("torchrun", "images.train"),
        "kubectl apply -f {folder}/train.yaml",
    ),
}
