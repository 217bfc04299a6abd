"""Which model is looked at: what it is called in the log, what it was made for, and what is an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from copydesk.bundle import Bundle
from copydesk.monitor.reference import Reference
from copydesk.monitor.times import in_utc
from copydesk.recipe import Monitor, override

_DIGITS = 12
NO_REFERENCE = (
    "The bundle holds no reference (it was trained by an older Copydesk, or on fewer than 50 test texts), so drift and "
    "expected accuracy are not judged. Train it again to have one."
)


@dataclass(frozen=True)
class Subject:
    """A version of a model as monitoring sees it.

    `versions` are the names under which it stands in logs: its number in the registry, the beginning of its digest.
    `newest_text` is the time of its newest training text, where the texts have one.
    """

    name: str
    task: str
    version: str
    versions: frozenset[str]
    trained: datetime | None
    reference: Reference | None
    rules: Monitor
    newest_text: datetime | None = None


def subject_of(bundle: Bundle, overrides: Mapping[str, Any] | None = None) -> Subject:
    """Return the model in a bundle, its recipe's `monitor` section overridden.

    Raises `BundleError` for a reference that cannot be read, `RecipeError`.
    """
    file, digest = bundle.layout.reference, bundle.digest[:_DIGITS]
    version = bundle.registered.version if bundle.registered else digest
    return Subject(
        name=str(bundle.manifest["name"]),
        task=bundle.settings.task,
        version=version,
        versions=frozenset({version, digest}),
        trained=_time(bundle.manifest.get("created")),
        reference=Reference.load(file) if file.is_file() else None,
        rules=override(bundle.recipe, overrides or {}).monitor,
        newest_text=_time(bundle.report.data.get("newest_text")),
    )


def _time(written: object) -> datetime | None:
    try:
        return in_utc(datetime.fromisoformat(str(written)))
    except ValueError:
        return None
