"""What is installed, as a CycloneDX bill of materials: made by cyclonedx-py of an environment, cleaned, and validated.

Where something came from on the machine that made the bill (folders, files, package mirrors) is nobody else's business
and is taken out; names, versions, licences and package addresses (`pkg:pypi/…`) stay.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SPECIFICATION = "1.6"
_LOCAL = ("file:", "/", "localhost", "127.0.0.1")


def bill_of(environment: Path, version: str, *, epoch: int) -> dict[str, Any]:
    """Return the bill of an environment in which Copydesk is installed; the same environment gives the same bill.

    Raises `subprocess.CalledProcessError`, `ValueError` for a bill that is none, or in which something local is left.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--short-PURLs"]
    command += ["--spec-version", SPECIFICATION, "--output-format", "JSON", str(environment / "bin" / "python")]
    variables = {"SOURCE_DATE_EPOCH": str(epoch), "PATH": ""}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=variables)
    bill = cleaned(json.loads(done.stdout), version)
    if faults := [*invalid(bill), *local_parts(bill)]:
        raise ValueError("; ".join(faults))
    return bill


def cleaned(bill: dict[str, Any], version: str) -> dict[str, Any]:
    """Return a bill whose subject is Copydesk, without what only the machine knows that made it."""
    components = [dict(component) for component in bill.get("components", [])]
    own = [component for component in components if component["name"] == "copydesk"]
    for component in components:
        component.pop("properties", None)
        kept = [entry for entry in component.get("externalReferences", []) if not _is_local(entry)]
        component.pop("externalReferences", None)
        if kept:
            component["externalReferences"] = kept
    subject = dict(own[0]) if own else {"name": "copydesk", "bom-ref": f"copydesk=={version}"}
    subject |= {"type": "application", "version": version}
    others = [component for component in components if component["name"] != "copydesk"]
    return {**bill, "metadata": {**bill.get("metadata", {}), "component": subject}, "components": others}


def _is_local(reference: dict[str, Any]) -> bool:
    """Tell whether a reference is where a file was installed from, or leads to no public address."""
    return reference.get("type") == "distribution" or not str(reference.get("url", "")).startswith("https://")


def invalid(bill: dict[str, Any]) -> list[str]:
    """Return what CycloneDX's schema has against a bill."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
    return [] if found is None else [f"no CycloneDX {SPECIFICATION}: {found}"]


def local_parts(bill: dict[str, Any]) -> list[str]:
    """Return the texts of a bill that lead to this machine: paths, files, local hosts."""
    return [f"leads to this machine: {text}" for text in _texts(bill) if _leads_here(text)]


def _leads_here(text: str) -> bool:
    return (
        any(text.startswith(start) for start in _LOCAL)
        or "://localhost" in text
        or "://127." in text
        or "file:" in text
    )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)


def summary(bill: dict[str, Any]) -> str:
    """Return a bill in a line: how many components, how many with a licence."""
    components = bill["components"]
    licensed = sum(1 for component in components if component.get("licenses"))
    return f"{len(components)} components, {licensed} with a licence"
