"""Whether a run, or a bundle, is of the same recipe and the same data; across machines by a key."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from copydesk import __version__
from copydesk.bundle import Bundle
from copydesk.data.dataset import Dataset
from copydesk.errors import DataError, UsageError
from copydesk.files import sha256_of
from copydesk.models.checkpoints import Work
from copydesk.recipe import Recipe, with_files


def run_key(recipe: Recipe, dataset: Dataset) -> str:
    """Return 16 digits that two runs share if they end with the same predictions, on whatever machine.

    They stand for the recipe, the content of the files it names wherever they lie, the data, and Copydesk's version.
    """
    named = with_files(recipe, _content, lambda source: source if "://" in source else Path(source).name)
    encoder = recipe.model.encoder
    weights = _content(encoder) if Path(encoder).is_dir() else encoder
    named = named.model_copy(update={"model": named.model.model_copy(update={"encoder": weights})})
    facts = [named.model_dump(mode="json"), dataset.content_hash(), __version__]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _content(path: str) -> str:
    """Return the checksum of a file, or of a folder's files; of what cannot be read its name."""
    place = Path(path)
    if place.is_dir():
        files = sorted(file for file in place.rglob("*") if file.is_file())
        sums = [f"{file.relative_to(place).as_posix()} {sha256_of(file)}" for file in files]
        return hashlib.sha256("\n".join(sums).encode()).hexdigest()
    return sha256_of(place) if place.is_file() else place.name


def require_same_run(work: Work, recipe: Recipe, dataset: Dataset) -> None:
    """Raise `UsageError` naming what differs from the run that was begun."""
    facts = work.facts() or {}
    before, now = facts.get("recipe", {}), recipe.model_dump(mode="json")
    changed = [key for key in now if facts and before.get(key) != now[key]]
    if facts and facts.get("data") != dataset.content_hash():
        changed.append("the data")
    if changed:
        raise UsageError(
            f"The unfinished run for '{work.bundle}' cannot be resumed: {', '.join(changed)} changed since it began. "
            "Resume with what it began with, or train without --resume."
        )


def require_data_of(bundle: Bundle, dataset: Dataset) -> None:
    """Raise `DataError` if this is not the Dataset that the bundle was made with."""
    found, wanted = dataset.content_hash(), bundle.manifest.get("data", "")
    if found != wanted:
        raise DataError(
            f"This is not the Dataset that '{bundle.path}' was trained on: its content is {found[:12]}, not "
            f"{wanted[:12]}. Give that Dataset, or the files it was prepared from, with --data PATH."
        )
