"""One training over several machines: an Indexed Job and a headless Service, without any operator.

Pod N is the machine with rank N, and finds pod 0 by name. A machine that fails takes the training down on all of them;
each is started again in its place, they meet anew, and `--resume` goes on from the newest whole checkpoint.
"""

from __future__ import annotations

from copydesk.deployment.commented import Because, Manifest
from copydesk.deployment.containers import CACHE, MEETING_PORT, SHARED_MEMORY, TMP, launch_arguments, training_variables
from copydesk.deployment.pods import container_security, environment, labels_of, metadata, pod_security
from copydesk.deployment.settings import Settings, Torchrun

WORKSPACE = "/workspace"
_RANK = "$(JOB_COMPLETION_INDEX)"
"""Kubernetes puts the pod's index here."""
_RETRIES = 20


def torchrun(settings: Settings) -> list[Manifest]:
    """Return the Service, the Job, and who may reach its pods."""
    own = metadata(settings, "train")
    selector = labels_of(settings, "train")
    service = {
        "clusterIP": "None",
        "selector": selector,
        "publishNotReadyAddresses": Because(True, "They find each other before any of them is ready."),
        "ports": [{"name": "meeting", "port": MEETING_PORT}],
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": own, "spec": service},
        _job(settings, own),
        _among_themselves(settings, own),
    ]


def _job(settings: Settings, own: Manifest) -> Manifest:
    task = _task(settings)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": own,
        "spec": {
            "completionMode": Because("Indexed", "Each pod has a number, which is its machine's rank."),
            "completions": task.nodes,
            "parallelism": task.nodes,
            "backoffLimit": Because(_RETRIES, "How often pods may fail, all of them together: each failure fails all."),
            "activeDeadlineSeconds": task.hours * 3_600,
            "template": {
                "metadata": {"labels": labels_of(settings, "train")},
                "spec": _pod(settings, task, own["name"]),
            },
        },
    }


def _pod(settings: Settings, task: Torchrun, name: str) -> Manifest:
    amounts: Manifest = {"cpu": str(task.cpus), "memory": task.memory}
    if task.gpus:
        amounts["nvidia.com/gpu"] = str(task.gpus)
    container = {
        "name": "train",
        "image": settings.images.train,
        "command": ["torchrun"],
        "args": launch_arguments(settings, rank=_RANK, leader=f"{name}-0.{name}"),
        "workingDir": Because(WORKSPACE, "Recipe, data, checkpoints and bundle: one volume that all machines see."),
        "env": environment(settings, "task", **training_variables(settings)),
        "ports": [{"name": "meeting", "containerPort": MEETING_PORT}],
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "workspace", "mountPath": WORKSPACE},
            {"name": "cache", "mountPath": CACHE},
            {"name": "tmp", "mountPath": TMP},
            {"name": "shared-memory", "mountPath": SHARED_MEMORY},
        ],
    }
    return {
        "restartPolicy": Because("OnFailure", "In its place, with its name: the others look for it there."),
        "subdomain": name,
        "serviceAccountName": settings.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "terminationGracePeriodSeconds": Because(120, "On SIGTERM a checkpoint is saved first."),
        "containers": [container],
        "volumes": [
            {"name": "workspace", "persistentVolumeClaim": {"claimName": task.claim}},
            {"name": "cache", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {
                "name": "shared-memory",
                "emptyDir": Because({"medium": "Memory", "sizeLimit": "1Gi"}, "NCCL's; a container's own are 64 MB."),
            },
        ],
    }


def _among_themselves(settings: Settings, own: Manifest) -> Manifest:
    """Return that nobody but the machines of this training reach each other's processes, which ask for no password."""
    selector = labels_of(settings, "train")
    peers = [{"podSelector": {"matchLabels": selector}}]
    spec = {"podSelector": {"matchLabels": selector}, "policyTypes": ["Ingress"], "ingress": [{"from": peers}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": own, "spec": spec}


def _task(settings: Settings) -> Torchrun:
    assert settings.torchrun is not None  # `render` has seen to it
    return settings.torchrun
