"""One scoring on a Ray cluster that KubeRay makes for it: a RayJob.

KubeRay's schemas are not to be had offline. Its pod templates are Kubernetes' own, and are held against that.
"""

from __future__ import annotations

import shlex

from copydesk.deployment.commented import Because, Manifest
from copydesk.deployment.containers import CACHE, TMP, score_arguments
from copydesk.deployment.pods import container_security, environment, labels_of, metadata, pod_security
from copydesk.deployment.settings import Settings

_HEAD_CPUS, _HEAD_MEMORY = 1, "4Gi"


def ray_job(settings: Settings) -> Manifest:
    """Return the job, with the cluster that it is done on."""
    ray = settings.ray
    assert ray is not None  # `render` has seen to it
    workers = {
        "groupName": "scorers",
        "replicas": ray.workers,
        "minReplicas": ray.workers,
        "maxReplicas": ray.workers,
        "rayStartParams": {"num-cpus": str(ray.worker_cpus)},
        "template": _pod(settings, "ray-worker", ray.worker_cpus, ray.worker_memory),
    }
    head = {
        "rayStartParams": Because({"num-cpus": "0"}, "The head hands out rows and scores none."),
        "template": _pod(settings, "ray-head", _HEAD_CPUS, _HEAD_MEMORY),
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": metadata(settings, "score"),
        "spec": {
            "entrypoint": Because(
                shlex.join(["copydesk", *score_arguments(settings)]),
                "Ray gives this to a shell, so every word is quoted that needs it. Begun again, it goes on: a finished "
                "part is not scored anew.",
            ),
            "shutdownAfterJobFinishes": Because(True, "The machines are paid for while the cluster is there."),
            "ttlSecondsAfterFinished": 600,
            "submitterPodTemplate": Because(
                _submitter(settings), "KubeRay's own has no security context, and the namespace lets no such pod in."
            ),
            "backoffLimit": Because(2, "Each time a new cluster, which goes on where the last one stopped."),
            "rayClusterSpec": {
                "rayVersion": ray.version,
                "headGroupSpec": head,
                "workerGroupSpecs": [workers],
            },
        },
    }


def _submitter(settings: Settings) -> Manifest:
    """Return the pod that tells the cluster of the job and follows its log; KubeRay puts the command into it."""
    container = {
        "name": "ray-job-submitter",
        "image": settings.images.ray,
        "env": [{"name": "HOME", "value": TMP}],
        "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": container_security(read_only=False),
        "volumeMounts": [{"name": "tmp", "mountPath": TMP}],
    }
    return {
        "metadata": {"labels": labels_of(settings, "ray-submitter")},
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": settings.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(),
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
        },
    }


def _pod(settings: Settings, part: str, cpus: int, memory: str) -> Manifest:
    container = {
        "name": part,
        "image": settings.images.ray,
        "env": environment(settings, "task", HOME=TMP),
        "resources": {
            "requests": {"cpu": str(cpus), "memory": memory},
            "limits": {"cpu": str(cpus), "memory": memory},
        },
        "securityContext": Because(
            container_security(read_only=False), "Ray was not tried on a read-only file system."
        ),
        "volumeMounts": [{"name": "cache", "mountPath": CACHE}, {"name": "tmp", "mountPath": TMP}],
    }
    return {
        "metadata": {"labels": labels_of(settings, part)},
        "spec": {
            "serviceAccountName": settings.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(),
            "containers": [container],
            "volumes": [
                {
                    "name": "cache",
                    "emptyDir": Because({}, "The model and every input file are fetched to each machine."),
                },
                {"name": "tmp", "emptyDir": Because({"sizeLimit": "20Gi"}, "Ray's sessions, and what it spills.")},
            ],
        },
    }
