"""Who may reach whom in the namespace: what is not listed here does not get through."""

from __future__ import annotations

from typing import Any

from copydesk.deployment.commented import Because, Manifest
from copydesk.deployment.containers import PORT
from copydesk.deployment.pods import labels_of, metadata
from copydesk.deployment.settings import Reachable, Settings

REDIS_PORT = 6379
_PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"]
_GOOGLE_METADATA = [("169.254.169.254/32", 80), ("169.254.169.252/32", 988)]


def network_policies(settings: Settings) -> list[Manifest]:
    """Return the policies of the API, of the workers and of Redis, as far as there are these."""
    jobs = settings.jobs.store == "redis"
    found = [_policy(settings, "api", _who_asks(settings), _reaches(settings))]
    if jobs:
        found.append(_policy(settings, "worker", [], _reaches(settings)))
    if settings.jobs.own_redis:
        asks = [{"podSelector": {"matchLabels": labels_of(settings, part)}} for part in ("api", "worker")]
        found.append(_policy(settings, "redis", [{"from": asks, "ports": [_tcp(REDIS_PORT)]}], []))
    return found


def _policy(settings: Settings, part: str, ingress: list[Any], egress: list[Any]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(settings, part),
        "spec": {
            "podSelector": {"matchLabels": labels_of(settings, part)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _who_asks(settings: Settings) -> list[Any]:
    """Return who may ask the servers: the namespace itself, its callers, and Prometheus."""
    kubernetes = settings.kubernetes
    others = [*kubernetes.callers, *([kubernetes.prometheus] if kubernetes.prometheus else [])]
    named = [_in_namespace(name) for name in dict.fromkeys(others)]
    asks = [{"podSelector": {}}, *named]
    return [
        {"from": Because(asks, "This namespace, where requests come in from, and Prometheus."), "ports": [_tcp(PORT)]}
    ]


def _reaches(settings: Settings) -> list[Any]:
    """Return what servers and workers may reach: names, what the settings list, and the model's place."""
    found: list[Any] = [
        Because(
            {"to": [_in_namespace("kube-system")], "ports": [_tcp(53), {"protocol": "UDP", "port": 53}]}, "Names (DNS)."
        )
    ]
    if settings.jobs.own_redis:
        redis = {"podSelector": {"matchLabels": labels_of(settings, "redis")}}
        found.append({"to": [redis], "ports": [_tcp(REDIS_PORT)]})
    found += [{"to": [_peer(one)], "ports": [_tcp(one.port)]} for one in settings.kubernetes.reaches]
    if settings.place.bucket or settings.model.startswith(("hf://", "wandb://")):
        anywhere = {"ipBlock": {"cidr": "0.0.0.0/0", "except": _PRIVATE}}
        found.append(
            Because({"to": [anywhere], "ports": [_tcp(443)]}, "The model is fetched from outside the cluster.")
        )
    if settings.place.bucket:
        found += [
            Because(
                {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [_tcp(port)]}, "GKE's metadata server: who the pod is."
            )
            for cidr, port in _GOOGLE_METADATA
        ]
    return found


def _peer(one: Reachable) -> Manifest:
    return _in_namespace(one.namespace) if one.namespace else {"ipBlock": {"cidr": one.cidr}}


def _in_namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}
