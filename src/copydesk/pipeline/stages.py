"""The stages, and how each is done.

A stage's result depends on some keys of the recipe, on the content of the files they name (`needs.py`), and on what the
stage before made. Whatever else changes in the recipe does not make it run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from copydesk import __version__
from copydesk.bundle import BUNDLES
from copydesk.data.raw import LABELLED, PARQUET, RAW
from copydesk.errors import UsageError
from copydesk.files import next_free, sha256_of
from copydesk.pipeline.needs import KEYS, files_of, needed
from copydesk.pipeline.state import digest
from copydesk.progress import Progress
from copydesk.recipe import Recipe, SourceFile
from copydesk.remote.fetch import fetch


@dataclass(frozen=True)
class Stage:
    """One stage: `do` reads what the stage before made (None: nothing) and writes its output whole or not at all."""

    name: str
    keys: tuple[str, ...]
    place: Callable[[Recipe], Path]
    do: Callable[[Recipe, Path | None, Path, Progress], None]

    def inputs(self, recipe: Recipe, before: str | None) -> str:
        """Return the hash of everything the stage's result depends on; `before` is the content it reads."""
        values = recipe.model_dump(mode="json")
        parts: dict[str, Any] = {key: values[key] for key in self.keys}
        files = {path: sha256_of(Path(path)) for path in files_of(recipe, self.keys) if Path(path).is_file()}
        sources = [_content(source) for source in recipe.source] if before is None else []
        return digest([__version__, parts, files, sources, before])


def stages_of(recipe: Recipe) -> list[Stage]:
    """Return the stages that the recipe needs, in order."""
    return [_STAGES[name] for name in needed(recipe)]


def _content(source: Any) -> str | None:  # noqa: ANN401 (a file or something to collect)
    """Return the SHA-256 of a source file; None for what only collecting can tell."""
    if not isinstance(source, SourceFile):
        return None
    if source.sha256:
        return source.sha256
    path = fetch(source.url).path if "://" in source.url else Path(source.url)
    return sha256_of(path) if path.is_file() else None


def _collect(recipe: Recipe, before: Path | None, out: Path, progress: Progress) -> None:
    from copydesk.collect.collection import collect

    collect(recipe, out=out, progress=progress)


def _label(recipe: Recipe, before: Path | None, out: Path, progress: Progress) -> None:
    from copydesk.labelling.label import label_texts

    label_texts(recipe, _made(before), out=out, now=datetime.now(UTC), progress=progress)


def _prepare(recipe: Recipe, before: Path | None, out: Path, progress: Progress) -> None:
    from copydesk.data.prepare import prepare_dataset

    prepare_dataset(recipe, before, progress=progress).save(out)


def _train(recipe: Recipe, before: Path | None, out: Path, progress: Progress) -> None:
    from copydesk.training import train_bundle

    train_bundle(recipe, data=_made(before), out=out, resume=True, progress=progress)


def _made(before: Path | None) -> Path:
    if before is None:
        raise UsageError("This stage needs what the stage before it makes.")
    return before


COLLECT = Stage("collect", KEYS["collect"], lambda recipe: next_free(RAW, recipe.name, PARQUET), _collect)
LABEL = Stage("label", KEYS["label"], lambda recipe: next_free(LABELLED, recipe.name, PARQUET), _label)
PREPARE = Stage("prepare", KEYS["prepare"], lambda recipe: next_free(Path("datasets"), recipe.name), _prepare)
TRAIN = Stage("train", KEYS["train"], lambda recipe: next_free(BUNDLES, recipe.name), _train)
_STAGES = {stage.name: stage for stage in (COLLECT, LABEL, PREPARE, TRAIN)}
