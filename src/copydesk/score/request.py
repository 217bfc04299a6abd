"""What was asked for, as JSON beside the parts: the same request continues, another one is refused."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from copydesk.bundle import Layout
from copydesk.errors import UsageError
from copydesk.files import sha256_of
from copydesk.runtime.engine import Classifier
from copydesk.score.inputs import Input
from copydesk.score.scorer import Options

Request = dict[str, Any]

FORMAT = 1


def request_of(classifier: Classifier, found: Input, options: Options, answers: pa.Schema) -> Request:
    """Return the request; `answers` are the columns that are added."""
    return {
        "format": FORMAT,
        "model": model_of(classifier),
        "options": {
            "text": list(options.text),
            "scores": options.scores,
            "thresholds": None if options.thresholds is None else dict(sorted(options.thresholds.items())),
        },
        "columns": {field.name: str(field.type) for field in answers},
        "input": [
            {"file": file.url, "bytes": file.bytes, "sha256": file.sha256, "rows": file.rows} for file in found.files
        ],
    }


def model_of(classifier: Classifier) -> dict[str, Any]:
    """Return the model's name and kind, and its identity: the SHA-256 of the bundle's manifest, which has every file's.

    Keywords that no bundle holds are known by their settings and words.
    """
    settings = classifier.settings
    if classifier.is_bundle:
        identity = sha256_of(Layout(classifier.path).manifest)
        return {"name": classifier.bundle.manifest.get("name"), "kind": settings.model, "identity": identity}
    with tempfile.TemporaryDirectory() as folder:
        classifier.model.save(Path(folder))
        files = {path.name: sha256_of(path) for path in sorted(Path(folder).iterdir())}
    content = json.dumps([asdict(settings), files], sort_keys=True, default=list)
    return {"name": settings.model, "kind": settings.model, "identity": hashlib.sha256(content.encode()).hexdigest()}


def require_same(wanted: Request, found: str, where: str) -> None:
    """Raise `UsageError` naming what differs from the request in an output's JSON."""
    try:
        known = json.loads(found)
        differing = _differences(wanted, known)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"Output '{where}' is there, but not by this command. Choose another OUT.") from None
    if differing:
        raise UsageError(
            f"Output '{where}' is of another request: {'; '.join(differing)}. Choose another OUT, or remove it."
        )


def _differences(wanted: Request, known: Request) -> list[str]:
    if known["format"] != wanted["format"]:
        return [f"its format is {known['format']!r}, this Copydesk writes {wanted['format']}"]
    found = []
    if wanted["model"]["identity"] != known["model"]["identity"]:
        found.append(f"the model is {_named(wanted['model'])}, it was {_named(known['model'])}")
    for name, option in (("text", "--text"), ("scores", "--scores"), ("thresholds", "--threshold")):
        now, then = wanted["options"][name], known["options"][name]
        if now != then:
            found.append(f"{option} is {_said(now)}, it was {_said(then)}")
    if not found and wanted["columns"] != known["columns"]:
        found.append(
            f"the answers' columns are {', '.join(wanted['columns'])}, they were {', '.join(known['columns'])}"
        )
    return found + _changed_files(wanted["input"], known["input"])


def _said(value: Any) -> str:  # noqa: ANN401 (whatever an option holds)
    if isinstance(value, dict):
        return " ".join(f"{label}={number:g}" for label, number in value.items())
    return ", ".join(value) if isinstance(value, list) else {True: "on", False: "off", None: "not given"}[value]


def _named(model: dict[str, Any]) -> str:
    return f"{model['name']} ({model['identity'][:12]})"


def _changed_files(wanted: list[dict[str, Any]], known: list[dict[str, Any]]) -> list[str]:
    if len(wanted) != len(known):
        return [f"the input has {len(wanted):,} files, it had {len(known):,}"]
    changed = [file for file, old in zip(wanted, known, strict=True) if file["sha256"] != old["sha256"]]
    more = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
    return [f"the input '{changed[0]['file']}' has another content{more}"] if changed else []
