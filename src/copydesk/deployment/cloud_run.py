"""A Cloud Run service, and a worker pool beside it where jobs are kept in Redis: Knative's YAML, as `replace` takes it.

Held against the published schema by tests. What a field means: https://cloud.google.com/run/docs/reference/yaml/v1.
"""

from __future__ import annotations

import json
from typing import Any

from copydesk.deployment.capacity import capacity_of
from copydesk.deployment.commented import Because, Manifest
from copydesk.deployment.containers import CACHE, PORT, STATE, USER, Reader, secrets_of, serve_arguments, variables
from copydesk.deployment.places import MOUNT
from copydesk.deployment.settings import Google, Settings
from copydesk.errors import UsageError

_PROBE_S = 2
_DRAIN_S = 1
_LEAST_MB, _MOST_MB_A_CORE = {1: 512, 2: 512, 4: 2_048, 6: 4_096, 8: 4_096}, 4_096
"""The second generation's memory: the least by cores, and the most for each."""
_CACHED_MODELS = 3
"""The versions of a registered model in the cache: the one in service, the one before it, the one that comes."""
_COLLECTOR_CPUS, _COLLECTOR_MB = 1, 512


def cloud_run_service(settings: Settings) -> Manifest:
    """Return the service. Raises `UsageError` where Cloud Run cannot be what the settings ask for."""
    google = _google(settings)
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": settings.name,
            "namespace": google.project,
            "labels": {"cloud.googleapis.com/location": google.region},
            "annotations": {
                "run.googleapis.com/ingress": Because(
                    google.ingress,
                    "Which networks reach it. Who may ask is IAM's to say (roles/run.invoker): nobody yet.",
                )
            },
        },
        "spec": {
            "template": {"metadata": {"annotations": _annotations(settings, google)}, "spec": _pod(settings, google)}
        },
    }


def cloud_run_workers(settings: Settings) -> Manifest:
    """Return the pool of workers that answer jobs."""
    google = _google(settings)
    container = {
        "name": "worker",
        "image": settings.images.worker,
        "command": ["copydesk"],
        "args": Because(["worker"], "Where jobs are, COPYDESK_JOBS says: on a command line everyone could read it."),
        "env": _environment(settings, settings.jobs.worker_cpus, "worker"),
        "resources": _resources(settings.jobs.worker_cpus, _memory_mb(settings, settings.jobs.worker_cpus)),
        "volumeMounts": _mounts(settings, state=False),
    }
    return {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "WorkerPool",
        "metadata": {
            "name": f"{settings.name}-worker",
            "namespace": google.project,
            "labels": {"cloud.googleapis.com/location": google.region},
        },
        "spec": {
            "template": {
                "metadata": {"annotations": _network(google)},
                "spec": {
                    "serviceAccountName": google.service_account,
                    "containers": [container],
                    "volumes": _volumes(settings, state=False),
                },
            }
        },
    }


def works_between_requests(settings: Settings) -> bool:
    """Tell whether something must go on while nobody asks: following an alias, writing the log, telling metrics."""
    return settings.place.moves or "COPYDESK_LOG" in settings.secrets or bool(_google(settings).metrics_image)


def has_cpu_always(settings: Settings) -> bool:
    """Tell whether instances keep their cores between requests, and are paid for all the time."""
    google = _google(settings)
    return google.cpu == "always" or (google.cpu == "auto" and works_between_requests(settings))


def _google(settings: Settings) -> Google:
    assert settings.google is not None  # `render` has seen to it
    return settings.google


def _annotations(settings: Settings, google: Google) -> Manifest:
    serve = settings.serve
    always = has_cpu_always(settings)
    why = (
        "Cores between requests too: the server follows its alias every two seconds, writes its log, or the collector "
        "reads its metrics."
        if works_between_requests(settings)
        else "Nothing goes on between requests (the batcher's threads run only while a request waits for them)."
    )
    return {
        "autoscaling.knative.dev/minScale": Because(
            str(serve.min_instances),
            "An instance that is there already: a new one has to fetch and load the model first.",
        ),
        "autoscaling.knative.dev/maxScale": Because(str(serve.max_instances), "The most this can cost: docs/costs.md."),
        "run.googleapis.com/execution-environment": Because(
            "gen2", "A whole Linux: buckets as folders, and no emulated system calls under the engine's threads."
        ),
        "run.googleapis.com/cpu-throttling": Because("false" if always else "true", why),
        "run.googleapis.com/startup-cpu-boost": Because("true", "More cores while the model is loaded."),
        **_network(google),
        **(
            {"run.googleapis.com/container-dependencies": json.dumps({"collector": ["api"]})}
            if google.metrics_image
            else {}
        ),
    }


def _network(google: Google) -> Manifest:
    if google.network is None:
        return {}
    interface = [{"network": google.network, "subnetwork": google.subnet}]
    return {
        "run.googleapis.com/network-interfaces": json.dumps(interface),
        "run.googleapis.com/vpc-access-egress": Because(
            "private-ranges-only", "Only private addresses go through the network; others go out as they would."
        ),
    }


def _pod(settings: Settings, google: Google) -> Manifest:
    serve, capacity = settings.serve, capacity_of(settings)
    return {
        "serviceAccountName": Because(
            google.service_account,
            "Needs: storage.objectViewer on the bucket, secretAccessor on each secret, nothing else.",
        ),
        "containerConcurrency": Because(
            capacity.requests_at_once,
            f"What the batcher has under way before it refuses: {capacity.answers_per_second:.0f} answers a second x "
            f"({serve.queue_seconds:g} s in the queue + one batch) / {serve.texts_per_request:g} texts a request. "
            "Cloud Run adds instances at 60 % of it.",
        ),
        "timeoutSeconds": serve.request_seconds,
        "containers": [_api(settings), *([_collector(google)] if google.metrics_image else [])],
        "volumes": _volumes(settings, state=True),
    }


