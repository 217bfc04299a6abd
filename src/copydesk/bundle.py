"""The bundle: a folder that is the whole model.

    manifest.json   written last: every file's SHA-256 and size; a folder without it was not finished
    manifest.json.sig   who made it, where it was signed (`signing.py`); not in the manifest, which it covers
    settings.json   task, labels, normalisation steps, columns, calibration: what turns texts into answers
    recipe.yaml     the merged recipe, defaults included
    model/          the model's own files: safetensors and JSON, never a pickle
    behaviours.yaml the behavioural tests that the recipe names, where it names some
    training.safetensors   sketches of the training texts, by which leaks are found: no text can be read from them
    reference.safetensors   what the test texts and their answers looked like (`monitor/reference.py`)
    report.json     what evaluation found; report.html is the same for people
    history.json    the learning curve, every update
    README.md       the model card

Opening a bundle checks every file, and before that who signed it, where keys are trusted; it does not load the model
(`runtime.engine` does).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from copydesk.errors import BundleError, UsageError
from copydesk.files import new_folder, replacing, sha256_of, write_json, write_text
from copydesk.manifest import (
    FORMAT,
    MANIFEST_FILE,
    SIGNATURE_FILE,
    parse_manifest,
    parse_object,
    read_bounded,
    refuse_unlisted,
    verify_files,
)
from copydesk.recipe import Recipe, dump_recipe, parse_recipe, parse_yaml_without_aliases
from copydesk.signing import require_signed, signature_of
from copydesk.tasks import Task, make_task
from copydesk.types import Decision, ModelVersion, Report, Step

BUNDLES = Path("bundles")
"""Where bundles go, and are looked for, unless a path is given."""


@dataclass(frozen=True)
class Layout:
    """Where things are in a bundle's folder."""

    root: Path

    @property
    def manifest(self) -> Path:
        """Every file's checksum, written last."""
        return self.root / MANIFEST_FILE

    @property
    def signature(self) -> Path:
        """Who made the bundle; there once it was signed."""
        return self.root / SIGNATURE_FILE

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
    def reference(self) -> Path:
        """What the test texts and their answers looked like, where there were enough: drift is measured from it."""
        return self.root / "reference.safetensors"

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

    @property
    def read(self) -> frozenset[str]:
        """The names of the files and folders that are read when the bundle is used."""
        read = (self.settings, self.recipe, self.model, self.behaviours, self.training_texts, self.report, self.history)
        return frozenset(path.name for path in (*read, self.report_page))

    def files(self) -> list[Path]:
        """Return every file but the manifest and its signature, sorted."""
        own = (self.manifest, self.signature)
        return sorted(path for path in self.root.rglob("*") if path.is_file() and path not in own)


@dataclass(frozen=True)
class Settings:
    """What stands between a text and an answer, besides the weights."""

    __pydantic_config__ = ConfigDict(extra="forbid")

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
    """A verified bundle folder; `registered` is what was fetched into it: a registry's version, an address, or None.

    `hold` keeps a fetched folder in its place as long as the bundle lives (`registry/cache.py`).
    """

    path: Path
    settings: Settings
    manifest: dict[str, Any]
    registered: ModelVersion | None = None
    hold: object = field(default=None, repr=False, compare=False)

    @property
    def layout(self) -> Layout:
        """Where the bundle's files are."""
        return Layout(self.path)

    @property
    def members(self) -> list[str]:
        """The names of all files to copy: those of the manifest, the signature if there is one, the manifest last."""
        signature = [SIGNATURE_FILE] if self.layout.signature.is_file() else []
        return [*sorted(self.manifest["files"]), *signature, MANIFEST_FILE]

    @property
    def digest(self) -> str:
        """The SHA-256 of the manifest, which holds every file's: equal bundles have equal digests."""
        return sha256_of(self.layout.manifest)

    @property
    def recipe(self) -> Recipe:
        """The recipe the bundle was trained with; its behavioural tests are those in the bundle."""
        file = self.layout.recipe
        try:
            values = parse_yaml_without_aliases(read_bounded(file).decode("utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise BundleError(f"'{file}' cannot be read: {' '.join(str(error).split())}.") from None
        if not isinstance(values, dict):
            raise BundleError(f"'{file}' does not hold a recipe.")
        own = str(self.layout.behaviours) if self.layout.behaviours.is_file() else None
        return parse_recipe(values, where=str(file)).model_copy(update={"behaviours": own})

    @property
    def report(self) -> Report:
        """What evaluation found. Raises `BundleError` if it does not say what a report must."""
        file = self.layout.report
        try:
            return Report.from_json(parse_object(read_bounded(file), file))
        except ValidationError as error:
            raise _misfit(file, error) from None

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
    return open_bundle(path, ours=True)


def open_bundle(path: Path, *, ours: bool = False) -> Bundle:
    """Verify a bundle folder and return it.

    One that is `ours`, made by this very process, needs no signature. Raises `UsageError` if there is no such folder;
    `BundleError` naming the file that is missing, changed or unlisted; `Untrusted` for want of a signature.
    """
    if not path.is_dir():
        raise UsageError(
            f"Bundle '{path}' does not exist." if not path.exists() else f"'{path}' is a file, not a bundle."
        )
    layout = Layout(path)
    if not layout.is_complete():
        raise BundleError(f"'{path}' is not a complete bundle: {layout.manifest.name} is missing. Train it again.")
    content = read_bounded(layout.manifest)
    if not ours:
        require_signed(content, _signature(layout), path)
    manifest = parse_manifest(content, layout.manifest)
    verify_files(path, manifest)
    refuse_unlisted(path, manifest, layout.read)
    settings = parse_object(read_bounded(layout.settings), layout.settings)
    try:
        return Bundle(path, Settings.from_json(settings), manifest.values)
    except ValidationError as error:
        raise _misfit(layout.settings, error) from None


def sign_bundle(path: Path, key: Path, password: str | None = None) -> Bundle:
    """Verify a bundle and write its signature beside its manifest; one that is there already must be the same.

    Raises `UsageError` for a key that cannot be used, or if another key has signed.
    """
    bundle = open_bundle(path, ours=True)
    signature, file = signature_of(read_bounded(bundle.layout.manifest), key, password), bundle.layout.signature
    if (before := _signature(bundle.layout)) not in (None, signature):
        raise UsageError(f"'{path}' is signed already, with another key. To sign it anew, remove '{file}' first.")
    if before is None:
        with replacing(file) as temporary:
            temporary.write_bytes(signature)
    return bundle


def _misfit(file: Path, error: ValidationError) -> BundleError:
    first = error.errors()[0]
    return BundleError(f"'{file}': {'.'.join(map(str, first['loc']))}: {first['msg']}.")


def _signature(layout: Layout) -> bytes | None:
    return read_bounded(layout.signature) if layout.signature.is_file() else None
