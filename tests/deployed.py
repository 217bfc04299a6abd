"""Settings to render in tests, and the manifests of a target as plain values."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from copydesk.deployment import Settings, parse_settings, render

EXAMPLE = Path(__file__).parent.parent / "deploy" / "deploy.yaml"
WITH_JOBS = {"jobs.store": "redis", "jobs.own_redis": True, "secrets.COPYDESK_JOBS": "clickbait-redis"}
BUCKET = {"model": "gs://newsroom-models/bundles/clickbait-3"}
BAKED = {"model": "/opt/bundle"}
VARIANTS: dict[str, dict[str, Any]] = {
    "example": {},
    "jobs": WITH_JOBS,
    "bucket": {**BUCKET, **WITH_JOBS},
    "baked": {**BAKED, "secrets": {}, "environment": {}, "serve.min_instances": 0, "google.cpu": "requests"},
    "large": {
        "serve.cpus": 8,
        "serve.model_mb": 2_000,
        "google.ingress": "all",
        "train.accelerators": 4,
        "train.spot": False,
    },
    "network": {
        "google.network": "newsroom",
        "google.subnet": "servers",
        "google.metrics_image": "us-docker.pkg.dev/google/gmp-sidecar:1.2.0",
        "kubernetes.google_account": "copydesk@newsroom.iam.gserviceaccount.com",
        "kubernetes.storage_class": "fast",
        "kubernetes.reaches": [{"cidr": "10.0.0.0/8", "port": 5432}],
        "torchrun.gpus": 0,
        "secrets.COPYDESK_LOG": "copydesk-log:3",
    },
}
"""Changes to the example, by name: together they take every branch there is."""


@cache
def _example() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(EXAMPLE.read_text("utf-8"), yaml.CSafeLoader)
    return found


def example(**changes: Any) -> Settings:
    """Return the shipped example with changes; `__` stands for the dot of a key."""
    return parse_settings(_example(), overrides={key.replace("__", "."): value for key, value in changes.items()})


def variant(name: str) -> Settings:
    """Return one of the variants."""
    return parse_settings(_example(), overrides=VARIANTS[name])


def manifests(target: str, settings: Settings) -> dict[str, list[Any]]:
    """Return the files of a target, read again from what was written."""
    return deepcopy(_manifests(target, settings.model_dump_json()))


@cache
def _manifests(target: str, settings: str) -> dict[str, list[Any]]:
    files = render(target, Settings.model_validate_json(settings)).files
    return {name: list(yaml.load_all(text, yaml.CSafeLoader)) for name, text in files.items()}


def one(target: str, settings: Settings, kind: str, name: str | None = None) -> Any:
    """Return the one manifest of a kind, and of a name where there are several."""
    found = [item for items in manifests(target, settings).values() for item in items if item.get("kind") == kind]
    found = [item for item in found if name is None or item["metadata"]["name"] == name]
    assert len(found) == 1, [item["metadata"]["name"] for item in found]
    return found[0]


def containers(value: Any) -> list[dict[str, Any]]:
    """Return every container in a manifest, however deep."""
    if isinstance(value, list):
        return [found for item in value for found in containers(item)]
    if not isinstance(value, dict):
        return []
    own = value.get("containers", [])
    return [*own, *(found for item in value.values() for found in containers(item))]
