"""The Dataset: one Parquet table of texts, labels and parts, with a manifest that says where they come from.

Columns: `id` (from the text's content), `text`, the label, `split` (train, validation, test), and the provenance
`source` and `row`. Several text columns are joined by `normalise.COLUMN_SEPARATOR`. The label is, by the manifest's
task, `label` (a name), `labels` (a list of names) or `signals` (a list of structs: category, score, tag). Where labels
are weak a column `probabilities` (a list of structs: label, probability) stands beside them; null: the row has none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.data.label_kinds import LabelKind
from copydesk.data.labels import LABELS
from copydesk.data.weak_labels import PROBABILITIES, matrix_of
from copydesk.errors import DataError, SourceError
from copydesk.files import new_folder, sha256_of, write_json
from copydesk.types import Label

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
DATA_FILE = "data.parquet"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class Dataset:
    """Prepared rows, and the manifest: sources, counts, what was dropped and why, and warnings."""

    frame: pl.DataFrame
    manifest: dict[str, Any]

    @property
    def task(self) -> str:
        """The task whose labels these are."""
        return str(self.manifest.get("task", "single"))

    @property
    def kind(self) -> LabelKind[Any]:
        """What is special about the task's labels."""
        return LABELS[self.task]

    @property
    def labels(self) -> tuple[str, ...]:
        """The order of every model's outputs: label names by alphabet, or the recipe's categories in its order."""
        if "categories" in self.manifest:
            return tuple(self.manifest["categories"])
        return tuple(self.frame[self.kind.column].explode().unique().sort())

    def part(self, part: Part) -> tuple[list[str], list[Label]]:
        """Return one part's texts and labels, in the Dataset's order."""
        rows = self.frame.filter(pl.col("split") == part)
        return rows["text"].to_list(), [self.kind.restored(cell) for cell in rows[self.kind.column].to_list()]

    def sources(self, part: Part) -> list[str]:
        """Return where one part's texts come from: a file's name, or what the raw table says."""
        if "source" not in self.frame.columns:
            return []
        return [str(source) for source in self.frame.filter(pl.col("split") == part)["source"].to_list()]

    def probabilities(self, part: Part) -> NDArray[np.float32] | None:
        """Return one part's probabilities, shape (texts, labels); None if the Dataset has none.

        NaN where nothing but a text's label says whether it has one of the `labels`.
        """
        if PROBABILITIES not in self.frame.columns:
            return None
        rows = self.frame.filter(pl.col("split") == part)
        return matrix_of(rows[PROBABILITIES], self.labels, self.kind)

    def weak_rows(self, part: Part) -> int:
        """Return how many of one part's labels come from labelling functions and not from people."""
        return int(self.manifest.get("weak_rows_by_part", {}).get(part, 0))

    def content_hash(self) -> str:
        """Return a SHA-256 over all but provenance: equal exactly if two Datasets hold the same rows."""
        digest = hashlib.sha256()
        for row in self.frame.select("id", "text", self.kind.column, "split").iter_rows():
            digest.update(json.dumps(row, ensure_ascii=True).encode())
        if PROBABILITIES in self.frame.columns:
            digest.update(matrix_of(self.frame[PROBABILITIES], self.labels, self.kind).astype("<f4").tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the folder, the manifest last. Raises `UsageError` if it exists."""
        with new_folder(folder) as new:
            self.frame.write_parquet(new / DATA_FILE)
            manifest = {**self.manifest, "sha256": sha256_of(new / DATA_FILE), "content": self.content_hash()}
            write_json(new / MANIFEST_FILE, manifest)


def is_dataset(path: Path) -> bool:
    """Tell whether the folder is a Dataset; its manifest means that it was written to the end."""
    return (path / MANIFEST_FILE).is_file() and (path / DATA_FILE).is_file()


def load_dataset(folder: Path) -> Dataset:
    """Read a Dataset back. Raises `SourceError` if its table is not the one the manifest was written for."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
        expected = manifest["sha256"]
    except (ValueError, KeyError, OSError) as error:
        raise SourceError(f"'{folder / MANIFEST_FILE}' is not a Dataset's manifest: {error}.") from None
    if sha256_of(folder / DATA_FILE) != expected:
        raise SourceError(f"'{folder / DATA_FILE}' was changed after it was prepared. Run `copydesk prepare` again.")
    frame = pl.read_parquet(folder / DATA_FILE)
    task = manifest.get("task", "single")
    if task not in LABELS:
        raise DataError(f"'{folder}' was prepared for task {task!r}; this Copydesk knows {', '.join(LABELS)}.")
    missing = [column for column in ("id", "text", LABELS[task].column, "split") if column not in frame.columns]
    if missing:
        raise DataError(f"'{folder}' lacks the columns {', '.join(missing)}; it has {', '.join(frame.columns)}.")
    return Dataset(frame, manifest)
