"""Jobs on Kubernetes: workers that Celery brings chunks to, and a Redis of one's own where there is no other."""

from __future__ import annotations

from copydesk.deployment.capacity import capacity_of
from copydesk.deployment.commented import Because, Manifest
from copydesk.deployment.containers import TMP
from copydesk.deployment.kubernetes import OPEN_JOBS
from copydesk.deployment.network import REDIS_PORT
from copydesk.deployment.pods import (
    container_security,
    environment,
    labels_of,
    metadata,
    mounts,
    pod_annotations,
    pod_of,
    pod_security,
)
from copydesk.deployment.settings import Settings

_CHUNK_S = 120
_ALIVE = f"{TMP}/alive"
_SILENT_S = 30
_REDIS_USER = 999
"""The user `redis` in the images of Redis and Valkey."""
_REDIS_MB, _REDIS_DATA_MB = 512, 384
"""What its container may take, and where Redis refuses: while it rewrites its file it needs more than its data."""


def workers(settings: Settings) -> Manifest:
    """Return the workers. They take no requests, so nobody asks whether they are ready, only whether they live."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(settings, "worker"),
        "spec": {
            "selector": {"matchLabels": labels_of(settings, "worker")},
            "template": {
                "metadata": {"labels": labels_of(settings, "worker"), "annotations": pod_annotations(settings)},
                "spec": pod_of(
                    settings,
                    "worker",
                    _worker(settings),
                    grace=Because(
                        _CHUNK_S,
                        "A worker finishes its chunk (512 texts) first. What it cannot finish another does.",
                    ),
                ),
            },
        },
    }


def _worker(settings: Settings) -> Manifest:
    cpus, memory = settings.jobs.worker_cpus, f"{capacity_of(settings).memory_mb}Mi"
    return {
        "name": "worker",
        "image": settings.images.worker,
        "command": ["copydesk"],
        "args": Because(
            ["worker", "--alive", _ALIVE],
            "Where jobs are, COPYDESK_JOBS says: on a command line everyone could read it.",
        ),
        "env": environment(settings, "worker"),
        "startupProbe": {"exec": _looks_alive(), "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 24},
        "livenessProbe": {
            "exec": Because(
                _looks_alive(), "A worker touches the file each second; one that is deaf or hangs does not."
            ),
            "periodSeconds": 20,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "resources": {
            "requests": {"cpu": str(cpus), "memory": memory},
            "limits": {"cpu": str(cpus), "memory": memory},
        },
        "securityContext": container_security(),
        "volumeMounts": mounts(settings),
    }


def _looks_alive() -> Manifest:
    """Return the command that fails where the worker's file is too old, as the image's own health check has it."""
    code = f"import os, time; raise SystemExit(time.time() - os.stat('{_ALIVE}').st_mtime > {_SILENT_S})"
    return {"command": ["python", "-ISc", code]}


def worker_autoscaler(settings: Settings) -> Manifest:
    """Return how many workers there are: one for each job that is not done, within the limits."""
    jobs = settings.jobs
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(settings, "worker"),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{settings.name}-worker"},
            "minReplicas": jobs.min_workers,
            "maxReplicas": jobs.max_workers,
            "metrics": [
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": OPEN_JOBS},
                        "target": {
                            "type": "AverageValue",
                            "averageValue": Because(
                                "1", "A worker for each job that waits or runs; large jobs use them all."
                            ),
                        },
                    },
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def redis(settings: Settings) -> list[Manifest]:
    """Return a Redis that keeps what it is told: on a disk, and never throwing keys away."""
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": settings.jobs.redis_disk}},
            **({"storageClassName": name} if (name := settings.kubernetes.storage_class) else {}),
        },
    }
    own = metadata(settings, "redis")
    ports = [{"name": "redis", "port": REDIS_PORT, "targetPort": "redis"}]
    selector = labels_of(settings, "redis")
    service = {"selector": selector, "ports": ports, "clusterIP": "None"}
    stateful = {
        "serviceName": own["name"],
        "replicas": Because(1, "Celery knows no Redis Cluster. While it is away the API answers as ever, jobs wait."),
        "selector": {"matchLabels": selector},
        "template": {"metadata": {"labels": selector}, "spec": _redis_pod(settings, own["name"])},
        "volumeClaimTemplates": [claim],
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": own, "spec": service},
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": own, "spec": stateful},
    ]


REDIS_ARGUMENTS = (
    "/etc/redis/redis.conf",
    *("--appendonly", "yes"),
    *("--appendfsync", "everysec"),
    *("--maxmemory", f"{_REDIS_DATA_MB}mb"),
    *("--maxmemory-policy", "noeviction"),
    *("--dir", "/data"),
)
"""What docs/jobs.md asks of a Redis. The file, from a Secret, holds `requirepass` and nothing else."""


def _redis_pod(settings: Settings, secret: str) -> Manifest:
    alive = {"tcpSocket": {"port": "redis"}, "periodSeconds": 10, "timeoutSeconds": 3}
    container = {
        "name": "redis",
        "image": settings.jobs.redis_image,
        "command": ["redis-server"],
        "args": Because(
            list(REDIS_ARGUMENTS),
            "Every change is in a file within a second; a full memory refuses, and forgets nothing.",
        ),
        "ports": [{"name": "redis", "containerPort": REDIS_PORT}],
        "readinessProbe": alive,
        "livenessProbe": alive,
        "resources": {
            "requests": {"cpu": "250m", "memory": f"{_REDIS_MB}Mi"},
            "limits": {"memory": f"{_REDIS_MB}Mi"},
        },
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "configuration", "mountPath": "/etc/redis", "readOnly": True},
        ],
    }
    items = [{"key": "redis.conf", "path": "redis.conf"}]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(_REDIS_USER),
        "terminationGracePeriodSeconds": 60,
        "containers": [container],
        "volumes": [{"name": "configuration", "secret": {"secretName": secret, "items": items}}],
    }
