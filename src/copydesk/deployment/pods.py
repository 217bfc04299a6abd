"""Pods: what every one of them may, sees and writes. All of it passes the Pod Security level "restricted"."""

from __future__ import annotations

from typing import Any

from copydesk.deployment.commented import Because, Manifest
from copydesk.deployment.containers import CACHE, STATE, TMP, USER, Reader, secrets_of, variables
from copydesk.deployment.places import MOUNT
from copydesk.deployment.settings import Settings

PART = "app.kubernetes.io/component"


def labels_of(settings: Settings, part: str) -> dict[str, str]:
    """Return the labels by which a part of the installation is found."""
    return {"app.kubernetes.io/name": "copydesk", "app.kubernetes.io/instance": settings.name, PART: part}


def metadata(settings: Settings, part: str, *, name: str | None = None) -> Manifest:
    """Return an object's metadata; the API is called like the installation, the rest after its part."""
    own = settings.name if part == "api" else f"{settings.name}-{part}"
    return {
        "name": name or own,
        "namespace": settings.kubernetes.namespace,
        "labels": labels_of(settings, part),
    }


def pod_security(user: int = USER) -> Manifest:
    """Return what a pod runs as."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": Because(user, "Volumes that are mounted may be written by this group."),
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security(*, read_only: bool = True) -> Manifest:
    """Return what a container may: nothing beyond running."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": read_only,
        "capabilities": {"drop": ["ALL"]},
    }


def environment(settings: Settings, reader: Reader, **more: Any) -> list[Manifest]:  # noqa: ANN401
    """Return the variables of a container, the secret ones by reference."""
    hidden = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret.split(":")[0], "key": name}}}
        for name, secret in secrets_of(settings, reader).items()
    ]
    return [*variables(settings, **more), *hidden]


def mounts(settings: Settings, *, state: bool = False) -> list[Manifest]:
    """Return where a container may write, and where the model is."""
    found = [{"name": "cache", "mountPath": CACHE}, {"name": "tmp", "mountPath": TMP}]
    if state:
        found.append({"name": "state", "mountPath": STATE})
    return [*found, {"name": "models", "mountPath": MOUNT, "readOnly": True}] if settings.place.bucket else found


def volumes(settings: Settings, *, state: bool = False) -> list[Manifest]:
    """Return the volumes of these mounts."""
    cache_mb = max(4 * settings.serve.model_mb, 256)
    found: list[Manifest] = [
        {
            "name": "cache",
            "emptyDir": Because({"sizeLimit": f"{cache_mb}Mi"}, "Models that were fetched: room for four versions."),
        },
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    if state:
        kept = "Corrections, where no prediction log is set (COPYDESK_LOG): they end with the pod."
        found.append({"name": "state", "emptyDir": Because({"sizeLimit": "64Mi"}, kept)})
    if settings.place.bucket:
        options = f"implicit-dirs,uid={USER},gid={USER}"
        attributes = {"bucketName": settings.place.bucket, "mountOptions": options}
        driver = {"driver": "gcsfuse.csi.storage.gke.io", "readOnly": True, "volumeAttributes": attributes}
        found.append({"name": "models", "csi": Because(driver, "GKE's driver: the bucket as a folder, read-only.")})
    return found


def pod_annotations(settings: Settings) -> Manifest:
    """Return what GKE must know of a pod that sees a bucket."""
    if not settings.place.bucket:
        return {}
    return {"gke-gcsfuse/volumes": Because("true", "GKE adds the container that mounts the bucket.")}


def spread(settings: Settings, part: str) -> list[Manifest]:
    """Return how pods are spread: a machine, or a zone, that fails takes few of them along."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels_of(settings, part)},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def pod_of(settings: Settings, part: str, container: Manifest, *, grace: Because, state: bool = False) -> Manifest:
    """Return the pod of one container that runs until it is told to end; `grace` is how long it may take then."""
    return {
        "serviceAccountName": settings.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "topologySpreadConstraints": spread(settings, part),
        "terminationGracePeriodSeconds": grace,
        "containers": [container],
        "volumes": volumes(settings, state=state),
    }
