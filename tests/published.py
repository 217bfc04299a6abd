"""Published schemas, offline, as judges of manifests: Google's discovery documents, Kubernetes', Pod Security.

Google's come with its own client (`googleapiclient`), Kubernetes' with `kubernetes_validate`. Pod Security "restricted"
is https://kubernetes.io/docs/concepts/security/pod-security-standards/, as far as pods without privileges need it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient
import kubernetes_validate
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

KUBERNETES = ("1.34", "1.37")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_DURATION = re.compile(r"\d+(?:\.\d{1,9})?s")
_OFF = re.compile(r"not supported (?:by|in) cloud run", re.IGNORECASE)


@cache
def schemas(document: str) -> dict[str, Any]:
    """Return the schemas of a discovery document, e.g. `run.v1`, by name."""
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    found: dict[str, Any] = json.loads((folder / f"{document}.json").read_text("utf-8"))["schemas"]
    return found


def google_faults(value: Any, document: str, schema: str) -> list[str]:
    """Return what is wrong with a value that one of Google's APIs takes: unknown fields, types, not supported."""
    return list(_faults(value, {"$ref": schema}, schemas(document), schema))


def _faults(value: Any, schema: Mapping[str, Any], known: dict[str, Any], where: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = known[schema["$ref"]]
    kind = schema.get("type", "any")
    if kind == "any":
        return
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{where}: {value!r} is no {kind}"
    elif kind == "object":
        yield from _members(value, schema, known, where)
    elif kind == "array":
        for number, item in enumerate(value):
            yield from _faults(item, schema["items"], known, f"{where}[{number}]")
    else:
        yield from _texts(value, schema, where)


def _texts(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if "enum" in schema:
        deprecated = dict(zip(schema["enum"], schema.get("enumDeprecated", []), strict=False))
        if value not in schema["enum"] or deprecated.get(value):
            yield f"{where}: {value!r} is none of {schema['enum']}, or deprecated"
    elif schema.get("format") == "google-duration" and not _DURATION.fullmatch(value):
        yield f"{where}: {value!r} is no duration such as 60s"
    elif schema.get("format") == "int64" and not re.fullmatch(r"-?\d+", value):
        yield f"{where}: {value!r} is no number in quotes"


def _members(value: dict[str, Any], schema: Mapping[str, Any], known: dict[str, Any], where: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name, item in value.items():
        if name in properties:
            about = properties[name]
            if _OFF.match(about.get("description", "")) or about.get("readOnly"):
                yield f"{where}.{name}: {about['description']}"
            yield from _faults(item, about, known, f"{where}.{name}")
        elif "additionalProperties" in schema:
            yield from _faults(item, schema["additionalProperties"], known, f"{where}.{name}")
        else:
            yield f"{where}.{name}: unknown; known are {', '.join(properties)}"


def documented_annotations(kind: str) -> set[str]:
    """Return the annotations that Cloud Run documents for a kind of object: Service, Revision, ..."""
    text = schemas("run.v1")["ObjectMeta"]["properties"]["annotations"]["description"]
    listed = re.findall(r"\* `([^`]+)`: ([A-Za-z, ]+?)[.,](?= \*|$)", text)
    return {name for name, kinds in listed if kind in kinds.split(", ") or kinds == "All resources"}


def kubernetes_faults(manifest: Mapping[str, Any]) -> list[str]:
    """Return what Kubernetes' schemas, the oldest and the newest we mean, have against a manifest."""
    api = manifest["apiVersion"].split("/")
    name = "-".join([manifest["kind"].lower(), *[part.split(".")[0] for part in api]])
    return [
        f"{version}: {'.'.join(map(str, error.path))}: {error.message}"
        for version in KUBERNETES
        for error in _judge(version, name).iter_errors(manifest)
    ]


@cache
def _judge(version: str, name: str) -> Draft202012Validator:
    """Return what `kubernetes_validate.validate` makes anew each time, which takes it half a second."""
    schema = json.loads((_strict(version) / f"{name}.json").read_text("utf-8"))
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    contents = json.loads((_strict(version) / "_definitions.json").read_text("utf-8"))
    return Resource.from_contents(contents) @ Registry()


def _strict(version: str) -> Path:
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    return folder / f"v{version}.0-local-strict"


def pod_template_faults(template: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a pod template that stands in an object whose own schema is not to be had."""
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "judged"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": dict(template)},
    }
    return kubernetes_faults(deployment)


def pod_security_faults(pod: Mapping[str, Any]) -> list[str]:
    """Return why the level "restricted" would refuse a pod."""
    faults = [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    own = pod.get("securityContext", {})
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        allowed = {
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "persistentVolumeClaim",
            "projected",
            "secret",
        }
        faults += [f"volume {kind}" for kind in kinds - allowed]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        security, name = container.get("securityContext", {}), container["name"]
        merged = {**own, **security}
        if security.get("allowPrivilegeEscalation") is not False:
            faults.append(f"{name}: privilege escalation")
        if security.get("capabilities") != {"drop": ["ALL"]}:
            faults.append(f"{name}: capabilities")
        if merged.get("runAsNonRoot") is not True or merged.get("runAsUser") == 0:
            faults.append(f"{name}: root")
        if merged.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            faults.append(f"{name}: seccomp")
        if security.get("privileged") or any("hostPort" in port for port in container.get("ports", [])):
            faults.append(f"{name}: privileged, or a port of the host")
    return faults
