"""Compose files as Docker's Compose reads them: variables put in, included files merged, paths made absolute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parent.parent / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<rest>[^}]*))?\}|\$(?P<plain>\w+)")
_RESOURCES = ("services", "networks", "volumes", "secrets")


@dataclass(frozen=True)
class Compose:
    """What is left of the files: every resource by its name."""

    services: dict[str, dict[str, Any]]
    networks: dict[str, dict[str, Any]]
    volumes: dict[str, dict[str, Any]]
    secrets: dict[str, dict[str, Any]]


def read_compose(file: Path, environment: Mapping[str, str]) -> Compose:
    """Return a file and what it includes. Raises `ValueError` for a variable that has to be set, or a name twice."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind in _RESOURCES}
    content = yaml.safe_load(file.read_text("utf-8"))
    for included in content.get("include", []):
        other = read_compose(file.parent / included, environment)
        for kind in _RESOURCES:
            found[kind] |= getattr(other, kind)
    for kind in _RESOURCES:
        own = _with_variables(content.get(kind, {}), environment)
        if twice := own.keys() & found[kind].keys():
            raise ValueError(f"{kind} {sorted(twice)} of '{file}' are in a file that it includes too")
        found[kind] |= {name: _absolute(kind, value, file.parent) for name, value in own.items()}
    return Compose(**found)


def _with_variables(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _with_variables(item, environment) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_variables(item, environment) for item in value]
    return _VARIABLE.sub(lambda found: _value(found, environment), value) if isinstance(value, str) else value


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    name = found["name"] or found["plain"]
    if environment.get(name):
        return environment[name]
    if found["how"] == ":?":
        raise ValueError(f"required variable {name} is missing a value: {found['rest']}")
    return found["rest"] or ""


def _absolute(kind: str, value: Any, folder: Path) -> Any:
    """Return a resource with what is relative to its file as absolute paths."""
    value = dict(value or {})
    if kind == "secrets" and "file" in value:
        value["file"] = str((folder / value["file"]).resolve())
    if "build" in value:
        value["build"] = {**value["build"], "context": str((folder / value["build"]["context"]).resolve())}
    if "volumes" in value:
        value["volumes"] = [_mount(mount, folder) for mount in value["volumes"]]
    return value


def _mount(mount: str, folder: Path) -> str:
    source, *rest = mount.split(":")
    return ":".join([str((folder / source).resolve()) if source.startswith(".") else source, *rest])