def _api(settings: Settings) -> Manifest:
    serve = settings.serve
    return {
        "name": "api",
        "image": settings.images.serve,
        "command": ["copydesk"],
        "args": Because(
            serve_arguments(settings, _DRAIN_S),
            "Hardly any --drain: Cloud Run sends nothing more to an instance that it ends, and kills it after 10 s.",
        ),
        "ports": [{"name": "http1", "containerPort": PORT}],
        "env": _environment(settings, serve.cpus, "api"),
        "resources": _resources(serve.cpus, _memory_mb(settings, serve.cpus)),
        "volumeMounts": _mounts(settings, state=True),
        "startupProbe": {
            "httpGet": Because(
                {"path": "/readyz", "port": PORT},
                "Ready: the model is loaded and has answered once. From outside the probes' paths cannot be "
                "asked: Cloud Run keeps paths that end in z.",
            ),
            "periodSeconds": _PROBE_S,
            "timeoutSeconds": 1,
            "failureThreshold": max(serve.start_seconds // _PROBE_S, 1),
        },
        "livenessProbe": {
            "httpGet": Because(
                {"path": "/healthz", "port": PORT},
                "The process, not the queue: who is merely busy is not started anew.",
            ),
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }


def _collector(google: Google) -> Manifest:
    """Return Google's collector, which reads /metrics of its own instance: from outside they are one."""
    return {
        "name": "collector",
        "image": Because(
            google.metrics_image,
            "Reads /metrics of this instance for Managed Prometheus. What to read: run-monitoring.yaml, as a secret.",
        ),
        "resources": _resources(_COLLECTOR_CPUS, _COLLECTOR_MB),
        "volumeMounts": [{"name": "monitoring", "mountPath": "/etc/rungmp"}],
    }


def monitoring(settings: Settings) -> Manifest:
    """Return what Google's collector is told to read."""
    return {
        "apiVersion": "monitoring.googleapis.com/v1beta",
        "kind": "RunMonitoring",
        "metadata": {"name": settings.name},
        "spec": {"endpoints": [{"port": PORT, "path": "/metrics", "interval": "30s"}]},
    }


def _environment(settings: Settings, cpus: int, reader: Reader) -> list[Manifest]:
    threads = Because(
        str(cpus), "One engine thread a core, also where more cores are there while it starts (startup-cpu-boost)."
    )
    hidden = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret.split(":")[0], "key": _version(secret)}}}
        for name, secret in secrets_of(settings, reader).items()
    ]
    return [*variables(settings, OMP_NUM_THREADS=threads), *hidden]


def _version(secret: str) -> str:
    return secret.partition(":")[2] or "latest"


def _resources(cpus: int, memory_mb: int) -> Manifest:
    return {"limits": {"cpu": str(cpus), "memory": f"{memory_mb}Mi"}}


def _memory_mb(settings: Settings, cpus: int) -> int:
    """Return the memory, with what is written into files: Cloud Run keeps these in memory. Raises `UsageError`."""
    wanted = max(capacity_of(settings, cached_models=_cached_models(settings)).memory_mb, _LEAST_MB[cpus])
    most = _MOST_MB_A_CORE * cpus
    if wanted > most:
        raise UsageError(
            f"{wanted} MB are more than Cloud Run gives to {cpus} cores, {most} MB: set serve.cpus (or "
            "jobs.worker_cpus) higher, or serve.memory_mb lower."
        )
    return wanted


def _cached_models(settings: Settings) -> int:
    """Return how many models the cache may hold: what is in the image or in a bucket is read where it is."""
    return _CACHED_MODELS if settings.place.is_registered else 0


def _mounts(settings: Settings, *, state: bool) -> list[Manifest]:
    mounts = [{"name": "cache", "mountPath": CACHE}]
    if state:
        mounts.append({"name": "state", "mountPath": STATE})
    return [*mounts, {"name": "models", "mountPath": MOUNT}] if settings.place.bucket else mounts


def _volumes(settings: Settings, *, state: bool) -> list[Manifest]:
    cache = max(_cached_models(settings) * settings.serve.model_mb, 64)
    volumes: list[Any] = [
        {
            "name": "cache",
            "emptyDir": Because(
                {"medium": "Memory", "sizeLimit": f"{cache}Mi"},
                "In memory, as all that is written here, and counted there.",
            ),
        }
    ]
    if state:
        volumes.append({"name": "state", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}})
        if _google(settings).metrics_image:
            volumes.append(_monitoring_secret(settings))
    if settings.place.bucket:
        options = f"implicit-dirs,uid={USER},gid={USER}"
        attributes = {"bucketName": settings.place.bucket, "mountOptions": options}
        driver = {"driver": "gcsfuse.run.googleapis.com", "readOnly": True, "volumeAttributes": attributes}
        volumes.append(
            {"name": "models", "csi": Because(driver, "The bucket as a folder, read-only, for the image's user.")}
        )
    return volumes


def _monitoring_secret(settings: Settings) -> Manifest:
    items = [{"key": "latest", "path": "config.yaml"}]
    return {"name": "monitoring", "secret": {"secretName": f"{settings.name}-monitoring", "items": items}}
