"""The API on Kubernetes: as many servers as their queues ask for, none of which loses a request when it ends."""

from __future__ import annotations

from typing import Any

from copydesk.deployment.capacity import GRACE_S, capacity_of
from copydesk.deployment.commented import Because, Manifest
from copydesk.deployment.containers import PORT, serve_arguments
from copydesk.deployment.pods import (
    container_security,
    environment,
    labels_of,
    metadata,
    mounts,
    pod_annotations,
    pod_of,
)
from copydesk.deployment.settings import Settings

QUEUE_METRIC = "copydesk_queue_texts"
REFUSALS, OVERLOADED = "copydesk_refusals_total", "Overloaded"
REFUSED_METRIC = "copydesk_overloaded_per_second"
"""What the adapter makes of the refusals with that reason."""
_REFUSED_SHARE = 0.01
_SPARE_S = 5


def namespace(settings: Settings) -> Manifest:
    """Return the namespace, which lets no pod in that could become root."""
    level = {f"pod-security.kubernetes.io/{what}": "restricted" for what in ("enforce", "warn")}
    own = settings.kubernetes.namespace
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own, "labels": level}}


def service_account(settings: Settings) -> Manifest:
    """Return who the pods are: nobody to the cluster's own API."""
    account = settings.kubernetes.google_account
    known = {"annotations": {"iam.gke.io/gcp-service-account": account}} if account else {}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {**metadata(settings, "api"), **known},
        "automountServiceAccountToken": Because(False, "The pods ask nothing of the cluster."),
    }


def service(settings: Settings) -> Manifest:
    """Return the Service before the servers."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(settings, "api"),
        "spec": {
            "selector": labels_of(settings, "api"),
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def deployment(settings: Settings) -> Manifest:
    """Return the servers. How many there are is the autoscaler's to say."""
    serve = settings.serve
    scraped = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(PORT),
        "prometheus.io/path": "/metrics",
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(settings, "api"),
        "spec": {
            "selector": {"matchLabels": labels_of(settings, "api")},
            "strategy": {
                "rollingUpdate": {
                    "maxUnavailable": Because(0, "A new server is ready before an old one ends."),
                    "maxSurge": 1,
                }
            },
            "template": {
                "metadata": {
                    "labels": labels_of(settings, "api"),
                    "annotations": {**scraped, **pod_annotations(settings)},
                },
                "spec": pod_of(
                    settings,
                    "api",
                    _container(settings),
                    grace=Because(
                        serve.drain_seconds + GRACE_S + _SPARE_S,
                        f"--drain, then what was accepted is answered: {serve.drain_seconds} + at most {GRACE_S} s.",
                    ),
                    state=True,
                ),
            },
        },
    }


def _container(settings: Settings) -> Manifest:
    serve, capacity = settings.serve, capacity_of(settings)
    return {
        "name": "api",
        "image": settings.images.serve,
        "command": ["copydesk"],
        "args": Because(
            serve_arguments(settings, serve.drain_seconds),
            "--drain: on SIGTERM the server is not ready, and goes on answering until the last proxy has heard of it. "
            "So no preStop hook has to wait.",
        ),
        "env": environment(settings, "api"),
        "ports": [{"name": "http", "containerPort": PORT}],
        "startupProbe": {
            "httpGet": {"path": "/readyz", "port": "http"},
            "periodSeconds": 2,
            "timeoutSeconds": 1,
            "failureThreshold": max(serve.start_seconds // 2, 1),
        },
        "readinessProbe": {
            "httpGet": Because(
                {"path": "/readyz", "port": "http"},
                "Not while it loads, drains, or its queue is full: others are asked then.",
            ),
            "periodSeconds": 5,
            "timeoutSeconds": 2,
            "failureThreshold": 1,
        },
        "livenessProbe": {
            "httpGet": Because(
                {"path": "/healthz", "port": "http"},
                "The process, not the queue: who is merely busy is not started anew.",
            ),
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "resources": {
            "requests": {"cpu": str(serve.cpus), "memory": f"{capacity.memory_mb}Mi"},
            "limits": {
                "cpu": Because(str(serve.cpus), "As many engine threads are started as there are cores here."),
                "memory": f"{capacity.memory_mb}Mi",
            },
        },
        "securityContext": container_security(),
        "volumeMounts": mounts(settings, state=True),
    }


def autoscaler(settings: Settings) -> Manifest:
    """Return how many servers there are: as many as keep their queues short."""
    serve, capacity = settings.serve, capacity_of(settings)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(settings, "api"),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": settings.name},
            "minReplicas": max(serve.min_instances, 1),
            "maxReplicas": serve.max_instances,
            "metrics": [
                _by_pod(
                    QUEUE_METRIC,
                    str(capacity.queue_texts),
                    f"A quarter of what is refused: {capacity.answers_per_second:.0f} answers a second x "
                    f"{serve.queue_seconds:g} s of waiting at most. The adapter must know the metric.",
                ),
                _by_pod(
                    REFUSED_METRIC,
                    f"{max(round(_REFUSED_SHARE * capacity.answers_per_second * 1_000), 1)}m",
                    f"{_REFUSED_SHARE:.0%} of its answers refused: where texts are few each batch empties the queue, "
                    "which then seems short.",
                ),
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "averageUtilization": Because(
                                85,
                                "Where the queue's metric is not to be had, and for a cascade, which waits in sockets.",
                            ),
                        },
                    },
                },
            ],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 30}],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": Because(300, "A lull of five minutes is none."),
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                },
            },
        },
    }


