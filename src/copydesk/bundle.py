"""The bundle: a folder that is the whole model.

    manifest.json   written last: every file's SHA-256 and size; a folder without it was not finished
    settings.json   task, labels, normalisation steps, columns, calibration: what turns texts into answers
    recipe.yaml     the merged recipe, defaults included
    model/          the model's own files: safetensors and JSON, never a pickle
    behaviours.yaml the behavioural tests that the recipe names, where it names some
    training.safetensors   sketches of the training texts, by which leaks are found: no text can be read from them
    report.json     what evaluation found; report.html is the same for people
    history.json    the learning curve, every update
    README.md       the model card

Opening a bundle checks every file; it does not load the model (`runtime.engine` does).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from copydesk.errors import BundleError, UsageError
from copydesk.files import new_folder, sha256_of, write_json, write_text
from copydesk.recipe import Recipe, dump_recipe, parse_recipe
from copydesk.tasks import Task, make_task
from copydesk.types import Decision, ModelVersion, Report, Step

FORMAT = 1
BUNDLES = Path("bundles")
"""Where bundles go, and are looked for, unless a path is given."""


@dataclass(frozen=True)
class Layout:
    """Where things are in a bundle's folder."""

    root: Path

    @property
    def manifest(self) -> Path:
        """Every file's checksum, written last."""
        return self.root / "manifest.json"

    @property
    def settings(self) -> Path:
        """What turns texts into answers."""
        return self.root / "settings.json"

    @property
    def recipe(self) -> Path:
        """The merged recipe."""
        return self.root / "recipe.yaml"

    @property
    def model(self) -> Path:
        """The folder of the model's own files."""
        return self.root / "model"

    @property
    def behaviours(self) -> Path:
        """The recipe's behavioural tests, where it has some."""
        return self.root / "behaviours.yaml"

    @property
    def training_texts(self) -> Path:
        """Sketches of the training texts."""
        return self.root / "training.safetensors"

    @property
    def report(self) -> Path:
        """The evaluation as data."""
        return self.root / "report.json"

    @property
    def history(self) -> Path:
        """Every update's loss, learning rate and rate, where the model was trained by updates."""
        return self.root / "history.json"

    @property
    def report_page(self) -> Path:
        """The evaluation as a page."""
        return self.root / "report.html"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.root / "README.md"

    def is_complete(self) -> bool:
        """Tell whether the bundle was written to its end."""
        return self.manifest.is_file()

    def files(self) -> list[Path]:
        """Return every file but the manifest, sorted."""
        return sorted(path for path in self.root.rglob("*") if path.is_file() and path != self.manifest)


@dataclass(frozen=True)
class Settings:
    """What stands between a text and an answer, besides the weights."""

    task: str
    labels: tuple[str, ...]
    model: str
    text: tuple[str, ...]
    normalise: tuple[str, ...]
    temperature: float = 1.0
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    decision: Decision = Decision()

    def task_of(self) -> Task:
        """Return the task that turns the model's outputs into answers."""
        return make_task(self.task, self.labels, decision=self.decision, categories=self.categories)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Settings:
        """Rebuild settings from their JSON form; unknown or missing keys raise `pydantic.ValidationError`."""
        return TypeAdapter(cls).validate_python(value)


@dataclass(frozen=True)
class Bundle:
    """A verified bundle folder; `registered` is the registry's version that was fetched into it, if one was."""

    path: Path
    settings: Settings
    manifest: dict[str, Any]
    registered: ModelVersion | None = None

    @property
    def layout(self) -> Layout:
        """Where the bundle's files are."""
        return Layout(self.path)

    @property
    def digest(self) -> str:
        """The SHA-256 of the manifest, which holds every file's: equal bundles have equal digests."""
        return sha256_of(self.layout.manifest)

    @property
    def recipe(self) -> Recipe:
        """The recipe the bundle was trained with; its behavioural tests are those in the bundle."""
        values = yaml.safe_load(self.layout.recipe.read_text("utf-8"))
        recipe = parse_recipe(values, where=str(self.layout.recipe))
        own = str(self.layout.behaviours) if self.layout.behaviours.is_file() else None
        return recipe.model_copy(update={"behaviours": own})

    @property
    def report(self) -> Report:
        """What evaluation found."""
        return Report.from_json(json.loads(self.layout.report.read_text("utf-8")))

    @property
    def history(self) -> list[Step]:
        """The whole learning curve; none where the model was not trained by updates."""
        if not self.layout.history.is_file():
            return []
        return TypeAdapter(list[Step]).validate_json(self.layout.history.read_bytes())


def write_bundle(path: Path, *, recipe: Recipe, facts: dict[str, Any], fill: Callable[[Layout], Settings]) -> Bundle:
    """Write a bundle whole or not at all, and return it.

    `fill` writes model, report and card into the layout it is given and returns the settings. `facts` (creation
    time, data hash, versions) go into the manifest. Raises `UsageError` if `path` exists.
    """
    with new_folder(path) as folder:
        layout = Layout(folder)
        layout.model.mkdir()
        settings = fill(layout)
        write_text(layout.recipe, dump_recipe(recipe))
        write_json(layout.settings, asdict(settings))
        files = {
            file.relative_to(folder).as_posix(): {"sha256": sha256_of(file), "bytes": file.stat().st_size}
            for file in layout.files()
        }
        write_json(layout.manifest, {"format": FORMAT, "name": recipe.name, **facts, "files": files})
    return open_bundle(path)


def open_bundle(path: Path) -> Bundle:
    """Verify a bundle folder and return it.

    Raises `UsageError` if there is no such folder; `BundleError` naming the file that is missing or changed.
    """
    if not path.is_dir():
        raise UsageError(
            f"Bundle '{path}' does not exist." if not path.exists() else f"'{path}' is a file, not a bundle."
        )
    layout = Layout(path)
    if not layout.is_complete():
        raise BundleError(f"'{path}' is not a complete bundle: {layout.manifest.name} is missing. Train it again.")
    manifest = _read_json(layout.manifest)
    if manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
        raise BundleError(
            f"'{layout.manifest}' has format {manifest.get('format')!r}; this Copydesk reads format {FORMAT}. "
            "Train it again, or use the Copydesk it was made with."
        )
    for name, recorded in manifest["files"].items():
        _verify(path, name, recorded)
    settings = _read_json(layout.settings)
    try:
        return Bundle(path, Settings.from_json(settings), manifest)
    except ValidationError as error:
        first = error.errors()[0]
        raise BundleError(f"'{layout.settings}': {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


def _verify(root: Path, name: str, recorded: dict[str, Any]) -> None:
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise BundleError(f"'{root}' lists the file '{name}', which lies outside the bundle. It is not to be trusted.")
    file = root / inside
    if not file.is_file():
        raise BundleError(f"'{file}' is missing from the bundle. Copy the whole folder again, or train it again.")
    if file.stat().st_size != recorded.get("bytes") or sha256_of(file) != recorded.get("sha256"):
        raise BundleError(f"'{file}' is not the file that was trained (its checksum differs). Copy the bundle again.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"'{path}' cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise BundleError(f"'{path}' does not hold an object.")
    return value
