"""`copydesk retrain`: answers merged, the model trained anew with them, and the next version staged.

Every step is done once: killed at any moment, the same call goes on where it was, and when all is done it refuses,
as nothing has changed. Training begins anew and not from the present weights, so that a version depends on its data
alone, whatever versions there were before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from copydesk.bundle import Bundle, open_bundle
from copydesk.data.dataset import Dataset, load_dataset
from copydesk.errors import DataError
from copydesk.files import sha256_of
from copydesk.pipeline.run import run_stages
from copydesk.pipeline.state import held
from copydesk.progress import Progress
from copydesk.recipe import Recipe, override
from copydesk.registry.base import STAGING, Registered, Registry
from copydesk.registry.facts import facts_of
from copydesk.registry.moves import Mover, point
from copydesk.retraining.log import Logged
from copydesk.retraining.merge import FOLDER, Answers, answers_of
from copydesk.retraining.traffic import traffic_beside

CHECKS = "checks"
KIND = "retraining"
"""What a registry keeps beside a version under this name: which answers it was trained with. It is put there last."""
LEAST = 20


@dataclass(frozen=True)
class Asked:
    """What to retrain with: review files, a log's feedback, other data than the recipe's source.

    Fewer than `least` new answers are not worth it, where any are given. From `recent` on the log's texts are what
    drift will be measured from. `check` is given a bundle and the Dataset that it was trained on, and returns what is
    kept of its checks; without it nothing is checked.
    """

    reviews: Sequence[Path] = ()
    logged: Logged = field(default_factory=Logged)
    data: Path | None = None
    least: int = LEAST
    alias: str = STAGING
    recent: datetime = datetime.min.replace(tzinfo=UTC)
    check: Callable[[Bundle, Path], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Retrained:
    """The new version with its bundle, the Dataset that it was trained on, what became of the answers, and its checks.

    `checks` are empty where it was not checked.
    """

    version: Registered
    bundle: Bundle
    dataset: Path
    merged: dict[str, Any]
    checks: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        places = {"bundle": str(self.bundle.path), "dataset": str(self.dataset)}
        found = {"corrections": self.merged, "checks": self.checks, "report": self.bundle.report.to_json()}
        return {**self.version.to_json(), **places, **found}


def retrain(recipe: Recipe, asked: Asked, registry: Registry, who: Mover, *, progress: Progress) -> Retrained:
    """Merge, prepare, train, check, register, and let the alias lead to the new version.

    Raises `DataError` where nothing has changed since a version, or too few answers are new; `UsageError` if another
    process is at it; and what the stages raise.
    """
    with held(FOLDER, recipe.name, doing=f"retraining '{recipe.name}'"):
        answers = answers_of(recipe, asked.reviews, asked.logged)
        _say(answers, progress)
        before = _last(registry, recipe.name)
        _require_enough(answers, before, asked)
        path = answers.write(recipe)
        files = [*recipe.prepare.corrections, *([str(path.resolve())] if path else [])]
        traffic = traffic_beside(path, recipe, asked.logged, asked.recent) if path else None
        merged = override(recipe, {"prepare.corrections": files, **_measured_from(traffic)})
        dataset = run_stages(merged, data=asked.data, until="prepare", progress=progress)[-1].output
        prepared = load_dataset(dataset)
        _require_changed(prepared, registry, recipe.name)
        bundle = open_bundle(run_stages(merged, data=asked.data, progress=progress)[-1].output, ours=True)
        facts = {"answers": len(answers.review.items), "sha256": sha256_of(path) if path else "", **_facts(prepared)}
        checks = asked.check(bundle, dataset) if asked.check else {}
        version = _staged(registry, bundle, checks, asked.alias, who)
        registry.attach(version, KIND, facts)
        version = registry.find(version.name, version.version)
    return Retrained(version, bundle, dataset, facts, checks)


def _measured_from(traffic: Path | None) -> dict[str, Any]:
    return {"train.traffic": [{"url": str(traffic.resolve()), "format": "parquet"}]} if traffic else {}


def _staged(registry: Registry, bundle: Bundle, checks: dict[str, Any], alias: str, who: Mover) -> Registered:
    """Register a bundle, keep what its checks found beside it, and let the alias lead to it."""
    version = registry.add(bundle, str(bundle.manifest["name"]), facts_of(bundle, who))
    if checks:
        registry.attach(version, CHECKS, checks)
    point(registry, version, alias, who)
    return version


def _say(answers: Answers, progress: Progress) -> None:
    progress.say(f"{len(answers.review.items):,} answers, {answers.new:,} of them new")
    if answers.textless:
        progress.warn(
            f"{answers.textless:,} corrections have no text, in the log or in themselves, and cannot be learnt from. "
            "Let the server keep texts (`serve.log` in the recipe), or give them: --texts FILE."
        )


def _last(registry: Registry, name: str) -> dict[str, Any]:
    """Return what was noted of the last retraining that went to its end."""
    if name not in registry.names():
        return {}
    return next((facts for one in registry.versions(name) if (facts := registry.attached(one, KIND))), {})


def _require_enough(answers: Answers, before: dict[str, Any], asked: Asked) -> None:
    """Raise `DataError` for too few new answers; all count that the last retraining did not go through with."""
    if not asked.reviews and not asked.logged.name:
        return
    is_done = answers.earlier is not None and sha256_of(answers.earlier) == before.get("sha256")
    new = answers.new if is_done or answers.earlier is None else len(answers.review.items)
    if new == 0 and is_done:
        return  # the source may have changed; if not, that is said
    if new < asked.least:
        raise DataError(
            f"{new:,} new answers since the last retraining; fewer than {asked.least:,} seldom change a model. Review "
            f"more texts (copydesk monitor queue), or retrain with them all the same: --least {max(new, 0)}"
        )


def _require_changed(dataset: Dataset, registry: Registry, name: str) -> None:
    """Raise `DataError` if a version was trained on the same rows, and all that belongs to it was done."""
    if name not in registry.names():
        return
    content = dataset.content_hash()
    for version in registry.versions(name):
        if version.facts.data == content and (
            registry.attached(version, KIND) or "corrections" not in dataset.manifest
        ):
            raise DataError(
                f"Nothing has changed since version {version.version} of '{name}' ({version.facts.created}): it was "
                "trained on the same texts and labels. Review more texts; or train with other settings: copydesk run"
            )


def _facts(dataset: Dataset) -> dict[str, Any]:
    found = dict(dataset.manifest.get("corrections", {}))
    return {**found, "data": dataset.content_hash()}