def _by_pod(metric: str, target: str, why: str) -> Manifest:
    """Return a metric of each server, and what it may be on average."""
    value = {"type": "AverageValue", "averageValue": Because(target, why)}
    return {"type": "Pods", "pods": {"metric": {"name": metric}, "target": value}}


def disruption_budget(settings: Settings, part: str = "api") -> Manifest:
    """Return how many may be taken away at once when machines are emptied."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(settings, part),
        "spec": {
            "maxUnavailable": Because(1, "One after the other, each after it has drained."),
            "unhealthyPodEvictionPolicy": Because("AlwaysAllow", "What does not answer anyway holds nobody up."),
            "selector": {"matchLabels": labels_of(settings, part)},
        },
    }


def adapter_values(settings: Settings) -> Manifest:
    """Return what the Prometheus adapter (its Helm chart) must know, so that the autoscaler sees the queues."""
    waiting = '<<.Series>>{<<.LabelMatchers>>,lane!~"shadow .*"}'
    refused = f'<<.Series>>{{<<.LabelMatchers>>,reason="{OVERLOADED}"}}'
    queue = Because(
        f"sum(avg_over_time({waiting}[1m])) by (<<.GroupBy>>)",
        "All lanes of a server, but those of a candidate in the shadow, whom nobody waits for. The mean of a minute: "
        "a queue that is read every 15 seconds jumps.",
    )
    rules: Manifest = {
        "custom": [
            _pod_rule(QUEUE_METRIC, QUEUE_METRIC, queue),
            _pod_rule(REFUSALS, REFUSED_METRIC, f"sum(rate({refused}[1m])) by (<<.GroupBy>>)"),
        ]
    }
    if settings.jobs.store == "redis":
        rules["external"] = [_open_jobs_rule()]
    return {"rules": rules}


def _pod_rule(series: str, name: str, query: Any) -> Manifest:  # noqa: ANN401 (a text, or a Because of one)
    return {
        "seriesQuery": f'{series}{{namespace!="",pod!=""}}',
        "resources": {"overrides": {label: {"resource": label} for label in ("namespace", "pod")}},
        "name": {"as": name},
        "metricsQuery": query,
    }


OPEN_JOBS = "copydesk_open_jobs"


def _open_jobs_rule() -> Manifest:
    selector = '<<.Series>>{<<.LabelMatchers>>,status=~"pending|running"}'
    return {
        "seriesQuery": 'copydesk_jobs{namespace!=""}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}}},
        "name": {"as": OPEN_JOBS},
        "metricsQuery": Because(
            f"sum(max({selector}) by (status, <<.GroupBy>>)) by (<<.GroupBy>>)",
            "Every server tells of the same store: the largest, not the sum.",
        ),
    }


def scrape_config(settings: Settings) -> Manifest:
    """Return the job of a Prometheus without operator that finds the servers, with the labels the adapter needs."""
    meta = "__meta_kubernetes_pod_"
    keep = {"action": "keep", "regex": f"{settings.name};api"}
    return {
        "scrape_configs": [
            {
                "job_name": settings.name,
                "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [settings.kubernetes.namespace]}}],
                "relabel_configs": [
                    {
                        "source_labels": [
                            f"{meta}label_app_kubernetes_io_instance",
                            f"{meta}label_app_kubernetes_io_component",
                        ],
                        **keep,
                    },
                    {"source_labels": [f"{meta}container_port_name"], "action": "keep", "regex": "http"},
                    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                    {"source_labels": [f"{meta}name"], "target_label": "pod"},
                ],
            }
        ]
    }
