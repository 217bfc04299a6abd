"""Two versions in a registry of their own: promoted one after the other, then back, each fetched and asked.

The registry is the embedded MLflow in a temporary folder, whatever server the user's variables name: nothing of it is
seen outside, and a check never writes to a registry that people use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

from copydesk.bundle import Bundle, open_bundle
from copydesk.mlflow_client import REGISTRY, TRACKING
from copydesk.registry.base import PRODUCTION, Facts, Registered, Registry
from copydesk.registry.mlflow import Mlflow
from copydesk.registry.moves import Mover, promote, rollback
from copydesk.runtime.engine import Classifier

_NAME = "checked"
_NO_BARS = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@contextmanager
def own_registry(folder: Path) -> Iterator[Registry]:
    """Yield a new, empty registry in a folder; the working folder and MLflow's variables are as before afterwards."""
    kept = {name: os.environ.pop(name) for name in (TRACKING, REGISTRY, _NO_BARS) if name in os.environ}
    os.environ[_NO_BARS] = "false"
    try:
        with chdir(folder):
            yield Mlflow()
    finally:
        del os.environ[_NO_BARS]
        os.environ.update(kept)


def answers_over_time(
    registry: Registry, bundles: Sequence[Bundle], texts: Sequence[str], mover: Mover, work: Path
) -> list[tuple[int, list[str]]]:
    """Return production's version and its answers after promoting each bundle, and after going back once."""
    versions = [_added(registry, bundle, mover) for bundle in bundles]
    found = []
    champion: Registered | None = None
    for version in versions:
        promote(registry, version, champion, mover)
        champion = version
        found.append(_asked(registry, texts, work / f"promoted-{version.version}"))
    rollback(registry, _NAME, mover)
    return [*found, _asked(registry, texts, work / "rolled-back")]


def _added(registry: Registry, bundle: Bundle, mover: Mover) -> Registered:
    facts = Facts(bundle.digest, str(bundle.manifest.get("data", "")), "", mover.by, mover.at)
    return registry.add(bundle, _NAME, facts)


def _asked(registry: Registry, texts: Sequence[str], folder: Path) -> tuple[int, list[str]]:
    """Fetch what is in production now, and return its version and its answers."""
    version = registry.find(_NAME, PRODUCTION)
    folder.mkdir()
    registry.download(version, folder)
    answers = Classifier.of(open_bundle(folder)).predict(texts, scores=True)
    return version.version, [str(answer.to_json()) for answer in answers]
